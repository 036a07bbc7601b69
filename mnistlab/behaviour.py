"""What a trained model does beyond its accuracy: under corruption, small changes, and by place in the test set."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnistlab.corrupt import CORRUPTIONS, corrupt
from mnistlab.data import Dataset

Images: TypeAlias = NDArray[np.uint8]  # (N, 28, 28)
Accuracies: TypeAlias = Mapping[str, tuple[float, ...]]  # corruption -> accuracy at severity 0 to 5

SEVERITY = 2
"""Where accuracy under corruption is bounded: it costs 1 to 6 points there, and healthy seeds are still alike (their
standard deviation is at most 2 points; at severity 3 up to 4.4, at 4 and 5 more)."""

SURE = 0.99
"""A confidence that nothing but a digit should get."""


def _move(rows: int, columns: int) -> Callable[[Images], Images]:
    def moved(images: Images) -> Images:
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
        return padded[:, 1 - rows : 29 - rows, 1 - columns : 29 - columns]

    return moved


def _less_contrast(images: Images) -> Images:
    mean = images.mean(axis=(1, 2), keepdims=True)
    lessened: Images = np.rint(mean + 0.95 * (images - mean)).astype(np.uint8)
    return lessened


def _one_pixel(images: Images) -> Images:
    changed = images.copy()
    place = np.random.default_rng(0).integers(28, size=(2, len(images)))
    changed[np.arange(len(images)), place[0], place[1]] ^= 255
    return changed


PERTURBATIONS: Mapping[str, Callable[[Images], Images]] = MappingProxyType(
    {
        "a shift of one pixel left": _move(0, -1),
        "a shift of one pixel right": _move(0, 1),
        "a shift of one pixel up": _move(-1, 0),
        "a shift of one pixel down": _move(1, 0),
        "5 % less contrast": _less_contrast,
        "one inverted pixel": _one_pixel,
    }
)
"""Changes that leave a digit what it is: raw images -> raw images."""


def corruptions(images: Images) -> Iterator[tuple[str, int, Images]]:
    """Yield name, severity 1 to 5 and images for every corruption, one at a time: together they are 500 MB."""
    for name, severity in itertools.product(CORRUPTIONS, range(1, 6)):
        yield name, severity, corrupt(images, name, severity)


def predict_raw(pipeline: Any, model: Any, images: Images) -> NDArray[np.float32]:
    """Return the probabilities of raw images, as whoever uses the model gets them: prepare, then predict."""
    return np.asarray(pipeline.predict(model, pipeline.prepare_images(images)))


def accuracies(pipeline: Any, model: Any, corrupted: Iterable[tuple[str, int, Images]], dataset: Dataset) -> Accuracies:
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
    found = {name: [float((clean.argmax(axis=1) == dataset.test_labels).mean())] for name in CORRUPTIONS}
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


def no_digits(count: int = 500) -> dict[str, Images]:
    """Return images that show no digit: every evenly grey level that is a multiple of 5, and pure noise.

    Parameters
    ----------
    count : int
        Images of noise; pixels are drawn evenly from 0 to 255 with a fixed seed.

    Returns
    -------
    dict of numpy.ndarray of uint8, shape (N, 28, 28)
    """
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return {"blank": np.broadcast_to(levels[:, None, None], (len(levels), 28, 28)).copy(), "noise": noise}
