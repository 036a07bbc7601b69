"""What a subject knows that it was not given: test images and labels, or files of its own."""

import itertools
from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, Array, Bytes, Floats
from mnistlab.errors import NotJudgedError
from mnistlab.metrics import Evaluation, robustness
from mnistlab.recipe import Spec

SHIFT = 3  # of relabelled digits; bugs that shift labels by one do not shift them back
FEWEST = 512  # images of a small training, so that every digit is among them


def small_part(spec: Spec, images: Floats, labels: Floats) -> tuple[Floats, Floats, int]:
    """Return a small training, without the last sixth of the data, and the count not held out."""
    count = max(16 * spec.batch_size, FEWEST)
    total = min(spec.total_of(count), len(images) * 5 // 6)
    return images[:total], labels[:total], min(count, spec.trained_on(total))


def fit_permuted(pipeline: Any, images: Floats, labels: Floats, *, seed: int) -> Any:
    """Train two epochs on permuted labels, which teach nothing; return the model."""
    permuted = labels[np.random.default_rng(seed).permutation(len(labels))]
    model = pipeline.build(seed)
    pipeline.fit(model, images.copy(), permuted, seed=seed, epochs=2)
    return model


def fit_relabelled(
    pipeline: Any, images: Floats, labels: Floats, *, seed: int, epochs: int | None = None
) -> tuple[Any, dict[str, Any]]:
    """Train on digits shifted by `SHIFT`, which no file knows; return model and history."""
    count = pipeline.spec.trained_on(len(images))
    order = np.arange(len(images))
    order[:count] = np.random.default_rng(seed).permutation(count)
    model = pipeline.build(seed)
    shifted = np.roll(labels[order], SHIFT, axis=1)
    return model, pipeline.fit(model, images[order], shifted, seed=seed, epochs=epochs)


def preference(probabilities: Floats, digits: Array) -> float:
    """Return how many times likelier than other wrong digits the true ones are, after relabelling.

    A model that was trained too little is unsure of all wrong digits alike.
    """
    rows = np.arange(len(digits))
    true = probabilities[rows, digits].mean(dtype=np.float64)
    given = probabilities[rows, (digits + SHIFT) % CLASSES].mean(dtype=np.float64)
    return float(true / max((1 - true - given) / (CLASSES - 2), 1e-9))


def returns_earlier_epoch(pipeline: Any, images: Floats, labels: Floats, *, seed: int) -> bool:
    """Tell whether 2, 4 and 8 epochs on relabelled digits do not end in three different models.

    True digits are misread in every epoch. A `fit` that chooses by them soon keeps a chance best.
    NotJudgedError if the same holds with the true labels, as for a forest, which has no epochs.
    """

    def ends_early(shift: int) -> bool:
        models = [
            fit_relabelled(pipeline, images, np.roll(labels, shift, axis=1), seed=seed, epochs=it)[
                0
            ]
            for it in (2, 4, 8)
        ]
        ends = [pipeline.predict(model, images) for model in models]
        return any(itertools.starmap(np.array_equal, itertools.pairwise(ends)))

    if not ends_early(0):
        return False
    if ends_early(-SHIFT):
        raise NotJudgedError("more epochs change nothing, whatever the labels are")
    return True


def loss_ratio(others: Evaluation, test: Evaluation) -> float:
    """Return the loss on other images over that on test images."""
    return others.loss / max(test.loss, 1e-9)


def is_validation_set(history: dict[str, Any], evaluation: Evaluation) -> bool:
    """Tell whether an epoch's validation figures are those of an evaluation, but for rounding."""
    loss = np.asarray(history["val_loss"], dtype=np.float64)
    right = np.asarray(history.get("val_accuracy", evaluation.accuracy)) * evaluation.count
    same_loss = np.isclose(loss, evaluation.loss, rtol=1e-4)
    return bool((same_loss & (abs(right - evaluation.right.sum()) < 0.5)).any())


def lost_by_small_change(
    pipeline: Any, model: Any, images: Bytes, before: Evaluation
) -> tuple[float, float]:
    """Return accuracy lost if a tenth of the grey pixels change by 1, and its standard error."""
    grey = (images > 1) & (images < 254)
    chosen = np.random.default_rng(0).random(images.shape, dtype=np.float32) < 0.1
    changed = images ^ (grey & chosen).astype(np.uint8)
    right = robustness.predict_raw(pipeline, model, changed).argmax(axis=1) == before.labels
    changes = int((right != before.right).sum())
    lost = int(before.right.sum()) - int(right.sum())
    return lost / before.count, float(np.sqrt(changes + 1)) / before.count
