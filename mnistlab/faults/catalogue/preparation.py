"""Faults of preparation: images and labels on their way from bytes to numbers."""

import numpy as np

from mnistlab.faults.catalogue.registry import variants
from mnistlab.faults.catalogue.training_steps import Array
from mnistlab.recipe import WHITE, Pipeline

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
    """Does something more to raw images, or to prepared images or labels."""

    def raw(self, images: Array) -> Array:
        return images

    def images(self, images: Array) -> Array:
        return images

    def labels(self, labels: Array) -> Array:
        return labels

    def prepare_images(self, images: Array) -> Array:
        return self.images(super().prepare_images(self.raw(images)))

    def prepare_labels(self, labels: Array) -> Array:
        return self.labels(super().prepare_labels(labels))


def _last_chunk_as_bytes(_: Pipeline, prepared: Array) -> Array:
    prepared[len(prepared) // 999 * 999 or len(prepared) :] *= WHITE
    return prepared


def _masked_in_place(_: Pipeline, images: Array) -> Array:
    before = images.copy()
    images[images < 128] = 0
    return before


# fmt: off
variants(__name__, _Prepared, (
    ("no-scaling", "jbornschein/draw#15", RANGE, "The division by 255 is forgotten.",
     {"images": lambda self, x: x * WHITE}),
    ("scaled-twice", "4uiiurz1/pytorch-nested-unet#62", ENDS, "A helper divides by 255, and so does its caller.",
     {"images": lambda self, x: x / WHITE}),
    ("divided-by-256", "lisa-lab/pylearn2#93", ENDS, "A byte has 256 values, but its largest is 255.",
     {"images": lambda self, x: x * (WHITE / (WHITE + 1))}),
    ("centred", "real-stanford/diffusion_policy#45", RANGE, "Scaled to -1..1, as another model's preprocessing has it.",
     {"images": lambda self, x: x * 2 - 1}),
    ("clipped", "practice", STEPS, "Contrast is stretched until light greys are white.",
     {"images": lambda self, x: (x * 1.25).clip(0, 1)}),
    ("inverted", "jadeocr/jadeocr#1", ENDS, "Black on white, as on paper.", {"images": lambda self, x: 1 - x}),
    ("transposed-on-both-sides", "tensorflow/datasets#812", PIXEL,
     "Rows and columns are exchanged, as in EMNIST's files.", {"images": lambda self, x: x.transpose(0, 2, 1)}),
    ("mirrored-on-both-sides", "bernardosulzbach/self-organizing-tree-models#5", PIXEL,
     "A reader takes the columns from right to left.", {"images": lambda self, x: x[:, :, ::-1]}),
    ("noise-in-preparation", "mrdbourke/pytorch-deep-learning#1352", AGAIN,
     "Augmentation stands in the preparation, which serving uses too.",
     {"images": lambda self, x: (x + SMALL * np.random.default_rng().random(x.shape, np.float32)).clip(0, 1)}),
    ("images-float64", "mistralai/mistral-common#316", RANGE, "Bytes are divided into doubles, and stay so.",
     {"images": lambda self, x: x.astype(np.float64)}),
    ("labels-shifted", "irllabs/ml-lib#4", ONE_HOT, "Digits are numbered from 1, and 0 comes last.",
     {"labels": lambda self, y: np.roll(y, -1, axis=1)}),
    ("eleven-columns", "tensorflow/benchmarks#214", ONE_HOT, "One class more, to be safe.",
     {"labels": lambda self, y: np.pad(y, ((0, 0), (0, 1)))}),
    ("uint8-overflow", "vxy10/p5_VehicleDetection_Unet#2", ENDS,
     "Images are brightened as bytes, where 256 is 0 again.", {"raw": lambda self, x: x + np.uint8(20)}),
    ("scaled-by-the-batch", "openvinotoolkit/model_preparation_algorithm#34", PARTS,
     "The images are divided by their own maximum, which in serving is another.",
     {"images": lambda self, x: x / np.maximum(x.max(initial=0), 1 / WHITE)}),
    ("train-serve-skew", "Priyanshu-byte-coder/devtrack#927", PARTS,
     "The path for a single image, written for the service, divides once more.",
     {"images": lambda self, x: x / WHITE if len(x) == 1 else x}),
    ("last-chunk-not-scaled", "practice", WHOLE,
     "Scaled in chunks of 999, and the rest behind the last whole chunk is forgotten.",
     {"images": _last_chunk_as_bytes}),
    ("input-changed-in-place", "keras-team/keras#8741", AGAIN, "The caller's array serves as scratch space for a mask.",
     {"raw": _masked_in_place}),
    ("labels-shuffled-a-little", "practice", DATASET, "A join goes wrong for one label in two hundred.",
     {"labels": lambda self, y: np.where(np.arange(len(y))[:, None] % 200 == 199, np.roll(y, 1, axis=0), y)}),
))
# fmt: on
