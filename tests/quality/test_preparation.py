"""Whether preparation keeps its promises, whatever the images and labels."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnistlab.errors import MnistlabError

# Derandomized: the same examples in every run, so the same verdict. Nobody reads a smaller image that fails as well.
examples = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
images = arrays(np.uint8, st.tuples(st.integers(1, 5), st.just(28), st.just(28)))
labels = arrays(np.uint8, st.integers(1, 20), elements=st.integers(0, 9))
seeds = st.integers(0, 2**32 - 1)
PART = 1000  # images


@examples
@given(images=images)
def test_prepared_images_are_float32_within_0_and_1(pipeline, images):
    prepared = pipeline.prepare_images(images)
    assert prepared.dtype == np.float32, f"prepared images are {prepared.dtype}, required float32"
    assert prepared.shape == images.shape, (
        f"prepared images have shape {prepared.shape}, required {images.shape}"
    )
    assert prepared.min() >= 0, f"a prepared pixel is {prepared.min()}, required at least 0"
    assert prepared.max() <= 1, f"a prepared pixel is {prepared.max()}, required at most 1"


@examples
@given(images=images)
def test_preparing_images_leaves_them_as_they_are_and_repeats(pipeline, images):
    before = images.copy()
    first = np.array(pipeline.prepare_images(images))
    assert np.array_equal(images, before), "prepare_images changes its input"
    assert np.array_equal(pipeline.prepare_images(images), first), (
        "prepare_images differs at its second call"
    )


def test_black_becomes_0_and_white_becomes_1(pipeline):
    ends = np.array([np.zeros((28, 28)), np.full((28, 28), 255)], dtype=np.uint8)
    black, white = pipeline.prepare_images(ends)
    assert (black == 0).all(), f"grey level 0 becomes {black.max()}, required 0"
    assert (white == 1).all(), (
        f"grey level 255 becomes {white.min()}, required 1; is it divided by 255, once, and not as a byte?"
    )


def test_lighter_pixels_stay_lighter(pipeline):
    ramp = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 28, 28))
    steps = np.diff(pipeline.prepare_images(np.ascontiguousarray(ramp)), axis=0)
    assert (steps > 0).all(), (
        f"{(steps <= 0).any(axis=(1, 2)).sum()} of 255 grey levels are not above the level below"
    )


@examples
@given(images=images, seed=seeds)
def test_each_pixel_is_prepared_on_its_own(pipeline, images, seed):
    order = np.random.default_rng(seed).permutation(28 * 28)
    shuffled = images.reshape(-1, 28 * 28)[:, order].reshape(images.shape)
    expected = pipeline.prepare_images(images).reshape(-1, 28 * 28)[:, order].reshape(images.shape)
    assert np.array_equal(pipeline.prepare_images(shuffled), expected), (
        "a pixel's value depends on other pixels"
    )


@examples
@given(images=images, seed=seeds)
def test_each_image_is_prepared_on_its_own(pipeline, images, seed):
    order = np.random.default_rng(seed).permutation(len(images))
    expected = pipeline.prepare_images(images)[order]
    assert np.array_equal(pipeline.prepare_images(images[order]), expected), (
        "an image's values depend on its place"
    )


@examples
@given(images=images)
def test_a_batch_is_prepared_as_its_parts_are(pipeline, images):
    parts = [pipeline.prepare_images(images[i : i + 1]) for i in range(len(images))]
    assert np.array_equal(pipeline.prepare_images(images), np.concatenate(parts)), (
        "train/serve skew: batch differs"
    )


@examples
@given(labels=labels)
def test_prepared_labels_are_one_hot(pipeline, labels):
    prepared = pipeline.prepare_labels(labels)
    assert prepared.shape == (len(labels), 10), (
        f"shape {prepared.shape}, required {(len(labels), 10)}"
    )
    assert prepared.dtype == np.float32, f"prepared labels are {prepared.dtype}, required float32"
    assert ((prepared == 0) | (prepared == 1)).all(), "an entry is neither 0 nor 1"
    assert (prepared.sum(axis=1) == 1).all(), "a row has not exactly one 1"
    assert np.array_equal(prepared.argmax(axis=1), labels), "argmax does not give the label back"


@pytest.mark.parametrize("part", ["train", "test"])
def test_whole_sets_are_prepared_as_their_parts_are(pipeline, dataset, prepared, part):
    raw, whole = getattr(dataset, f"{part}_images"), getattr(prepared, f"{part}_images")
    starts = range(0, len(raw), PART)
    differ = [
        start
        for start in starts
        if not np.array_equal(
            pipeline.prepare_images(raw[start : start + PART]), whole[start : start + PART]
        )
    ]
    assert not differ, (
        f"train/serve skew: {len(differ)} of {len(starts)} parts of {PART} images are prepared in another way by "
        f"themselves than among all {len(raw)}, the first from image {differ[0]}"
    )


@pytest.mark.parametrize("part", ["train", "test"])
def test_prepared_labels_are_those_of_the_dataset(dataset, prepared, part):
    labels, ones = getattr(dataset, f"{part}_labels"), getattr(prepared, f"{part}_labels")
    wrong = int((ones != np.eye(10)[labels]).any(axis=1).sum())
    assert not wrong, (
        f"{wrong} of {len(labels)} prepared labels are not those of the dataset: shuffled, or shifted?"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.array([3, 10], dtype=np.uint8), id="ten"),
        pytest.param(np.array([3, -1]), id="negative"),
        pytest.param(np.array([3.0, 4.0]), id="floats"),
        pytest.param(np.array([3.0, np.nan]), id="not-a-number"),
        pytest.param(np.array([[3, 4]], dtype=np.uint8), id="two-dimensions"),
        pytest.param(np.array(3, dtype=np.uint8), id="no-dimension"),
    ],
)
def test_labels_that_are_no_digits_are_refused_with_a_message(pipeline, wrong):
    with pytest.raises((MnistlabError, ValueError, TypeError, IndexError), match=r"\w+ \w+"):
        pipeline.prepare_labels(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.zeros((2, 28, 28), dtype=np.float32), id="floats"),
        pytest.param(np.full((2, 28, 28), np.nan), id="not-a-number"),
        pytest.param(np.zeros((28, 28), dtype=np.uint8), id="two-dimensions"),
        pytest.param(np.zeros((2, 27, 28), dtype=np.uint8), id="other-size"),
    ],
)
def test_images_that_are_not_as_read_are_refused_with_a_message(pipeline, wrong):
    with pytest.raises((MnistlabError, ValueError, TypeError), match=r"\w+ \w+"):
        pipeline.prepare_images(wrong)
