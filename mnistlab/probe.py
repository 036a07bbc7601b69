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
        The label of each image; -1 for an image that was not seen, or with several labels or a blurred one.
    """
    weights, _ = _listen(pipeline, seed, count, 1)
    one = np.count_nonzero(weights, axis=1) == 1
    return np.where(one, weights.argmax(axis=1), UNSEEN)


def _listen(pipeline: Any, seed: int, count: int, epochs: int) -> tuple[NDArray[np.float64], int]:
    """Train the recorder; return the weights of each image's pixel, (count, 10), and the steps of an epoch."""
    images = np.eye(count, PIXELS, dtype=np.float32).reshape(-1, 28, 28)
    labels = np.eye(10, dtype=np.float32)[np.arange(count) % 10]
    model = _recorder(pipeline.spec.batch_size)
    pipeline.fit(model, images, labels, seed=seed, epochs=epochs)
    weights = np.asarray(model.get_weights()[0])[:count].astype(np.float64)
    return weights, int(model.optimizer.iterations) // epochs


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


def learning_rates(pipeline: Any, *, seed: int, batches: int = 4) -> tuple[float, float]:
    """Find out the learning rate that a pipeline's ``fit`` trains with, whatever the optimizer says before and after.

    A linear model whose gradient is the same in every step is trained by the subject's own optimizer. How far its
    weight goes in an epoch, against the same optimizer's steps at the rate of the spec, is the rate.

    Parameters
    ----------
    pipeline : Pipeline
        Its ``fit`` is called for 1 epoch, for all of the spec's, and for one less.
    seed : int
        Handed to ``build`` and ``fit``.
    batches : int
        Steps in an epoch.

    Returns
    -------
    first, last : float
        The mean rate in the first epoch and in the last; with one epoch they are the same.
    """
    spec = pipeline.spec
    optimizer = pipeline.build(seed).optimizer
    total = round(batches * spec.batch_size / (1 - spec.validation_split))
    images = np.zeros((total, 28, 28), dtype=np.float32)
    images[:, 0, 0] = 0.01  # so small that the output stays below its target of 1, where the gradient turns
    labels = np.zeros((total, 10), dtype=np.float32)
    labels[:, 0] = 1
    went, required = {0: 0.0}, _distances(optimizer, spec.learning_rate, batches * spec.epochs)
    for epochs in sorted({1, spec.epochs - 1, spec.epochs} - {0}):
        model = _linear(type(optimizer).from_config(optimizer.get_config()))
        pipeline.fit(model, images, labels, seed=seed, epochs=epochs)
        went[epochs] = float(np.asarray(model.get_weights()[0])[0, 0])
    last = (went[spec.epochs] - went[spec.epochs - 1]) / (required[-1] - required[-1 - batches])
    return spec.learning_rate * went[1] / required[batches], spec.learning_rate * last


def _distances(optimizer: Any, rate: float, steps: int) -> list[float]:
    """Return how far a weight is after 0, 1, 2... steps of an optimizer with a learning rate, on one gradient."""
    import keras

    weight = keras.Variable(np.zeros(1, dtype=np.float32))
    twin = type(optimizer).from_config({**optimizer.get_config(), "learning_rate": rate})
    twin.build([weight])
    gradient = keras.ops.convert_to_tensor(np.array([-0.001], dtype=np.float32))  # a pixel of 0.01, ten outputs
    distances = [0.0]
    for _ in range(steps):
        twin.apply([gradient], [weight])
        distances.append(float(np.asarray(weight)[0]))
    return distances


def _linear(optimizer: Any) -> Any:
    """Build a linear model from nothing, whose loss has a slope that does not change."""
    import keras

    layer = keras.layers.Dense(10, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), layer])
    model.compile(optimizer, loss="mean_absolute_error", metrics=["accuracy"])
    return model


def remembered(
    pipeline: Any, images: NDArray[np.float32], labels: NDArray[np.float32], *, seeds: tuple[int, ...]
) -> list[int]:
    """Train with several seeds, then again in the opposite order; return the seeds that ended in other weights."""
    first = {seed: weights_after(pipeline, images, labels, seed=seed) for seed in seeds}
    again = {seed: weights_after(pipeline, images, labels, seed=seed) for seed in reversed(seeds)}
    return [seed for seed in seeds if not all(map(np.array_equal, first[seed], again[seed]))]


def unreached(pipeline: Any, labels: NDArray[np.float32], *, seed: int) -> list[int]:
    """Train one epoch on noise, which uses every pixel; return how many parameters of each array did not move."""
    # A tenth of the pixels white: then every unit of ReLU is on for about half of the images.
    images = np.random.default_rng(seed).random((len(labels), 28, 28)) < 0.1
    model = pipeline.build(seed)
    before = [np.array(weight) for weight in model.get_weights()]
    pipeline.fit(model, images.astype(np.float32), labels, seed=seed, epochs=1)
    return [int((after == start).sum()) for after, start in zip(model.get_weights(), before, strict=True)]


def predicted_after_permutation(
    pipeline: Any, images: NDArray[np.float32], labels: NDArray[np.float32], others: NDArray[np.float32], *, seed: int
) -> NDArray[Any]:
    """Train on permuted labels, from which nothing can be learnt; return the digits predicted for other images."""
    permuted = labels[np.random.default_rng(seed).permutation(len(labels))]
    model = pipeline.build(seed)
    pipeline.fit(model, images, permuted, seed=seed, epochs=2)
    return np.asarray(np.argmax(pipeline.predict(model, others), axis=1))


def silent_units(model: Any, images: NDArray[np.float32]) -> float:
    """Return the share of a model's hidden units that say the same of all images: of ReLU, the dead ones."""
    import keras

    outputs = [layer.output for layer in model.layers[:-1] if layer.weights]
    if not outputs:
        return 0.0
    values = keras.tree.flatten(keras.Model(model.inputs, outputs)([images], training=False))
    spans = [np.ptp(np.asarray(value).reshape(-1, value.shape[-1]), axis=0) for value in values]
    return float(np.mean(np.concatenate(spans) == 0))


def weight_norms(model: Any) -> list[float]:
    """Return the Euclidean norm of the weights of each layer that has any, input to output."""
    layers = [layer.get_weights() for layer in model.layers if layer.weights]
    return [float(np.sqrt(sum(np.sum(np.square(array, dtype=np.float64)) for array in arrays))) for arrays in layers]


def predictions_of_file(pipeline: Any, path: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Load a ``.keras`` file and return the pipeline's predictions with it."""
    import keras

    return np.asarray(pipeline.predict(keras.models.load_model(path), images))
