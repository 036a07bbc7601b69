"""Probabilities + labels -> Evaluation."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError

CLASSES = 10
SMALLEST = 1e-7
"""What Keras's cross-entropy clips a probability to (``keras.config.epsilon()``)."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model's predictions are worth.

    Parameters
    ----------
    probabilities : numpy.ndarray of float32, shape (N, 10)
        As predicted: each row is meant to sum to 1, and is not mended here.
    labels : numpy.ndarray of uint8, shape (N,)
        The truth, 0 to 9.

    Raises
    ------
    MnistlabError
        If the shapes do not fit each other, there is no row, a label is no digit, or a probability is not finite.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.uint8]

    def __post_init__(self) -> None:
        """Refuse what cannot be evaluated."""
        labels = np.asarray(self.labels)
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
            raise MnistlabError(
                f"labels: got {labels.dtype} {labels.shape}; required integers (N,), not one-hot"
            )
        shape, count = np.shape(self.probabilities), len(labels)
        if shape != (count, CLASSES) or not count:
            raise MnistlabError(
                f"predict returned shape {shape} for {count} images; required ({count}, {CLASSES})"
            )
        if not np.isfinite(self.probabilities).all():
            bad = int((~np.isfinite(self.probabilities)).any(axis=1).sum())
            raise MnistlabError(
                f"predict returned NaN or infinity for {bad} of {count} images; look at the weights"
            )
        if labels.min() < 0 or labels.max() >= CLASSES:
            raise MnistlabError(
                f"labels: got {labels.min()} to {labels.max()}; required digits, 0 to 9"
            )

    @cached_property
    def predictions(self) -> NDArray[Any]:
        """The predicted digit of each image, int, shape (N,)."""
        return np.asarray(np.argmax(self.probabilities, axis=1))

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """The probability of each predicted digit, float32, shape (N,), 0 to 1."""
        return np.asarray(np.max(self.probabilities, axis=1))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Whether each prediction is the truth, bool, shape (N,)."""
        return np.asarray(self.predictions == self.labels)

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.labels)

    @property
    def accuracy(self) -> float:
        """The fraction of images that are predicted right."""
        return float(self.right.mean())

    @property
    def loss(self) -> float:
        """The mean cross-entropy in nats, with probabilities clipped as Keras clips them."""
        truth = self.probabilities[np.arange(self.count), self.labels].astype(np.float64)
        return float(-np.log(np.clip(truth, SMALLEST, 1 - SMALLEST)).mean())

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """How often each digit (row) is taken for each digit (column), int64, shape (10, 10)."""
        cells = CLASSES * self.labels.astype(np.int64) + self.predictions
        return np.bincount(cells, minlength=CLASSES**2).reshape(CLASSES, CLASSES)

    @property
    def recall(self) -> NDArray[np.float64]:
        """The fraction of each digit's images that are predicted right, float64, shape (10,); NaN where none is."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.diag(self.confusion) / self.confusion.sum(axis=1))

    def confident_mistakes(self, most: int) -> NDArray[Any]:
        """Return the indices of the wrong predictions with the highest confidence, highest first, int, (<= most,)."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:most]
