"""What a trained model does beyond its accuracy: under corruption, small changes, and by place in the test set."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnistlab.data import CORRUPTIONS, Dataset

Images: TypeAlias = NDArray[np.uint8]  # (N, 28, 28)
Accuracies: TypeAlias = Mapping[str, tuple[float, ...]]  # corruption -> accuracy at severity 0 to 5

SEVERITY = 2
"""Where accuracy under corruption is bounded: it costs 1 to 6 points there, and healthy seeds are still alike (their
standard deviation is at most 2 points; at severity 3 up to 4.4, at 4 and 5 more)."""

SURE = 0.99
"""A confidence that nothing but a digit should get."""


def predict_raw(pipeline: Any, model: Any, images: Images) -> NDArray[np.float32]:
    """Return the probabilities of raw images, as whoever uses the model gets them: prepare, then predict."""
    return np.asarray(pipeline.predict(model, pipeline.prepare_images(images)))


def accuracies(
    pipeline: Any, model: Any, corrupted: Iterable[tuple[str, int, Images]], dataset: Dataset
) -> Accuracies:
    """Return the accuracy on the test images under every corruption, at severity 0 to 5.

    Parameters
    ----------
    pipeline : Pipeline
    model : keras.Model
    corrupted : iterable of (str, int, uint8 array)
        As `corruptions` yields the test images.
    dataset : Dataset
    """
    clean = predict_raw(pipeline, model, dataset.test_images)
    found = {
        name: [float((clean.argmax(axis=1) == dataset.test_labels).mean())] for name in CORRUPTIONS
    }
    for name, _, images in corrupted:
        predicted = predict_raw(pipeline, model, images).argmax(axis=1)
        found[name].append(float((predicted == dataset.test_labels).mean()))
    return {name: tuple(row) for name, row in found.items()}


def steepest_rise(accuracies: Accuracies) -> float:
    """Return by how much accuracy rises at most from a severity to the next, over all corruptions; a fraction."""
    return max(float(np.diff(row).max()) for row in accuracies.values())


def mean_accuracy(accuracies: Accuracies) -> float:
    """Return the mean over all corruptions and the severities from 1, a fraction."""
    return float(np.mean([row[1:] for row in accuracies.values()]))


def differences_by_place(right: NDArray[np.bool_], labels: NDArray[np.uint8]) -> dict[str, float]:
    """Return by how much accuracy differs between two parts of the test set that its order alone defines.

    Parameters
    ----------
    right : numpy.ndarray of bool, shape (N,)
        Whether each prediction is right, in the order of the test set.
    labels : numpy.ndarray of uint8, shape (N,)

    Returns
    -------
    dict
        Accuracy in the part that is named less that in the rest, -1 to 1.
    """
    index = np.arange(len(labels))
    parts = {
        "second half of the test set": index >= len(labels) // 2,
        "odd places of the test set": index % 2 == 1,
        "images behind one of their own digit": np.append(False, labels[1:] == labels[:-1]),
    }
    return {name: float(right[part].mean() - right[~part].mean()) for name, part in parts.items()}
