"""Copies, wrong labels and drift are found where they were put."""

import numpy as np
import pytest

from mnistlab.data import quality
from mnistlab.data.datasets import Dataset

RNG = np.random.default_rng(0)
IMAGES = RNG.random((300, 12, 12)).astype(np.float32)


def test_the_nearest_image_is_the_one_that_was_copied():
    copied = np.array([7, 42, 250])
    copies = IMAGES[copied] + RNG.normal(0, 0.02, (3, 12, 12)).astype(np.float32)
    indices, distances = quality.nearest_images(copies, IMAGES)
    assert indices.tolist() == copied.tolist()
    np.testing.assert_allclose(distances, 0.02, rtol=0.1)


def test_the_nearest_image_agrees_with_all_distances_where_all_components_are_used():
    few = IMAGES[:20, :, :]
    indices, distances = quality.nearest_images(
        few + 0.1 * IMAGES[100:120], IMAGES[20:], components=144
    )
    rows = (few + 0.1 * IMAGES[100:120]).reshape(20, 1, -1) - IMAGES[20:].reshape(1, 280, -1)
    every = np.sqrt((rows**2).mean(axis=2))
    assert indices.tolist() == every.argmin(axis=1).tolist()
    np.testing.assert_allclose(distances, every.min(axis=1), rtol=1e-5)


def test_neighbours_are_measured_in_grey_levels():
    train = (255 * IMAGES).astype(np.uint8)
    test = train[[7, 42]] ^ 4  # every pixel 4 grey levels more or less
    indices, distances = quality.nearest_training_images(
        Dataset("made up", "", "", train, np.zeros(300), test, np.zeros(2))
    )
    assert indices.tolist() == [7, 42]
    np.testing.assert_allclose(distances, 4)


def test_swapped_labels_are_suspected_first():
    truth = np.arange(200) % 10
    probabilities = np.full((200, 10), 0.01)
    probabilities[np.arange(200), truth] = 0.91
    labels = truth.astype(np.uint8)
    labels[[3, 150]] = (labels[[3, 150]] + 1) % 10
    assert quality.likely_label_errors(probabilities, labels).tolist() == [3, 150]


def test_doubtful_predictions_do_not_make_a_suspect():
    labels = (np.arange(100) % 10).astype(np.uint8)
    probabilities = np.full((100, 10), 0.01)
    probabilities[np.arange(100), labels] = 0.91
    probabilities[0] = 0.06
    probabilities[0, 5] = 0.46  # the most probable, yet less than fives are given elsewhere
    assert quality.likely_label_errors(probabilities, labels).size == 0


def test_known_errors_are_distinct_test_images():
    known = quality.KNOWN_MNIST_ERRORS
    assert len(set(known)) == len(known) == 15
    assert all(0 <= index < 10000 for index in known)


@pytest.mark.parametrize(
    ("change", "mean", "deviation"),
    [
        pytest.param(lambda part: part, 0, 0, id="none"),
        pytest.param(lambda part: part + 0.25, 0.25, 0, id="brighter"),
        pytest.param(lambda part: 0.5 * part, None, 0.15, id="paler"),
    ],
)
def test_drift_is_measured_in_mean_and_deviation(change, mean, deviation):
    found = quality.pixel_drift(IMAGES, change(IMAGES).astype(np.float32))
    if mean is not None:
        np.testing.assert_allclose(found[0], mean, atol=1e-5)
    np.testing.assert_allclose(found[1], deviation, atol=0.02)


def test_deviation_is_numpys():
    expected = np.abs(IMAGES[:100].std(axis=0) - IMAGES[100:].std(axis=0)).max()
    np.testing.assert_allclose(
        quality.pixel_drift(IMAGES[:100], IMAGES[100:])[1], expected, rtol=1e-4
    )
