"""The stroke digits have MNIST's layout."""

import numpy as np
import pytest
from scipy import ndimage

from mnistlab.data.synthetic_digits import draw_digits

# Holes in a digit, which are background regions that the border does not reach, by form. The
# second 4 is closed.
HOLES = [
    (1, 1, 1),
    (0, 0, 0),
    (0, 0, 0),
    (0, 0, 0),
    (0, 1, 0),
    (0, 0, 0),
    (1, 1, 1),
    (0, 0, 0),
    (2, 2, 2),
    (1, 1, 1),
]


@pytest.fixture(scope="module")
def images():
    return draw_digits()[0]


def test_there_are_three_different_forms_of_each_digit(images):
    _, labels = draw_digits()
    assert labels.dtype == np.uint8
    assert labels.tolist() == [digit for digit in range(10) for _ in range(3)]
    assert len(np.unique(images, axis=0)) == len(images) == 30


def test_images_are_white_strokes_on_black(images):
    assert images.dtype == np.uint8
    assert images.shape == (30, 28, 28)
    assert (images.max(axis=(1, 2)) == 255).all()
    assert (images[:, [0, -1]] == 0).all()
    assert (images[:, :, [0, -1]] == 0).all()
    assert (np.mean((images > 0) & (images < 255), axis=(1, 2)) > 0.02).all()  # antialiased edges


def test_the_centre_of_mass_is_the_centre_of_the_image(images):
    for image in images:
        np.testing.assert_allclose(ndimage.center_of_mass(image), (13.5, 13.5), atol=0.1)


def test_the_longer_side_is_twenty_pixels(images):
    for image in images:
        rows, columns = np.nonzero(image >= 128)
        assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)


def test_strokes_are_two_to_three_pixels_wide(images):
    vertical_one = images[3]
    np.testing.assert_allclose(vertical_one[14].sum() / 255, 2.5, atol=0.5)


def test_each_form_has_the_holes_of_its_digit(images):
    holes = [ndimage.label(image < 64, structure=np.ones((3, 3)))[1] - 1 for image in images]
    assert holes == [count for forms in HOLES for count in forms]


def test_each_form_is_one_connected_piece(images):
    assert [ndimage.label(image > 64)[1] for image in images] == [1] * 30


def test_drawing_twice_gives_the_same_images(images):
    np.testing.assert_array_equal(draw_digits()[0], images)
