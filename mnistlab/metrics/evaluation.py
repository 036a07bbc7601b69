"""Probabilities + labels -> Evaluation."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mnistlab.arrays import CLASSES, Array, Bools, Bytes, Doubles, Floats, Indices
from mnistlab.errors import MnistlabError

EPSILON = 1e-7
"""Keras's cross-entropy clips probabilities to this and 1 minus this (``keras.config.epsilon``)."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy, loss and the like of a model's probabilities, float32 (N, 10), for labels (N,).

    MnistlabError if the shapes do not match, there are no images, a label is not 0 to 9, or a
    probability is not finite.
    """

    probabilities: Floats
    labels: Bytes

    def __post_init__(self) -> None:
        """Check the arrays."""
        labels = np.asarray(self.labels)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            got = f"labels: got {labels.dtype} {labels.shape}"
            raise MnistlabError(f"{got}; required integers (N,), not one-hot")
        shape, count = np.shape(self.probabilities), len(labels)
        if shape != (count, CLASSES) or not count:
            got = f"predict returned shape {shape} for {count} images"
            raise MnistlabError(f"{got}; required ({count}, {CLASSES})")
        if bad := int((~np.isfinite(self.probabilities)).any(axis=1).sum()):
            got = f"predict returned NaN or infinity for {bad} of {count} images"
            raise MnistlabError(f"{got}; look at the weights")
        if labels.min() < 0 or labels.max() >= CLASSES:
            got = f"labels: got {labels.min()} to {labels.max()}"
            raise MnistlabError(f"{got}; required digits, 0 to {CLASSES - 1}")

    @cached_property
    def predictions(self) -> Array:
        """The predicted digits, int, shape (N,)."""
        return np.asarray(np.argmax(self.probabilities, axis=1))

    @cached_property
    def confidence(self) -> Floats:
        """The probabilities of the predicted digits, float32, shape (N,), 0 to 1."""
        return np.asarray(np.max(self.probabilities, axis=1))

    @cached_property
    def right(self) -> Bools:
        """Whether each prediction is correct, bool, shape (N,)."""
        return np.asarray(self.predictions == self.labels)

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """The fraction of images that are predicted correctly."""
        return float(self.right.mean())

    @property
    def loss(self) -> float:
        """The mean cross-entropy in nats, with probabilities clipped as Keras clips them."""
        truth = self.probabilities[np.arange(self.count), self.labels].astype(np.float64)
        return float(-np.log(np.clip(truth, EPSILON, 1 - EPSILON)).mean())

    @cached_property
    def confusion(self) -> Indices:
        """Images by true digit (row) and predicted digit (column), int64, shape (10, 10)."""
        cells = CLASSES * self.labels.astype(np.int64) + self.predictions
        return np.bincount(cells, minlength=CLASSES**2).reshape(CLASSES, CLASSES)

    @property
    def recall(self) -> Doubles:
        """The fraction of each digit's images that are predicted correctly, (10,); NaN of none."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.diag(self.confusion) / self.confusion.sum(axis=1))

    def confident_mistakes(self, most: int) -> Array:
        """Return the indices of at most `most` wrong predictions, the most confident first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:most]
