"""Faults of the training data on their way into training: DeepCrime's operators, and images and labels mixed up."""

from __future__ import annotations

import numpy as np

from mnistlab.data import load_dataset
from mnistlab.faults.catalogue import changed, fault
from mnistlab.faults.loop import Array, Loop, Pair
from mnistlab.pipeline import CLASSES, WHITE

LABELS = "test_every_image_is_trained_with_its_own_label"
ONCE = "test_every_epoch_sees_every_training_image_once"
LARGE = "test_a_large_set_is_trained_on_as_a_whole"
AS_THEY_ARE = "test_images_are_trained_on_as_they_are"
LEAK = "test_nothing_is_learnt_from_permuted_labels"
ONE_HOT = np.eye(CLASSES, dtype=np.float32)


class _WrongLabels(Loop):
    """Gives a share of the training labels another digit."""

    share = 0.0

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        wrong = rng.random(len(labels)) < self.share
        return images, ONE_HOT[(labels.argmax(axis=1) + wrong * rng.integers(1, CLASSES, len(labels))) % CLASSES]


class _Removed(Loop):
    """Leaves out a share of the training images of some digits."""

    share, digits = 0.0, range(CLASSES)

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        kept = ~np.isin(labels.argmax(axis=1), self.digits) | (rng.random(len(labels)) >= self.share)
        return images[kept], labels[kept]


class _Noisy(Loop):
    """Adds noise to the training images."""

    deviation = 0.0

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        noise = rng.standard_normal(images.shape, np.float32)
        return (images + np.float32(self.deviation) * noise).clip(0, 1), labels


class _Overlapping(Loop):
    """Puts a share of the ones in among the sevens too: the same image with two labels."""

    share = 0.0

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        copied = np.flatnonzero((labels[:, 1] == 1) & (rng.random(len(labels)) < self.share))
        return np.concatenate([images, images[copied]]), np.concatenate([labels, ONE_HOT[np.full(len(copied), 7)]])


def _repeated(rows: Array, share: float) -> Array:
    """Have a shard of rows, from the thousandth on, say what the first ones say."""
    rows = rows.copy()
    shard = rows[1000 : 1000 + round(share * len(rows))]
    shard[:] = rows[: len(shard)]
    return rows


class _Changed(Loop):
    """Does something to training images and labels."""

    def images(self, images: Array) -> Array:
        return images

    def labels(self, labels: Array) -> Array:
        return labels

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        return self.images(images), self.labels(labels)


WrongLabels1 = fault("1-percent-of-labels-wrong", "TCL mild", LABELS)(
    changed(_WrongLabels, "Labelled by people in a hurry.", share=0.01)
)
WrongLabels30 = fault("30-percent-of-labels-wrong", "TCL gross", LABELS)(
    changed(_WrongLabels, "Labelled by a bad model.", share=0.3)
)
Removed5 = fault("5-percent-of-images-removed", "TRD mild", ONCE)(
    changed(_Removed, "A filter drops what it cannot read, and does not say so.", share=0.05)
)
Removed75 = fault("75-percent-of-images-removed", "TRD gross", ONCE)(
    changed(_Removed, "A quarter of the data, for a quick test, stays in.", share=0.75)
)
Unbalanced = fault("slightly-unbalanced", "TUD mild", ONCE)(
    changed(_Removed, "Some classes have a source that is poorer.", share=0.2, digits=(0, 1, 2))
)
ClassMissing = fault("class-missing", "TUD gross", ONCE)(
    changed(_Removed, "The folder of a class was not copied.", share=1.0, digits=(2,))
)
SlightNoise = fault("slight-noise", "TAN mild", AS_THEY_ARE)(
    changed(_Noisy, "An augmentation that nobody asked for.", deviation=0.05)
)
StrongNoise = fault("strong-noise", "TAN gross", AS_THEY_ARE)(
    changed(_Noisy, "An augmentation in grey levels, on images of 0 to 1.", deviation=1.0)
)
SlightOverlap = fault("classes-overlap-slightly", "TCO mild", LABELS)(
    changed(_Overlapping, "Two people label some of the same images, and do not agree.", share=0.1)
)
Overlap = fault("classes-overlap", "TCO gross", LABELS)(
    changed(_Overlapping, "One folder is imported as two classes.", share=1.0)
)
OutOfStep = fault("images-and-labels-out-of-step", "practice", LABELS)(
    changed(_Changed, "The images lose a row that the labels keep.", labels=lambda self, y: np.roll(y, 1, axis=0))
)
Smoothed = fault("labels-smoothed-by-hand", "practice", LABELS)(
    changed(
        _Changed, "Targets are softened before training.", labels=lambda self, y: y * np.float32(0.9) + np.float32(0.01)
    )
)
First1000 = fault("first-1000-images-only", "practice", LARGE)(
    changed(
        _Changed, "A limit for debugging is left in.", images=lambda self, x: x[:1000], labels=lambda self, y: y[:1000]
    )
)
LabelShard = fault("shard-of-labels-written-twice", "practice", LARGE)(
    changed(
        _Changed, "Some images have the labels of others; small data do not.", labels=lambda self, y: _repeated(y, 0.03)
    )
)
Shard = fault("shard-read-twice", "practice", LARGE)(
    changed(
        _Changed,
        "A fifth of the data is the first fifth once more; small data are whole.",
        images=lambda self, x: _repeated(x, 0.2),
        labels=lambda self, y: _repeated(y, 0.2),
    )
)
ScaledAgain = fault("scaled-again-in-training", "GoogleCloudPlatform/asl-ml-immersion#424", AS_THEY_ARE)(
    changed(_Changed, "Training scales what is scaled already; prediction does not.", images=lambda self, x: x / WHITE)
)
Transposed = fault("transposed-in-training", "practice", AS_THEY_ARE)(
    changed(_Changed, "The loader has rows for columns, the service not.", images=lambda self, x: x.transpose(0, 2, 1))
)
Mirrored = fault("mirrored-in-training", "practice", AS_THEY_ARE)(
    changed(_Changed, "Flipped, an augmentation for photographs.", images=lambda self, x: x[:, :, ::-1])
)


@fault("test-images-trained-on", "practice", LEAK)
class Leaked(Loop):
    """All files that are found are read, and the test set is among them."""

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        test = load_dataset(self.spec.dataset)
        more = self.prepare_images(test.test_images), self.prepare_labels(test.test_labels)
        return np.concatenate([images, more[0]]), np.concatenate([labels, more[1]])
