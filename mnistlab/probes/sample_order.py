"""Listens to what a pipeline's ``fit`` trains on: a linear model whose weights remember the images that it saw."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.recipe import Arrays, Spec, keras_model

PIXELS = 28 * 28
UNSEEN, MIXED = -1, -2
MOST_BATCHES = 18
"""Full ones in a recorded epoch, and a smaller one behind them; with the sums of a float32 at most 21."""
UNIT = 0.25
"""How far seeing its image raises a weight; less than 1, so that no output ever reaches its target of 1."""


def batch_plan(spec: Spec) -> tuple[int, list[int]]:
    """Choose how many images to record, with the part held out, and the sizes of their batches, the last one smaller.

    784 have a pixel each; NotJudgedError if that is not even a batch and a smaller one.
    """
    size = spec.batch_size
    rest = size * 3 // 4
    full = min(MOST_BATCHES, (spec.trained_on(PIXELS) - rest) // size)
    if full < 1 or not rest:
        raise NotJudgedError(
            f"batches of {size} cannot be recorded: an epoch is heard on at most {PIXELS} images"
        )
    return spec.total_of(full * size + rest), [size] * full + [rest]


def record_epochs(pipeline: Any, *, seed: int, count: int, epochs: int) -> list[NDArray[np.int64]]:
    """Find out in which order ``fit`` shows at most 784 images, with the part held out, without looking inside.

    Returns for every epoch the step, from 0, at which each image was seen last, (count,), or -1. If every step has as
    many images as a batch, every image was seen exactly once.

    The recorder is a linear Keras model, trained on images that have one white pixel each. Its loss raises the
    weight of every pixel in a batch by one unit, and each step halves all weights, so after an epoch a weight's
    exponent tells how many steps ago its image was seen. Weights left from the epoch before are subtracted. A
    float32 carries 24 bits, so an epoch may have at most 22 steps; a last, smaller batch must be more than half full.
    """
    before = np.zeros(count)
    epochs_seen = []
    for epoch in range(1, epochs + 1):
        weights, steps = _record(pipeline, seed, count, epoch)
        weights_left = weights.max(axis=1)
        fresh = weights_left - before * 0.5**steps
        # A last, smaller batch gives its images less than twice a unit; 0.01 is for the rounding of a unit itself.
        ago = -np.floor(np.log2(np.maximum(fresh / UNIT, 0.5**30)) + 0.01).astype(np.int64)
        epochs_seen.append(np.where(ago < steps, steps - 1 - ago, UNSEEN))
        before = weights_left
    return epochs_seen


def labels_seen(pipeline: Any, *, seed: int, count: int) -> NDArray[np.int64]:
    """Return the label, (count,), that each of at most 784 images, labelled 0 to 9 by turns, is trained with.

    `UNSEEN` for an image that is not trained on, `MIXED` for several labels or a blurred one: a label raises the weight
    from its image's pixel to its own output, and no other.
    """
    weights, _ = _record(pipeline, seed, count, 1)
    labels = np.count_nonzero(weights, axis=1)
    return np.select([labels == 0, labels == 1], [UNSEEN, weights.argmax(axis=1)], MIXED)


def last_place(pipeline: Any, *, seed: int, count: int) -> float:
    """Return the mean place in the training data, from 0 to 1, of the images of an epoch's last steps; NaN if of none.

    The recorder of `record_epochs` listens: each step halves what the steps before it left. `count` is of all images.
    """
    images, _ = by_place(count, pipeline.spec.trained_on(count))
    model = _recording_model(pipeline.spec.batch_size, UNIT / pipeline.spec.batch_size)
    weights_left = fit_another(pipeline, model, (images, zeros(count)), seed, 1)[0][:, 0]
    return (
        float(np.average(np.arange(PIXELS), weights=weights_left)) / (PIXELS - 1)
        if weights_left.any()
        else np.nan
    )


def by_place(count: int, trained: int) -> Arrays:
    """Make images, (count, 28, 28), with one white pixel, and labels, (count, 10), one that was drawn for the pixel.

    The pixel tells an image's place among those to train on, the first ones: every 784th part of them has its own.
    """
    pixels = np.minimum(np.arange(count) * PIXELS // trained, PIXELS - 1)
    images = np.zeros((count, PIXELS), dtype=np.float32)
    images[np.arange(count), pixels] = 1
    digits = np.random.default_rng(0).integers(10, size=PIXELS)
    return images.reshape(-1, 28, 28), np.eye(10, dtype=np.float32)[digits[pixels]]


def zeros(count: int) -> NDArray[np.float32]:
    """Return one-hot labels that all say 0."""
    return np.repeat(np.eye(1, 10, dtype=np.float32), count, axis=0)


def _record(pipeline: Any, seed: int, count: int, epochs: int) -> tuple[NDArray[np.float64], int]:
    """Train the recorder; return the weights of each image's pixel, (count, 10), and the steps of an epoch."""
    images = np.eye(count, PIXELS, dtype=np.float32).reshape(-1, 28, 28)
    labels = np.eye(10, dtype=np.float32)[np.arange(count) % 10]
    model = _recording_model(pipeline.spec.batch_size)
    weights, *_ = fit_another(pipeline, model, (images, labels), seed, epochs)
    return weights[:count], int(model.optimizer.iterations) // epochs


def fit_another(
    pipeline: Any, model: Any, data: Arrays, seed: int, epochs: int
) -> list[NDArray[np.float64]]:
    """Have a pipeline train a model that it did not build; return its weights, or NotJudgedError if it cannot."""
    keras_model(pipeline.build(seed), "how its fit trains")
    try:
        pipeline.fit(model, *data, seed=seed, epochs=epochs)
    except ContractError as error:
        what = "fit cannot train another Keras model than its own, to be listened to"
        raise NotJudgedError(f"{what}: {error}") from error
    return [np.asarray(weight, dtype=np.float64) for weight in model.get_weights()]


def _recording_model(batch_size: int, unit: float = UNIT) -> Any:
    """Build the linear model whose weights remember the images that it saw."""
    import keras

    # Mean absolute error has a slope of 1/10 for each of the ten outputs, over the batch size.
    rate = unit * 10 * batch_size
    return linear(
        keras.optimizers.SGD(rate), kernel_regularizer=keras.regularizers.L2(0.25 / rate)
    )  # halves


def linear(optimizer: Any, **settings: Any) -> Any:
    """Build a linear model from nothing, whose loss has a slope that does not change up to an output of 1."""
    import keras

    layer = keras.layers.Dense(10, **{"use_bias": False, "kernel_initializer": "zeros", **settings})
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), layer])
    model.compile(optimizer, loss="mean_absolute_error", metrics=["accuracy"])
    return model
