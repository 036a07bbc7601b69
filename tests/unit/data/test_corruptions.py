"""Corruptions change images as much as their severity says, repeatably, and nothing else."""

import io
import itertools
import math
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from mnistlab.data.corruptions import CORRUPTIONS, corrupt
from mnistlab.data.synthetic_digits import draw_digits

# The parameter of each function's default severity in MNIST-C's corruptions.py. MNIST-C states the
# inverse factor of scale, 1/0.7.
MNIST_C = {
    "translate": 3,
    "rotate": 0.4,
    "scale": 0.7,
    "shear": 0.4,
    "gaussian_noise": 0.38,
    "impulse_noise": 0.17,
    "contrast": 0.1,
    "brightness": 0.5,
    "jpeg_compression": 7,
}
GREY = np.full((20, 28, 28), 128, np.uint8)

any_images = hnp.arrays(np.uint8, st.tuples(st.integers(0, 3), st.just(28), st.just(28)))
any_name = st.sampled_from(sorted(CORRUPTIONS))
any_seed = st.integers(0, 2**32)
every_corruption = pytest.mark.parametrize("name", list(CORRUPTIONS))


@pytest.fixture(scope="module")
def digits():
    images, _ = draw_digits()
    images.setflags(write=False)
    return images


@settings(max_examples=60, deadline=None)
@given(any_images, any_name, st.integers(1, 5), any_seed)
def test_dtype_and_shape_are_kept_and_the_input_is_untouched(images, name, severity, seed):
    before = images.copy()
    corrupted = corrupt(images, name, severity, seed=seed)
    assert corrupted.dtype == np.uint8
    assert corrupted.shape == images.shape
    np.testing.assert_array_equal(images, before)
    assert not np.shares_memory(corrupted, images)


@every_corruption
def test_every_image_is_changed_at_every_severity(digits, name):
    for severity in range(1, 6):
        assert (corrupt(digits, name, severity) != digits).any(axis=(1, 2)).all()


@every_corruption
def test_mean_absolute_change_rises_with_severity(digits, name):
    levels = [corrupt(digits, name, severity).astype(float) for severity in range(1, 6)]
    change = [0, *(np.abs(level - digits).mean() for level in levels)]
    assert (np.diff(change) > 0).all(), change


@every_corruption
def test_a_prefix_of_the_images_is_corrupted_like_the_whole(digits, name):
    whole, prefix = corrupt(digits, name, 3, seed=5), corrupt(digits[:7], name, 3, seed=5)
    np.testing.assert_array_equal(whole[:7], prefix)


@pytest.mark.parametrize(
    "name", ["shift", "rotation", "shear", "gaussian_noise", "impulse_noise", "occlusion"]
)
def test_another_seed_is_another_draw_and_the_same_seed_the_same(digits, name):
    first = corrupt(digits, name, 3, seed=1)
    np.testing.assert_array_equal(corrupt(digits, name, 3, seed=1), first)
    assert (corrupt(digits, name, 3, seed=2) != first).any()


