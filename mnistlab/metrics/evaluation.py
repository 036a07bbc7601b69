"""Probabilities + labels -> Evaluation."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mnistlab.arrays import CLASSES, Array, Bools, Bytes, Doubles, Floats, Indices

EPSILON = 1e-7
"""Keras's cross-entropy clips probabilities to this and 1 minus this (``keras.config.epsilon``)."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy, loss and the like of a model's probabilities, float32 (N, 10), for labels (N,)."""

    probabilities: Floats
    labels: Bytes

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
