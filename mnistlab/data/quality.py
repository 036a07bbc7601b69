"""What may be wrong with data: near-duplicates, likely label errors, drift."""

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.data.datasets import Dataset

KNOWN_MNIST_ERRORS = (
    947,
    1621,
    1901,
    2130,
    2462,
    2597,
    2654,
    3520,
    3558,
    5937,
    6651,
    6783,
    8527,
    9679,
    9729,
)
"""MNIST test images whose label at most two of five people confirmed, by index from 0.

Source: Northcutt, Athalye and Mueller (2021), Pervasive label errors in test sets destabilize machine learning
benchmarks; github.com/cleanlab/label-errors, mturk/mnist_mturk.json at commit 5457895.
"""
_BLOCK = 100  # rows of distances at a time: 24 MB against 60 000 images


@functools.lru_cache(maxsize=1)
def neighbours(dataset: Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find for every test image the nearest training image: its index, and how far it is, in grey levels."""
    images, others = (
        part.astype(np.float32) for part in (dataset.test_images, dataset.train_images)
    )
    return nearest(images, others)


def nearest(
    images: NDArray[Any], others: NDArray[Any], dimensions: int = 40
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Find for every image the most similar one of others, by the first principal components of the others.

    Parameters
    ----------
    images, others : numpy.ndarray of float32, shapes (N, 28, 28) and (M, 28, 28)
    dimensions : int
        Principal components, of a sample of at most 6 000 of the others.

    Returns
    -------
    indices : numpy.ndarray of int, shape (N,)
        Into `others`.
    distances : numpy.ndarray of float, shape (N,)
        Root mean square difference of the pixels, over all of them and not only the components.
    """
    rows, columns = (array.reshape(len(array), -1) for array in (images, others))
    sample = columns[:: -(-len(columns) // 6000)]
    sample = sample - sample.mean(axis=0)
    axes = np.linalg.eigh(sample.T @ sample)[1][:, -dimensions:]
    left, right = rows @ axes, columns @ axes
    # |a - b|^2 = |a|^2 - 2 ab + |b|^2, and |a|^2 is the same for all b: one product gives the rest.
    left = np.column_stack([-2 * left, np.ones_like(left[:, :1])])
    right = np.column_stack([right, (right**2).sum(axis=1)]).T.copy()
    indices = np.empty(len(left), dtype=np.intp)
    distances = np.empty(
        (_BLOCK, right.shape[1]), dtype=left.dtype
    )  # once: fresh memory costs more than the sums
    for start in range(0, len(left), _BLOCK):
        part = left[start : start + _BLOCK]
        indices[start : start + _BLOCK] = np.matmul(part, right, out=distances[: len(part)]).argmin(
            axis=1
        )
    return indices, np.sqrt(((rows - columns[indices]) ** 2).mean(axis=1))


def likely_label_errors(probabilities: NDArray[Any], labels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the images whose label is likely wrong, the likeliest first: confident learning.

    A class is confidently predicted where its probability reaches the mean that it has on the images labelled so;
    an image is suspected where the most probable of these classes is not its label.

    Parameters
    ----------
    probabilities : numpy.ndarray of float, shape (N, classes)
        Of images that the model was not trained on.
    labels : numpy.ndarray of uint8, shape (N,)
        Each class at least once.

    Returns
    -------
    numpy.ndarray of int
        Indices, ordered by the normalised margin: probability of the label less that of the best other class.

    Source
    ------
    Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in dataset labels, section 3.1,
    equations 1 and 2; the ranking: section 3.2.
    """
    place = np.arange(len(labels))
    classes = range(probabilities.shape[1])
    thresholds = np.array([probabilities[labels == digit, digit].mean() for digit in classes])
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    suspected = (confident.max(axis=1) > 0) & (confident.argmax(axis=1) != labels)
    others = probabilities.copy()
    others[place, labels] = -1
    margin = probabilities[place, labels] - others.max(axis=1)
    return np.asarray(
        sorted(np.flatnonzero(suspected), key=lambda index: float(margin[index])), dtype=np.intp
    )


def drift(images: NDArray[np.float32], others: NDArray[np.float32]) -> tuple[float, float]:
    """Return how far two sets of prepared images differ at the pixel where they differ most.

    Parameters
    ----------
    images, others : numpy.ndarray of float32, shapes (N, 28, 28) and (M, 28, 28)

    Returns
    -------
    mean, deviation : float
        Largest difference of a pixel's mean, and of its standard deviation, in the units of the pixels.
    """
    means = [part.mean(axis=0, dtype=np.float64) for part in (images, others)]
    # Not NumPy's std: a pass over copies of 60 000 images takes seconds.
    squares = [
        np.einsum("nij,nij->ij", part, part, dtype=np.float64) / len(part)
        for part in (images, others)
    ]
    deviations = [
        np.sqrt(np.maximum(square - mean**2, 0))
        for square, mean in zip(squares, means, strict=True)
    ]
    return float(np.abs(means[0] - means[1]).max()), float(
        np.abs(deviations[0] - deviations[1]).max()
    )
