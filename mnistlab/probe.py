"""Small questions put to a pipeline, answered through its five methods alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

PIXELS = 28 * 28
UNSEEN = -1
UNIT = 0.25
"""How far seeing its image raises a weight; less than 1, so that no output ever reaches its target of 1."""


def record_epochs(pipeline: Any, *, seed: int, count: int, epochs: int) -> list[NDArray[np.int64]]:
    """Find out in which order a pipeline's ``fit`` shows the training images, without looking inside.

    The recorder is a linear Keras model, trained on images that have one white pixel each. Its loss raises the
    weight of every pixel in a batch by one unit, and each step halves all weights, so after an epoch a weight's
    exponent tells how many steps ago its image was seen. Weights left from the epoch before are subtracted. A
    float32 carries 24 bits, so an epoch may have at most 22 steps.

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
    images = np.eye(count, PIXELS, dtype=np.float32).reshape(-1, 28, 28)
    labels = np.zeros((count, 10), dtype=np.float32)
    labels[:, 0] = 1
    before = np.zeros(count)
    tapes = []
    for epoch in range(1, epochs + 1):
        model = _recorder(pipeline.spec.batch_size)
        pipeline.fit(model, images, labels, seed=seed, epochs=epoch)
        steps = int(model.optimizer.iterations) // epoch
        weights = np.asarray(model.get_weights()[0])[:count, 0].astype(np.float64)
        fresh = weights - before * 0.5**steps
        # A last, smaller batch gives its images up to twice a unit; 0.01 is for the rounding of a unit itself.
        ago = -np.floor(np.log2(np.maximum(fresh / UNIT, 0.5**30)) + 0.01).astype(np.int64)
        tapes.append(np.where(ago < steps, steps - 1 - ago, UNSEEN))
        before = weights
    return tapes


def _recorder(batch_size: int) -> Any:
    """Build the linear model whose weights remember the images that it saw."""
    import keras

    # Mean absolute error has a slope of 1/10 for each of the ten outputs, over the batch size.
    rate = UNIT * 10 * batch_size
    halve = keras.regularizers.L2(0.25 / rate)
    layer = keras.layers.Dense(10, use_bias=False, kernel_initializer="zeros", kernel_regularizer=halve)
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), layer])
    model.compile(keras.optimizers.SGD(rate), loss="mean_absolute_error", metrics=["accuracy"])
    return model


def weights_after(
    pipeline: Any, images: NDArray[np.float32], labels: NDArray[np.float32], *, seed: int, epochs: int = 2
) -> list[NDArray[np.float32]]:
    """Build a model, train it, and return its weights."""
    model = pipeline.build(seed)
    pipeline.fit(model, images, labels, seed=seed, epochs=epochs)
    return [np.array(weight) for weight in model.get_weights()]


def predictions_of_file(pipeline: Any, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Load a ``.keras`` file and return the pipeline's predictions with it."""
    import keras

    return np.asarray(pipeline.predict(keras.models.load_model(path), images))
