"""What may be wrong with data: near-duplicates, likely label errors, drift."""

import functools

import numpy as np

from mnistlab.arrays import Array, Bytes, Floats
from mnistlab.data.datasets import Dataset

KNOWN_MNIST_ERRORS = (
    947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729
)  # fmt: skip
"""Indices of MNIST test images whose label at most two of five people confirmed.

Source: Northcutt, Athalye and Mueller (2021), Pervasive label errors in test sets destabilize
machine learning benchmarks; github.com/cleanlab/label-errors, mturk/mnist_mturk.json at commit
5457895.
"""


@functools.lru_cache(maxsize=1)
def nearest_training_images(dataset: Dataset) -> tuple[Array, Array]:
    """Find the nearest training image of every test image; see `nearest_images`, in grey levels."""
    test, train = dataset.test_images, dataset.train_images
    return nearest_images(test.astype(np.float32), train.astype(np.float32))


def nearest_images(images: Floats, others: Floats, components: int = 40) -> tuple[Array, Array]:
    """Find for each of N images the most similar of others, by principal components of the others.

    Returns indices into the others, (N,), and root mean square differences of all pixels, (N,).
    """
    from sklearn.decomposition import PCA
    from sklearn.metrics import pairwise_distances_argmin

    rows, columns = (array.reshape(len(array), -1) for array in (images, others))
    axes = PCA(components, svd_solver="covariance_eigh").fit(columns[:: -(-len(columns) // 6000)])
    indices = pairwise_distances_argmin(axes.transform(rows), axes.transform(columns))
    return indices, np.sqrt(((rows - columns[indices]) ** 2).mean(axis=1))


def likely_label_errors(probabilities: Array, labels: Bytes) -> Array:
    """Return the indices of labels, (N,), that are likely wrong, the most suspect first.

    A class is confident for an image if its probability reaches the mean over the images with that
    label. A label is suspect if the most probable confident class is another one. `probabilities`,
    (N, classes), are of images that the model was not trained on.

    Source: Northcutt, Jiang and Chuang (2021), Confident learning: estimating uncertainty in
    dataset labels, section 3.1, equations 1 and 2; the ranking by margin: section 3.2.
    """
    index = np.arange(len(labels))
    classes = range(probabilities.shape[1])
    thresholds = np.array([probabilities[labels == digit, digit].mean() for digit in classes])
    confident = np.where(probabilities >= thresholds, probabilities, -1)
    suspect = (confident.max(axis=1) > 0) & (confident.argmax(axis=1) != labels)
    others = probabilities.copy()
    others[index, labels] = -1
    margin = probabilities[index, labels] - others.max(axis=1)
    suspects = np.flatnonzero(suspect)
    return suspects[np.argsort(margin[suspects], kind="stable")]


def pixel_drift(images: Floats, others: Floats) -> tuple[float, float]:
    """Return the largest difference of a pixel's mean, and of its deviation, in two sets."""
    moments = np.array([_mean_and_deviation(part) for part in (images, others)])
    mean, deviation = np.abs(moments[0] - moments[1]).max(axis=(1, 2)).tolist()
    return mean, deviation


def _mean_and_deviation(images: Floats) -> tuple[Array, Array]:
    """Return every pixel's mean and deviation; NumPy's std copies 60 000 images, for seconds."""
    mean = images.mean(axis=0, dtype=np.float64)
    square = np.einsum("nij,nij->ij", images, images, dtype=np.float64) / len(images)
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
