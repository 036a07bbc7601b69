"""Listens to what a pipeline's ``fit`` trains on: a linear model whose weights remember the images that it saw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.contract import keras_model
from mnistlab.engine import Arrays
from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.spec import Spec

PIXELS = 28 * 28
UNSEEN, MIXED = -1, -2
MOST_BATCHES = 18
"""Full ones in a recorded epoch, and a smaller one behind them; with the sums of a float32 at most 21."""
UNIT = 0.25
"""How far seeing its image raises a weight; less than 1, so that no output ever reaches its target of 1."""


def tape(spec: Spec) -> tuple[int, list[int]]:
    """Choose how much of an epoch can be recorded with 784 images, a pixel each.

    Parameters
    ----------
    spec : Spec
        With the size of a batch, and the part that is held out.

    Returns
    -------
    count : int
        Images to record, with the part that is held out.
    batches : list of int
        Sizes of the batches among them, the last one smaller.

    Raises
    ------
    NotJudgedError
        If there are not even a batch and a smaller one.
    """
    size = spec.batch_size
    rest = size * 3 // 4
    full = min(MOST_BATCHES, (spec.trained_on(PIXELS) - rest) // size)
    if full < 1 or not rest:
        raise NotJudgedError(f"batches of {size} cannot be recorded: an epoch is heard on at most {PIXELS} images")
    return spec.total_of(full * size + rest), [size] * full + [rest]


def record_epochs(pipeline: Any, *, seed: int, count: int, epochs: int) -> list[NDArray[np.int64]]:
    """Find out in which order a pipeline's ``fit`` shows the training images, without looking inside.

    The recorder is a linear Keras model, trained on images that have one white pixel each. Its loss raises the
    weight of every pixel in a batch by one unit, and each step halves all weights, so after an epoch a weight's
    exponent tells how many steps ago its image was seen. Weights left from the epoch before are subtracted. A
    float32 carries 24 bits, so an epoch may have at most 22 steps; a last, smaller batch must be more than half full.

    Parameters
    ----------
    pipeline : Pipeline
        Its ``fit`` is called once for every number of epochs from 1 to `epochs`.
    seed : int
        Handed to ``fit``.
    count : int
        Number of images, with the part that is held out; at most 784.
    epochs : int
        How many epochs to listen to.

    Returns
    -------
    list of numpy.ndarray of int64, shape (count,)
        For every epoch the step, from 0, at which each image was seen last; -1 for an image that was not.
        If every step has as many images as a batch, every image was seen exactly once.
    """
    before = np.zeros(count)
    tapes = []
    for epoch in range(1, epochs + 1):
        weights, steps = _listen(pipeline, seed, count, epoch)
        heard = weights.max(axis=1)
        fresh = heard - before * 0.5**steps
        # A last, smaller batch gives its images less than twice a unit; 0.01 is for the rounding of a unit itself.
        ago = -np.floor(np.log2(np.maximum(fresh / UNIT, 0.5**30)) + 0.01).astype(np.int64)
        tapes.append(np.where(ago < steps, steps - 1 - ago, UNSEEN))
        before = heard
    return tapes


def labels_seen(pipeline: Any, *, seed: int, count: int) -> NDArray[np.int64]:
    """Find out with which labels a pipeline's ``fit`` trains the images, which are labelled 0 to 9 by turns.

    A label raises the weight from its image's pixel to its own output, and no other.

    Parameters
    ----------
    pipeline, seed, count
        See `record_epochs`; one epoch.

    Returns
    -------
    numpy.ndarray of int64, shape (count,)
        The label of each image; `UNSEEN` for an image that was not, `MIXED` for several labels or a blurred one.
    """
    weights, _ = _listen(pipeline, seed, count, 1)
    labels = np.count_nonzero(weights, axis=1)
    return np.select([labels == 0, labels == 1], [UNSEEN, weights.argmax(axis=1)], MIXED)


def last_place(pipeline: Any, *, seed: int, count: int) -> float:
    """Find out whence in the training data the images of an epoch's last steps come.

    Parameters
    ----------
    pipeline, seed
        See `record_epochs`, whose recorder listens here too: each step halves what the steps before it left.
    count : int
        Number of images, with the part that is held out; see `by_place`.

    Returns
    -------
    float
        Mean place, from 0, the first image to train on, to 1, the last; NaN if nothing was trained on.
    """
    images, _ = by_place(count, pipeline.spec.trained_on(count))
    labels = np.eye(10, dtype=np.float32)[np.zeros(count, dtype=int)]
    model = _recorder(pipeline.spec.batch_size, UNIT / pipeline.spec.batch_size)
    fit_another(pipeline, model, (images, labels), seed, 1)
    heard = np.asarray(model.get_weights()[0])[:, 0].astype(np.float64)
    return float(np.average(np.arange(PIXELS), weights=heard)) / (PIXELS - 1) if heard.any() else np.nan


def by_place(count: int, trained: int) -> Arrays:
    """Make images with one white pixel, which tells their place among those to train on, and labels that tell it too.

    Parameters
    ----------
    count, trained : int
        All images, and the first ones, to train on: every 784th part of them has a pixel of its own.

    Returns
    -------
    images, labels : numpy.ndarray of float32, shapes (count, 28, 28) and (count, 10)
        The label is one that was drawn for the pixel.
    """
    pixels = np.minimum(np.arange(count) * PIXELS // trained, PIXELS - 1)
    images = np.zeros((count, PIXELS), dtype=np.float32)
    images[np.arange(count), pixels] = 1
    return images.reshape(-1, 28, 28), np.eye(10, dtype=np.float32)[
        np.random.default_rng(0).integers(10, size=PIXELS)[pixels]
    ]


def _listen(pipeline: Any, seed: int, count: int, epochs: int) -> tuple[NDArray[np.float64], int]:
    """Train the recorder; return the weights of each image's pixel, (count, 10), and the steps of an epoch."""
    images = np.eye(count, PIXELS, dtype=np.float32).reshape(-1, 28, 28)
    labels = np.eye(10, dtype=np.float32)[np.arange(count) % 10]
    model = _recorder(pipeline.spec.batch_size)
    fit_another(pipeline, model, (images, labels), seed, epochs)
    weights = np.asarray(model.get_weights()[0])[:count].astype(np.float64)
    return weights, int(model.optimizer.iterations) // epochs


def fit_another(pipeline: Any, model: Any, data: Arrays, seed: int, epochs: int) -> None:
    """Have a pipeline train a model that it did not build; NotJudgedError if it cannot."""
    keras_model(pipeline.build(seed), "how its fit trains")
    try:
        pipeline.fit(model, *data, seed=seed, epochs=epochs)
    except ContractError as error:
        raise NotJudgedError(
            f"fit cannot train another Keras model than its own, to be listened to: {error}"
        ) from error


def _recorder(batch_size: int, unit: float = UNIT) -> Any:
    """Build the linear model whose weights remember the images that it saw."""
    import keras

    # Mean absolute error has a slope of 1/10 for each of the ten outputs, over the batch size.
    rate = unit * 10 * batch_size
    halve = keras.regularizers.L2(0.25 / rate)
    layer = keras.layers.Dense(10, use_bias=False, kernel_initializer="zeros", kernel_regularizer=halve)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), layer])
    model.compile(keras.optimizers.SGD(rate), loss="mean_absolute_error", metrics=["accuracy"])
    return model
