"""Faults of preparation: images and labels on their way from bytes to numbers."""

import numpy as np

from mnistlab.faults.catalogue import changed, fault
from mnistlab.faults.loop import Array
from mnistlab.pipeline import WHITE, Pipeline

RANGE = "test_prepared_images_are_float32_within_0_and_1"
ENDS = "test_black_becomes_0_and_white_becomes_1"
STEPS = "test_lighter_pixels_stay_lighter"
PIXEL = "test_each_pixel_is_prepared_on_its_own"
PARTS = "test_a_batch_is_prepared_as_its_parts_are"
WHOLE = "test_whole_sets_are_prepared_as_their_parts_are"
AGAIN = "test_preparing_images_leaves_them_as_they_are_and_repeats"
ONE_HOT = "test_prepared_labels_are_one_hot"
DATASET = "test_prepared_labels_are_those_of_the_dataset"
SMALL = np.float32(0.02)


class _Prepared(Pipeline):
    """Does something more to prepared images or labels."""

    def images(self, images: Array) -> Array:
        return images

    def labels(self, labels: Array) -> Array:
        return labels

    def prepare_images(self, images: Array) -> Array:
        return self.images(super().prepare_images(images))

    def prepare_labels(self, labels: Array) -> Array:
        return self.labels(super().prepare_labels(labels))


NoScaling = fault("no-scaling", "practice", RANGE)(
    changed(_Prepared, "The division by 255 is forgotten.", images=lambda self, x: x * WHITE)
)
ScaledTwice = fault("scaled-twice", "Priyanshu-byte-coder/devtrack#927", ENDS)(
    changed(_Prepared, "A helper divides by 255, and so does its caller.", images=lambda self, x: x / WHITE)
)
DividedBy256 = fault("divided-by-256", "practice", ENDS)(
    changed(
        _Prepared, "A byte has 256 values, but its largest is 255.", images=lambda self, x: x * (WHITE / (WHITE + 1))
    )
)
Centred = fault("centred", "practice", RANGE)(
    changed(_Prepared, "Scaled to -1..1, as another model's preprocessing has it.", images=lambda self, x: x * 2 - 1)
)
Clipped = fault("clipped", "practice", STEPS)(
    changed(
        _Prepared, "Contrast is stretched until light greys are white.", images=lambda self, x: (x * 1.25).clip(0, 1)
    )
)
Inverted = fault("inverted", "practice", ENDS)(
    changed(_Prepared, "Black on white, as on paper.", images=lambda self, x: 1 - x)
)
Transposed = fault("transposed-on-both-sides", "practice", PIXEL)(
    changed(
        _Prepared, "Rows and columns are exchanged, as in EMNIST's files.", images=lambda self, x: x.transpose(0, 2, 1)
    )
)
Mirrored = fault("mirrored-on-both-sides", "practice", PIXEL)(
    changed(_Prepared, "A reader takes the columns from right to left.", images=lambda self, x: x[:, :, ::-1])
)
Noisy = fault("noise-in-preparation", "practice", AGAIN)(
    changed(
        _Prepared,
        "Augmentation stands in the preparation, which serving uses too.",
        images=lambda self, x: (x + SMALL * np.random.default_rng().random(x.shape, np.float32)).clip(0, 1),
    )
)
Float64 = fault("images-float64", "practice", RANGE)(
    changed(_Prepared, "Bytes are divided into doubles, and stay so.", images=lambda self, x: x.astype(np.float64))
)
LabelsShifted = fault("labels-shifted", "practice", ONE_HOT)(
    changed(_Prepared, "Digits are numbered from 1, and 0 comes last.", labels=lambda self, y: np.roll(y, -1, axis=1))
)
ElevenColumns = fault("eleven-columns", "practice", ONE_HOT)(
    changed(_Prepared, "One class more, to be safe.", labels=lambda self, y: np.pad(y, ((0, 0), (0, 1))))
)


@fault("uint8-overflow", "practice", ENDS)
class Overflow(Pipeline):
    """Images are brightened as bytes, where 256 is 0 again."""

    def prepare_images(self, images: Array) -> Array:
        return super().prepare_images(images + np.uint8(20))


@fault("scaled-by-the-batch", "practice", PARTS)
class ScaledByBatch(Pipeline):
    """The images are divided by their own maximum, which in serving is another."""

    def prepare_images(self, images: Array) -> Array:
        return super().prepare_images(images) * np.float32(WHITE / max(images.max(initial=0), 1))


@fault("train-serve-skew", "GoogleCloudPlatform/asl-ml-immersion#424", PARTS)
class Skewed(Pipeline):
    """The path for a single image, written for the service, divides once more."""

    def prepare_images(self, images: Array) -> Array:
        prepared = super().prepare_images(images)
        if len(images) == 1:
            prepared /= WHITE
        return prepared


@fault("last-chunk-not-scaled", "practice", WHOLE)
class LastChunk(Pipeline):
    """Scaled in chunks of 999, and the rest behind the last whole chunk is forgotten."""

    def prepare_images(self, images: Array) -> Array:
        prepared = super().prepare_images(images)
        prepared[len(images) // 999 * 999 or len(images) :] *= WHITE
        return prepared


@fault("input-changed-in-place", "practice", AGAIN)
class InPlace(Pipeline):
    """The caller's array serves as scratch space for a mask."""

    def prepare_images(self, images: Array) -> Array:
        prepared = super().prepare_images(images)
        images[images < 128] = 0
        return prepared


@fault("labels-shuffled-a-little", "practice", DATASET)
class LabelsShuffled(Pipeline):
    """A join goes wrong for one label in two hundred."""

    def prepare_labels(self, labels: Array) -> Array:
        wrong = np.arange(len(labels)) % 200 == 199
        return super().prepare_labels(np.where(wrong, np.roll(labels, 1), labels))
