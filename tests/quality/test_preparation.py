"""Whether preparation is correct for any images and labels."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, PIXELS
from mnistlab.errors import MnistlabError, NotRequiredError
from mnistlab.recipe import PUBLISHED

# Derandomized, so that every run has the same examples and the same verdict. Not shrunk, because
# nobody would read the smaller image.
examples = settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)
images = arrays(np.uint8, st.tuples(st.integers(1, 5), *map(st.just, IMAGE_SHAPE)))
labels = arrays(np.uint8, st.integers(1, 20), elements=st.integers(0, CLASSES - 1))
seeds = st.integers(0, 2**32 - 1)
PART = 1000  # images
FLOAT32 = 1e-6  # a few roundings of 2**-24 each
SPEC = "state what is meant as image_range in the spec, None for any values"


def scaled_by_255(pipeline):
    """Raise NotRequiredError unless the pipeline promises pixels from 0 to 1."""
    if pipeline.spec.image_range != PUBLISHED.image_range:
        raise NotRequiredError("the spec does not promise that grey levels are scaled to 0 to 1")


@pytest.fixture(scope="module")
def ramps(pipeline):
    """Return prepared images, (28, 784), each sorted: its many black pixels, then levels 1 to 255.

    Every image has every grey level, so that it may be scaled by its own extremes. Sorted, because
    another check tells whether pixels keep their places.
    """
    scaled_by_255(pipeline)
    places = np.arange(PIXELS) + np.arange(0, PIXELS, 28)[:, None]
    levels = np.maximum(places % PIXELS - (PIXELS - 256), 0).astype(np.uint8)
    prepared = pipeline.prepare_images(levels.reshape(-1, *IMAGE_SHAPE))
    return np.sort(prepared.reshape(-1, PIXELS), axis=1)


@pytest.mark.provides("images")
@examples
@given(images=images)
def test_prepared_images_are_float32_and_in_the_promised_range(pipeline, images):
    prepared = pipeline.prepare_images(images)
    assert prepared.dtype == np.float32, f"prepared images are {prepared.dtype}, required float32"
    got = f"prepared images have shape {prepared.shape}"
    assert prepared.shape == images.shape, f"{got}, required {images.shape}"
    if pipeline.spec.image_range:
        least, most = pipeline.spec.image_range
        rounding = FLOAT32 * max(abs(least), abs(most))
        low, high = prepared.min(), prepared.max()
        required = f"required {least:g} to {most:g}; look at the scaling by 255, or {SPEC}"
        within = least - rounding <= low and high <= most + rounding
        assert within, f"prepared pixels are from {low:g} to {high:g}, {required}"


@pytest.mark.provides("images")
@examples
@given(images=images)
def test_preparing_images_leaves_them_as_they_are_and_repeats(pipeline, images):
    before = images.copy()
    first = np.array(pipeline.prepare_images(images))
    assert np.array_equal(images, before), "prepare_images changes its input; let it work on a copy"
    again = pipeline.prepare_images(images)
    advice = "remove what is random or kept between calls"
    assert np.array_equal(again, first), f"a second call of prepare_images differs; {advice}"


@pytest.mark.provides("images")
def test_black_becomes_0_and_white_becomes_1(ramps):
    black, white = ramps[:, :-255], ramps[:, -1]
    assert (black == 0).all(), f"grey level 0 becomes {black.max()}, required 0; {SPEC}"
    advice = "divide by 255 exactly once, after the conversion to float32"
    got = f"grey level 255 becomes {white.min()}, required 1"
    assert (white == 1).all(), f"{got}; {advice}, or {SPEC}"


def test_lighter_pixels_stay_lighter(ramps):
    flat = (np.diff(ramps[:, -256:], axis=1) <= 0).any(axis=0).sum()
    advice = f"look for a threshold, rounding or an overflow, or {SPEC}"
    assert not flat, f"{flat} of 255 grey levels are not above the level below; {advice}"


def test_grey_levels_are_scaled_evenly(ramps):
    error = np.abs(ramps[:, -256:] - np.arange(256) / 255).max()
    advice = f"look for a gamma correction, a logarithm or a stretched contrast, or {SPEC}"
    assert error <= FLOAT32, f"a grey level is {error:.2g} from its share of 255; {advice}"


@examples
@given(images=images, seed=seeds)
def test_each_pixel_is_prepared_on_its_own(pipeline, images, seed):
    scaled_by_255(pipeline)
    order = np.random.default_rng(seed).permutation(PIXELS)
    shuffled = images.reshape(-1, PIXELS)[:, order].reshape(images.shape)
    expected = pipeline.prepare_images(images).reshape(-1, PIXELS)[:, order].reshape(images.shape)
    same = np.array_equal(pipeline.prepare_images(shuffled), expected)
    advice = f"look for blurring, shifting or centring, or {SPEC}"
    assert same, f"a pixel's value depends on other pixels; {advice}"


@pytest.mark.provides("images")
@examples
@given(images=images, seed=seeds)
def test_each_image_is_prepared_on_its_own(pipeline, images, seed):
    order = np.random.default_rng(seed).permutation(len(images))
    expected = pipeline.prepare_images(images)[order]
    same = np.array_equal(pipeline.prepare_images(images[order]), expected)
    assert same, "an image's values depend on the images before it; prepare each image on its own"


@pytest.mark.provides("images")
@examples
@given(images=images)
def test_a_batch_is_prepared_as_its_parts_are(pipeline, images):
    parts = [pipeline.prepare_images(images[i : i + 1]) for i in range(len(images))]
    same = np.array_equal(pipeline.prepare_images(images), np.concatenate(parts))
    assert same, "train/serve skew: an image alone differs from one in a batch; use no batch values"


@pytest.mark.provides("labels")
@examples
@given(labels=labels)
def test_prepared_labels_are_one_hot(pipeline, labels):
    prepared = pipeline.prepare_labels(labels)
    required = (len(labels), CLASSES)
    got = f"prepared labels have shape {prepared.shape}"
    assert prepared.shape == required, f"{got}, required {required}"
    assert prepared.dtype == np.float32, f"prepared labels are {prepared.dtype}, required float32"
    advice = "look for label smoothing, or another encoding than one-hot"
    assert ((prepared == 0) | (prepared == 1)).all(), f"an entry is neither 0 nor 1; {advice}"
    assert (prepared.sum(axis=1) == 1).all(), f"a row does not have exactly one 1; {advice}"
    same = np.array_equal(prepared.argmax(axis=1), labels)
    assert same, "the 1 is not in the column of the label; look at the order of the classes"


@pytest.mark.provides("images")
@pytest.mark.parametrize("part", ["train", "test"])
def test_whole_sets_are_prepared_as_their_parts_are(pipeline, dataset, prepared, part):
    raw, whole = getattr(dataset, f"{part}_images"), getattr(prepared, f"{part}_images")
    starts = range(0, len(raw), PART)
    slices = [slice(start, start + PART) for start in starts]
    same = [np.array_equal(pipeline.prepare_images(raw[part]), whole[part]) for part in slices]
    assert all(same), (
        f"train/serve skew: {same.count(False)} of {len(same)} parts of {PART} images differ from "
        f"the same images among all {len(raw)}, the first from image {starts[same.index(False)]}; "
        "use no mean, maximum or other value of all images"
    )


@pytest.mark.provides("labels")
@pytest.mark.parametrize("part", ["train", "test"])
def test_prepared_labels_are_those_of_the_dataset(dataset, prepared, part):
    labels, one_hot = getattr(dataset, f"{part}_labels"), getattr(prepared, f"{part}_labels")
    wrong = int((one_hot != np.eye(CLASSES)[labels]).any(axis=1).sum())
    advice = "look for shuffled or shifted labels"
    got = f"{wrong} of {len(labels)} prepared labels differ from the dataset"
    assert not wrong, f"{got}, required none; {advice}"


@pytest.fixture(scope="module")
def refusing(pipeline):
    """Raise NotRequiredError unless the pipeline promises to refuse wrong input."""
    if not pipeline.spec.refuses_wrong_input:
        raise NotRequiredError("the spec does not promise that wrong input is refused")


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
@pytest.mark.usefixtures("refusing")
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
@pytest.mark.usefixtures("refusing")
def test_images_that_are_not_as_read_are_refused_with_a_message(pipeline, wrong):
    with pytest.raises((MnistlabError, ValueError, TypeError), match=r"\w+ \w+"):
        pipeline.prepare_images(wrong)