def test_draws_are_the_same_in_another_process(digits):
    names = ["shift", "impulse_noise", "occlusion"]  # whole grey levels, so rounding is no matter
    program = (
        "import zlib; from mnistlab.data import corrupt, draw_digits\n"
        f"print(*[zlib.crc32(corrupt(draw_digits()[0], name, 2)) for name in {names}])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == [str(zlib.crc32(corrupt(digits, name, 2))) for name in names]


def test_each_mnist_c_parameter_is_at_the_severity_stated():
    stated = {}
    for corruption in CORRUPTIONS.values():
        if corruption.mnist_c:
            published_name, severity = corruption.mnist_c
            stated[published_name] = corruption.parameters[severity - 1]
    assert stated == MNIST_C


def test_a_shift_keeps_its_direction_at_every_severity_and_goes_all_four_ways(digits):
    one, two = corrupt(digits, "shift", 2), corrupt(digits, "shift", 4)  # by one and by two pixels
    ways = set()
    for image, by_one, by_two in zip(digits, one, two, strict=True):
        moves = [
            (y, x)
            for y in (-1, 1)
            for x in (-1, 1)
            if (np.roll(image, (y, x), (0, 1)) == by_one).all()
        ]
        assert len(moves) == 1
        ways.update(moves)
        rolled, inner = np.roll(image, 2 * np.array(moves[0]), (0, 1)), (slice(2, -2), slice(2, -2))
        np.testing.assert_array_equal(rolled[inner], by_two[inner])
    assert len(ways) == 4


@pytest.mark.parametrize("name", ["rotation", "shear", "scale"])
def test_affine_maps_agree_with_scipy_in_one_of_the_two_directions(digits, name):
    parameter = CORRUPTIONS[name].parameters[4]
    cos, sin = math.cos(parameter), math.sin(parameter)
    linear = {  # from (row, column) of the result to the source, as affine_transform takes it
        "rotation": [[[cos, s], [-s, cos]] for s in (sin, -sin)],
        "shear": [[[cos, 0], [s, 1]] for s in (sin, -sin)],
        "scale": [np.eye(2) / parameter] * 2,
    }[name]
    on_white = 255 - digits  # so that what comes in from beyond the border shows
    chosen = set()
    for image, warped in zip(on_white, corrupt(on_white, name, 5), strict=True):
        errors = []
        for matrix in np.array(linear):
            offset = 13.5 - matrix @ [13.5, 13.5]
            expected = ndimage.affine_transform(
                image * 1.0, matrix, offset, order=1, mode="grid-constant"
            )
            errors.append(np.abs(expected - warped).max())
        assert min(errors) < 0.51  # rounding to a whole grey level
        chosen.add(int(np.argmin(errors)))
    assert chosen == ({0} if name == "scale" else {0, 1})


@pytest.mark.parametrize("severity", [1, 5])
def test_jpeg_is_what_pillow_makes_of_each_image_alone(digits, severity):
    noisy = corrupt(
        digits, "gaussian_noise", 5
    )  # up to the border, where JPEG fills incomplete blocks
    many = np.tile(noisy, (70, 1, 1))  # 2 100 images: more than fit one strip
    for image, decoded in zip(many[::37], corrupt(many, "jpeg", severity)[::37], strict=True):
        file = io.BytesIO()
        Image.fromarray(image).save(
            file, "JPEG", quality=CORRUPTIONS["jpeg"].parameters[severity - 1]
        )
        np.testing.assert_array_equal(decoded, np.asarray(Image.open(file)))


def test_gaussian_noise_has_the_deviation_stated():
    deviation = (corrupt(GREY, "gaussian_noise", 1) / 255).std()
    assert deviation == pytest.approx(0.08, rel=0.03)  # 15 680 pixels: a standard error of 0.6 %


def test_impulse_noise_hits_the_share_stated_half_of_it_white():
    noisy = corrupt(GREY, "impulse_noise", 5)
    assert set(np.unique(noisy)) == {0, 128, 255}
    assert (noisy != 128).mean() == pytest.approx(0.27, abs=0.015)  # four standard errors
    assert (noisy == 255).mean() == pytest.approx(0.135, abs=0.011)


def test_impulse_noise_at_one_severity_keeps_every_impulse_of_the_one_below():
    for severity in range(1, 5):
        low, high = (
            corrupt(GREY, "impulse_noise", severity),
            corrupt(GREY, "impulse_noise", severity + 1),
        )
        np.testing.assert_array_equal(high[low != 128], low[low != 128])


def test_occlusion_is_a_grey_square_on_ink(digits):
    for severity, side in enumerate(CORRUPTIONS["occlusion"].parameters, start=1):
        changed = corrupt(digits, "occlusion", severity) != digits
        assert (corrupt(digits, "occlusion", severity)[changed] == 128).all()
        assert (changed & (digits > 127)).any(axis=(1, 2)).all()
        assert changed.sum(axis=(1, 2)).max() <= side * side


def test_occlusion_grows_by_a_pixel_on_every_side():
    white = np.full((20, 28, 28), 255, np.uint8)
    squares = [corrupt(white, "occlusion", severity) == 128 for severity in range(1, 6)]
    for smaller, larger in itertools.pairwise(squares):
        grown = ndimage.binary_dilation(smaller, np.ones((1, 3, 3)))
        np.testing.assert_array_equal(larger, grown)


@every_corruption
def test_extreme_images_do_not_wrap_around(name):
    black, white = np.zeros((4, 28, 28), np.uint8), np.full((4, 28, 28), 255, np.uint8)
    inner = (
        slice(None),
        slice(10, 18),
        slice(10, 18),
    )  # away from the border, where a warp brings in black
    for severity in range(1, 6):
        if name not in (
            "gaussian_noise",
            "impulse_noise",
            "occlusion",
        ):  # those do put white on black
            rounding = 4 if name == "jpeg" else 0  # that of a block's mean
            added = 128 if name == "brightness" else 0
            assert corrupt(black, name, severity).max() <= rounding + added
            assert corrupt(white, name, severity)[inner].min() >= 255 - rounding
    noisy = corrupt(white, "gaussian_noise", 1)
    assert noisy.min() > 100  # five deviations below white


def test_thin_only_takes_ink_and_thick_and_brightness_only_add(digits):
    for severity in range(1, 6):
        assert (corrupt(digits, "thin", severity) <= digits).all()
        assert (corrupt(digits, "thick", severity) >= digits).all()
        assert (corrupt(digits, "brightness", severity) >= digits).all()


def test_thick_by_one_pixel_is_a_dilation_by_the_four_neighbours():
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 9, 12] = 200
    rows, columns = np.nonzero(corrupt(dot, "thick", 2)[0] == 200)
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        (9, 12),
        (8, 12),
        (10, 12),
        (9, 11),
        (9, 13),
    }


def test_blur_and_contrast_keep_the_mean(digits):
    for name in ("blur", "contrast"):
        np.testing.assert_allclose(
            corrupt(digits, name, 3).mean(axis=(1, 2)), digits.mean(axis=(1, 2)), atol=0.6
        )


def test_blur_spreads_a_dot_alike_along_rows_and_columns():
    dot = np.zeros((1, 28, 28), np.uint8)
    dot[0, 14, 14] = 255
    blurred = corrupt(dot, "blur", 2)[0]
    np.testing.assert_array_equal(blurred, blurred.T)
    assert blurred[14, 14] == round(
        255 / (2 * math.pi)
    )  # the peak of a Gaussian whose sd is one pixel
