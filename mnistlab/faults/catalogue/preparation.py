"""Faults of preparation: from raw bytes to the numbers that a model reads."""

from functools import partial

import numpy as np

from mnistlab.arrays import WHITE, Array
from mnistlab.faults.catalogue.registry import MIRRORED, SCALED_AGAIN, TRANSPOSED, variant
from mnistlab.recipe import Pipeline

RANGE = "test_prepared_images_are_float32_and_in_the_promised_range"
ENDS = "test_black_becomes_0_and_white_becomes_1"
MONOTONE = "test_lighter_pixels_stay_lighter"
PIXELWISE = "test_each_pixel_is_prepared_on_its_own"
BATCHES = "test_a_batch_is_prepared_as_its_parts_are"
REPEATABLE = "test_preparing_images_leaves_them_as_they_are_and_repeats"
ONE_HOT = "test_prepared_labels_are_one_hot"


class _Prepared(Pipeline):
    """Changes raw images, prepared images or prepared labels."""

    raw = images = labels = staticmethod(np.asarray)

    def prepare_images(self, images: Array) -> Array:
        return self.images(super().prepare_images(self.raw(images)))

    def prepare_labels(self, labels: Array) -> Array:
        return self.labels(super().prepare_labels(labels))


def _rest_as_bytes(prepared: Array) -> Array:
    prepared[len(prepared) // 999 * 999 or len(prepared) :] *= WHITE
    return prepared


def _masked_in_place(images: Array) -> Array:
    before = images.copy()
    images[images < 128] = 0
    return before


# fmt: off
add = partial(variant, __name__, _Prepared)
add("no-scaling", "jbornschein/draw#15", RANGE, "The code forgets to divide by 255.",
    images=lambda x: x * WHITE)
add("scaled-twice", "4uiiurz1/pytorch-nested-unet#62", ENDS,
    "A helper divides by 255, and so does its caller.", images=SCALED_AGAIN)
add("divided-by-256", "lisa-lab/pylearn2#93", ENDS,
    "Pixels are divided by 256, the number of grey levels, and not by the largest one, 255.",
    images=lambda x: x * (WHITE / (WHITE + 1)))
add("centred", "real-stanford/diffusion_policy#45", RANGE,
    "Pixels are scaled to -1..1, as for another model.", images=lambda x: x * 2 - 1)
add("clipped", "practice", MONOTONE, "The contrast is stretched until light greys become white.",
    images=lambda x: (x * 1.25).clip(0, 1))
add("inverted", "jadeocr/jadeocr#1", ENDS, "Digits are black on white, as on paper.",
    images=lambda x: 1 - x)
add("transposed-on-both-sides", "tensorflow/datasets#812", PIXELWISE,
    "Rows and columns are exchanged, as in the files of EMNIST.", images=TRANSPOSED)
add("mirrored-on-both-sides", "bernardosulzbach/self-organizing-tree-models#5", PIXELWISE,
    "The reader takes the columns from right to left.", images=MIRRORED)
add("noise-in-preparation", "mrdbourke/pytorch-deep-learning#1352", REPEATABLE,
    "Augmentation is part of the preparation, which serving uses too.",
    images=lambda x: (x + 0.02 * np.random.default_rng().random(x.shape, np.float32)).clip(0, 1))
add("images-float64", "mistralai/mistral-common#316", RANGE,
    "Dividing bytes gives float64, which is not converted to float32.",
    images=lambda x: x.astype(np.float64))
add("labels-shifted", "irllabs/ml-lib#4", ONE_HOT,
    "Classes are numbered from 1, so that 0 becomes the last class.",
    labels=lambda y: np.roll(y, -1, axis=1))
add("eleven-columns", "tensorflow/benchmarks#214", ONE_HOT,
    "The encoding of labels has one class too many.", labels=lambda y: np.pad(y, ((0, 0), (0, 1))))
add("uint8-overflow", "vxy10/p5_VehicleDetection_Unet#2", ENDS,
    "Images are brightened as uint8, where 256 overflows to 0.", raw=lambda x: x + np.uint8(20))
add("scaled-by-the-batch", "openvinotoolkit/model_preparation_algorithm#34", BATCHES,
    "A batch is divided by its own maximum, which differs from batch to batch.",
    images=lambda x: x / np.maximum(x.max(initial=0), 1 / WHITE))
add("train-serve-skew", "Priyanshu-byte-coder/devtrack#927", BATCHES,
    "Serving has its own code for a single image, which divides once more.",
    images=lambda x: x / WHITE if len(x) == 1 else x)
add("last-chunk-not-scaled", "practice", "test_whole_sets_are_prepared_as_their_parts_are",
    "Images are scaled in chunks of 999, and the incomplete last chunk is not scaled.",
    images=_rest_as_bytes)
add("input-changed-in-place", "keras-team/keras#8741", REPEATABLE,
    "A mask is applied to the caller's own array.", raw=_masked_in_place)
add("labels-shuffled-a-little", "practice", "test_prepared_labels_are_those_of_the_dataset",
    "A join gives one image in 200 the wrong label.",
    labels=lambda y: np.where(np.arange(len(y))[:, None] % 200 == 199, np.roll(y, 1, axis=0), y))
# fmt: on
