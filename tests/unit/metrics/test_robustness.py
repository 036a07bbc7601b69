"""The small changes are small, places are counted, corruptions come in order."""

import numpy as np
import pytest

from mnistlab.data.corruptions import CORRUPTIONS, corrupt_all
from mnistlab.data.datasets import Dataset
from mnistlab.data.perturbations import PERTURBATIONS, images_without_digits
from mnistlab.data.synthetic_digits import draw_digits
from mnistlab.metrics import robustness

IMAGES, LABELS = draw_digits()
SET = Dataset("digits", "drawn", "", IMAGES, LABELS, IMAGES, LABELS)


class _Stripes:
    """Predicts the digit from the brightest of the first ten rows, and counts what it was asked."""

    asked = 0

    def prepare_images(self, images):
        return images / np.float32(255)

    def predict(self, model, images):
        _Stripes.asked += len(images)
        return np.eye(10, dtype=np.float32)[images[:, :10].sum(axis=2).argmax(axis=1)]


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_small_change_changes_every_image_a_little(name):
    before = IMAGES.copy()
    changed = PERTURBATIONS[name](IMAGES)
    assert changed.shape == IMAGES.shape
    assert changed.dtype == np.uint8
    assert (changed != IMAGES).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(IMAGES, before)


def test_shifts_move_by_one_pixel():
    shift = PERTURBATIONS
    np.testing.assert_array_equal(
        shift["a shift of one pixel right"](IMAGES)[:, :, 1:], IMAGES[:, :, :-1]
    )
    np.testing.assert_array_equal(
        shift["a shift of one pixel left"](IMAGES)[:, :, :-1], IMAGES[:, :, 1:]
    )
    np.testing.assert_array_equal(shift["a shift of one pixel down"](IMAGES)[:, 1:], IMAGES[:, :-1])
    np.testing.assert_array_equal(shift["a shift of one pixel up"](IMAGES)[:, :-1], IMAGES[:, 1:])


def test_one_pixel_of_each_image_is_inverted():
    changed = PERTURBATIONS["one inverted pixel"](IMAGES)
    assert ((changed != IMAGES).sum(axis=(1, 2)) == 1).all()
    assert (changed.astype(int) + IMAGES == 255)[changed != IMAGES].all()


def test_places_are_compared_with_the_rest():
    labels = np.array([1, 1, 2, 2], np.uint8)
    right = np.array([True, False, False, True])
    assert robustness.accuracy_by_position(right, labels) == {
        "second half of the test set": 0.0,
        "odd places of the test set": 0.0,
        "images behind one of their own digit": 0.0,
    }
    right[:] = [False, True, False, True]
    assert robustness.accuracy_by_position(right, labels) == {
        "second half of the test set": 0.0,
        "odd places of the test set": 1.0,
        "images behind one of their own digit": 1.0,
    }


def test_accuracies_start_with_the_clean_images_and_follow_severity():
    found = robustness.accuracies(_Stripes(), None, corrupt_all(IMAGES), SET)
    assert list(found) == list(CORRUPTIONS)
    assert {len(row) for row in found.values()} == {6}
    assert len({row[0] for row in found.values()}) == 1
    assert _Stripes.asked == 30 * (1 + 5 * len(CORRUPTIONS))


def test_mean_leaves_the_clean_images_out_and_the_steepest_rise_does_not():
    accuracies = {"blur": (0.5, 0.6, 0.6, 0.6, 0.6, 0.6), "shift": (0.5, 0.4, 0.4, 0.4, 0.4, 0.45)}
    np.testing.assert_allclose(robustness.mean_accuracy(accuracies), 0.505)
    np.testing.assert_allclose(robustness.steepest_rise(accuracies), 0.1)


def test_what_is_no_digit_is_blank_or_noise():
    found = images_without_digits(5)
    assert {kind: images.shape[1:] for kind, images in found.items()} == {
        "blank": (28, 28),
        "noise": (28, 28),
    }
    assert (np.ptp(found["blank"], axis=(1, 2)) == 0).all()
    assert (np.ptp(found["noise"], axis=(1, 2)) > 200).all()
