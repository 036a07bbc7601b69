"""Measures what a pipeline does with images, rates and outputs, by linear models whose loss has a known slope."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.probes.sample_order import MOST_BATCHES, PIXELS, by_place, fit_another, linear, zeros
from mnistlab.recipe import keras_model


def image_seen(pipeline: Any, image: NDArray[np.float32], *, seed: int) -> NDArray[np.float64]:
    """Return what ``fit`` makes of a prepared image, (28, 28), by training a linear model on it; NaN if nothing.

    Each step moves the bias by a slope, and the weights by the same slope times the pixels: their quotient is the
    image, whatever the learning rate, the size of a batch and the labels.
    """
    images = np.repeat(image[None], pipeline.spec.total_of(2 * pipeline.spec.batch_size), axis=0)
    weights, bias, _ = _slopes(pipeline, images, seed)
    return (weights / bias if bias else weights * np.nan).reshape(28, 28)


def batch_size_seen(pipeline: Any, *, seed: int) -> float:
    """Return over how many images ``fit`` averages in its largest step; NaN if it takes none.

    The weight of a pixel that one image has is moved by a slope over the size of its batch, the bias by the slope.
    NotJudgedError if a batch is larger than what can be told apart: 784 images, with the part that is held out.
    """
    spec = pipeline.spec
    batches = min(
        MOST_BATCHES, spec.trained_on(PIXELS) // spec.batch_size
    )  # many, for fit may leave out some
    if not batches:
        raise NotJudgedError(
            f"batches of {spec.batch_size} cannot be told by {PIXELS} images, a pixel each"
        )
    images = np.eye(spec.total_of(batches * spec.batch_size), PIXELS, dtype=np.float32)
    weights, bias, steps = _slopes(pipeline, images.reshape(-1, 28, 28), seed)
    moved = weights[weights > 0]
    return bias / steps / float(moved.min()) if moved.size else np.nan


def misseen_places(pipeline: Any, *, seed: int, count: int) -> float:
    """Return the share of 784 places among images, 0 to 1, that an epoch does not see about once, with their labels.

    That is less than half as often as they are there, more than one and a half times as often, or with other labels:
    an image of `mnistlab.probes.sample_order.by_place` moves the weight from its pixel to its label by one slope.
    The rate and the size of a batch must be those of the spec; `count` is of all images, with the part held out.
    """
    import keras

    spec, rate = pipeline.spec, 0.001
    trained = spec.trained_on(count)
    images, labels = by_place(count, trained)
    model = linear(keras.optimizers.SGD(rate))
    weights, *_ = fit_another(pipeline, model, (images, labels), seed, 1)
    seen = weights * (10 * spec.batch_size / rate)
    there = images[:trained].reshape(trained, PIXELS).T @ labels[:trained]
    return float((np.abs(seen - there) > 0.5 * there.max(axis=1, keepdims=True)).any(axis=1).mean())


def _slopes(
    pipeline: Any, images: NDArray[np.float32], seed: int
) -> tuple[NDArray[np.float64], float, int]:
    """Train a linear model for an epoch, all labels 0; return weights and bias of its output 0, and the steps."""
    import keras

    model = linear(
        keras.optimizers.SGD(0.001), use_bias=True
    )  # slow, for the slope is the same up to an output of 1
    weights, bias = fit_another(pipeline, model, (images, zeros(len(images))), seed, 1)
    return weights[:, 0], float(bias[0]), max(int(model.optimizer.iterations), 1)


def learning_rates(pipeline: Any, *, seed: int, batches: int = 4) -> tuple[float, float]:
    """Return the mean learning rate of ``fit``'s first and last epoch, whatever the optimizer says before and after.

    A linear model whose gradient is the same in every step is trained by the subject's own optimizer, for 1 epoch, for
    all of the spec's and for one less. How far its weight goes in an epoch, against the same optimizer's steps at the
    rate of the spec, is the rate. An epoch has as many `batches`, if they are of the specified size.
    """
    spec = pipeline.spec
    spec.promised("learning_rate")
    optimizer = keras_model(pipeline.build(seed), "its optimizer").optimizer
    total = spec.total_of(batches * spec.batch_size)
    images = np.zeros((total, 28, 28), dtype=np.float32)
    images[:, 0, 0] = (
        0.01  # so small that the output stays below its target of 1, where the gradient turns
    )
    went, steps = {0: 0.0}, {0: 0}
    for epochs in sorted({1, spec.epochs - 1, spec.epochs} - {0}):
        model = linear(type(optimizer).from_config(optimizer.get_config()))
        weights, *_ = fit_another(pipeline, model, (images, zeros(total)), seed, epochs)
        went[epochs], steps[epochs] = float(weights[0, 0]), int(model.optimizer.iterations)
    required = np.array(_distances(optimizer, spec.learning_rate, max(steps.values())))
    last, before = spec.epochs, spec.epochs - 1
    with np.errstate(all="ignore"):  # NaN, if fit takes no steps
        share = (went[last] - went[before]) / (required[steps[last]] - required[steps[before]])
        return spec.learning_rate * went[1] / required[steps[1]], spec.learning_rate * share


def _distances(optimizer: Any, rate: float, steps: int) -> list[float]:
    """Return how far a weight is after 0, 1, 2... steps of an optimizer with a learning rate, on one gradient."""
    import keras

    weight = keras.Variable(np.zeros(1, dtype=np.float32))
    control = type(optimizer).from_config({**optimizer.get_config(), "learning_rate": rate})
    control.build([weight])
    gradient = keras.ops.convert_to_tensor(
        np.array([-0.001], dtype=np.float32)
    )  # a pixel of 0.01, ten outputs
    distances = [0.0]
    for _ in range(steps):
        control.apply([gradient], [weight])
        distances.append(float(np.asarray(weight)[0]))
    return distances


def output_columns(pipeline: Any) -> list[int]:
    """Return, for each of a model's outputs in turn, in which column ``predict`` has it.

    The model says the same of every image: that it is surely this output's digit.
    """
    model = linear("sgd", use_bias=True, activation="softmax")
    kernel, images = (
        np.zeros((PIXELS, 10), dtype=np.float32),
        np.zeros((1, 28, 28), dtype=np.float32),
    )
    found = []
    for output in range(10):
        model.set_weights([kernel, 5 * np.eye(10, dtype=np.float32)[output]])
        try:
            found.append(int(np.argmax(pipeline.predict(model, images)[0])))
        except ContractError as error:
            what = "predict takes no other Keras model than its own, to be told apart"
            raise NotJudgedError(f"{what}: {error}") from error
    return found
