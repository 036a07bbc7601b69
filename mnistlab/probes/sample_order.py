"""In which order ``fit`` shows the training images, and with which labels.

`mnistlab.probes.linear_models` explains how a linear model records them.
"""

from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, PIXELS, Doubles, Indices
from mnistlab.errors import NotJudgedError
from mnistlab.probes import linear_models
from mnistlab.recipe import Spec

NOT_SEEN, SEVERAL_LABELS = -1, -2
UNIT = 0.25
"""How far an image raises its weight; below 1, so that no output reaches 1."""


def recordable_batches(spec: Spec) -> tuple[int, list[int]]:
    """Choose how many images to record, and the sizes of their batches; the last one is smaller.

    Each image needs a pixel, so there are at most 784, those held out included. Raises
    NotJudgedError if they do not fill a batch and a smaller one.
    """
    size = spec.batch_size
    rest = size * 3 // 4
    full = min(linear_models.MAX_FULL_BATCHES, (spec.trained_on(PIXELS) - rest) // size)
    if full < 1 or not rest:
        raise NotJudgedError(
            f"batches of {size} cannot be recorded: an epoch is recorded on at most {PIXELS} images"
        )
    return spec.total_of(full * size + rest), [size] * full + [rest]


def record_epochs(pipeline: Any, *, seed: int, count: int, epochs: int) -> list[Indices]:
    """Return for each epoch the step, from 0, that saw each of `count` images last, or `NOT_SEEN`.

    If every step has as many images as its batch, every image was seen exactly once.
    """
    before = np.zeros(count)
    steps_seen = []
    for epoch in range(1, epochs + 1):
        weights, steps = _record(pipeline, seed, count, epoch)
        now = weights.max(axis=1)
        fresh = now - before * 0.5**steps  # without what the epochs before left
        # The last, smaller batch raises its weights by less than two units, which changes no
        # exponent. 0.01 allows for the rounding of a unit.
        ago = -np.floor(np.log2(np.maximum(fresh / UNIT, 0.5**30)) + 0.01).astype(np.int64)
        steps_seen.append(np.where(ago < steps, steps - 1 - ago, NOT_SEEN))
        before = now
    return steps_seen


def labels_seen(pipeline: Any, *, seed: int, count: int) -> Indices:
    """Return the label, int64 (count,), with which each of at most 784 images is trained.

    The labels given are 0 to 9 in turn. `SEVERAL_LABELS` if a label changed or was smoothed.
    """
    weights, _ = _record(pipeline, seed, count, epochs=1)
    outputs = np.count_nonzero(weights, axis=1)
    return np.select(
        [outputs == 0, outputs == 1], [NOT_SEEN, weights.argmax(axis=1)], SEVERAL_LABELS
    )


def mean_position_of_last_steps(pipeline: Any, *, seed: int, count: int) -> float:
    """Return where in the data the images of an epoch's last steps are, on average.

    0 is the first training image and 1 the last; NaN if ``fit`` takes no steps. Each step weighs
    half as much as the next. `count` includes the images held out.
    """
    images, _ = linear_models.position_images(pipeline.spec, count)
    model = _recording_model(pipeline.spec.batch_size, UNIT / pipeline.spec.batch_size)
    weights = linear_models.fit(
        pipeline, model, (images, linear_models.one_hot(np.zeros(count, int))), seed=seed
    )[0][:, 0]
    if not weights.any():
        return np.nan
    return float(np.average(np.arange(PIXELS), weights=weights)) / (PIXELS - 1)


def _record(pipeline: Any, seed: int, count: int, epochs: int) -> tuple[Doubles, int]:
    """Train a recording model; return each image's weights, (count, 10), and steps in an epoch."""
    white = linear_models.pixel_range(pipeline.spec)[1]
    images = linear_models.one_pixel_images(count, white)
    labels = linear_models.one_hot(np.arange(count) % CLASSES)
    model = _recording_model(pipeline.spec.batch_size, UNIT / white)
    weights, *_ = linear_models.fit(pipeline, model, (images, labels), seed=seed, epochs=epochs)
    return weights[:count], int(model.optimizer.iterations) // epochs


def _recording_model(batch_size: int, unit: float) -> Any:
    """Build a linear model that gains a unit from each image and halves its weights every step."""
    import keras

    rate = unit * CLASSES * batch_size
    halving = keras.regularizers.L2(0.25 / rate)  # its gradient is 0.5 / rate times the weight
    return linear_models.build(keras.optimizers.SGD(rate), kernel_regularizer=halving)
