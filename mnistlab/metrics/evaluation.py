"""Probabilities + labels -> Evaluation."""

import numpy as np

from mnistlab.arrays import CLASSES, Array, Bools, Bytes, Doubles, Floats, Indices

EPSILON = 1e-7
"""Keras's cross-entropy clips probabilities to this and 1 minus this (``keras.config.epsilon``)."""


class Evaluation:
    """Accuracy, loss and the like of a model's probabilities, float32 (N, 10), for labels (N,)."""

    def __init__(self, probabilities: Floats, labels: Bytes) -> None:
        self.probabilities, self.labels, self.count = probabilities, labels, len(labels)
        self.predictions: Array = probabilities.argmax(axis=1)
        self.confidence: Floats = probabilities.max(axis=1)  # in the predicted digits
        self.right: Bools = self.predictions == labels
        self.accuracy = float(self.right.mean())
        truth = probabilities[np.arange(self.count), labels].astype(np.float64)
        # The mean cross-entropy, in nats.
        self.loss = float(-np.log(np.clip(truth, EPSILON, 1 - EPSILON)).mean())
        pairs = CLASSES * labels.astype(np.int64) + self.predictions
        cells = np.bincount(pairs, minlength=CLASSES**2)
        self.confusion: Indices = cells.reshape(CLASSES, CLASSES)  # true digit, predicted digit
        with np.errstate(invalid="ignore"):  # NaN for a digit without images
            self.recall: Doubles = np.diag(self.confusion) / self.confusion.sum(axis=1)

    def confident_mistakes(self, most: int) -> Array:
        """Return the indices of at most `most` wrong predictions, the most confident first."""
        wrong = np.flatnonzero(~self.right)
        return wrong[np.argsort(-self.confidence[wrong], kind="stable")][:most]
