"""Accuracy under corruption, and by position in the test set."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np

from mnistlab.arrays import Bools, Bytes, Floats
from mnistlab.data import CORRUPTIONS, Dataset

Accuracies: TypeAlias = Mapping[str, tuple[float, ...]]
"""Corruption -> accuracy at severity 0 to 5."""
SEVERITY = 2
"""The severity at which accuracy is bounded: it costs 1 to 6 points, and healthy seeds agree."""


def predict_raw(pipeline: Any, model: Any, images: Bytes) -> Floats:
    """Prepare raw images, uint8 (N, 28, 28), and return their probabilities, float32 (N, 10)."""
    return np.asarray(pipeline.predict(model, pipeline.prepare_images(images)))


def accuracies(
    pipeline: Any, model: Any, corrupted: Iterable[tuple[str, int, Bytes]], dataset: Dataset
) -> Accuracies:
    """Measure the accuracy on the test images, which come corrupted as by `corrupt_all`."""

    def accuracy(images: Bytes) -> float:
        predicted = predict_raw(pipeline, model, images).argmax(axis=1)
        return float((predicted == dataset.test_labels).mean())

    clean = accuracy(dataset.test_images)
    by_severity = {name: [clean] for name in CORRUPTIONS}
    for name, _, images in corrupted:
        by_severity[name].append(accuracy(images))
    return {name: tuple(row) for name, row in by_severity.items()}


def steepest_rise(accuracies: Accuracies) -> float:
    """Return the largest rise of accuracy from one severity to the next, a fraction."""
    return max(float(np.diff(row).max()) for row in accuracies.values())


def mean_accuracy(accuracies: Accuracies) -> float:
    """Return the mean over all corruptions and the severities from 1, a fraction."""
    return float(np.mean([row[1:] for row in accuracies.values()]))


def accuracy_by_position(right: Bools, labels: Bytes) -> dict[str, float]:
    """Return the accuracy in a part of the test set, by order, minus that in the rest, by name."""
    index = np.arange(len(labels))
    parts = {
        "second half of the test set": index >= len(labels) // 2,
        "odd places of the test set": index % 2 == 1,
        "images behind one of their own digit": np.append(False, labels[1:] == labels[:-1]),
    }
    return {name: float(right[part].mean() - right[~part].mean()) for name, part in parts.items()}
