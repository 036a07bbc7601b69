"""What ``fit`` does with images and learning rates, and ``predict`` with outputs.

`mnistlab.probes.linear_models` explains how a linear model shows it.
"""

from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, PIXELS, Doubles, Floats
from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.probes import linear_models
from mnistlab.recipe import require_keras_model

RATE = 0.001
"""Learning rate of the linear models, so small that no output reaches 1."""


def image_seen(pipeline: Any, image: Floats, *, seed: int) -> Doubles:
    """Return the image, (28, 28), that ``fit`` makes of a prepared one; NaN if it takes no steps.

    It is the quotient of weights and bias, for any learning rate, batch size and label.
    """
    images = np.repeat(image[None], pipeline.spec.total_of(2 * pipeline.spec.batch_size), axis=0)
    weights, bias, _ = _weights_bias_steps(pipeline, images, seed)
    return (weights / bias if bias else weights * np.nan).reshape(IMAGE_SHAPE)


def batch_size_seen(pipeline: Any, *, seed: int) -> float:
    """Return over how many images ``fit`` averages in its largest step; NaN if it takes none.

    Raises NotJudgedError if 784 images, a pixel each, do not fill a batch.
    """
    spec = pipeline.spec
    # As many batches as possible, because fit may leave images out.
    batches = min(linear_models.MAX_FULL_BATCHES, spec.trained_on(PIXELS) // spec.batch_size)
    if not batches:
        raise NotJudgedError(
            f"batches of {spec.batch_size} cannot be measured with {PIXELS} images, a pixel each"
        )
    white = linear_models.pixel_range(spec)[1]
    images = linear_models.one_pixel_images(spec.total_of(batches * spec.batch_size), white)
    weights, bias, steps = _weights_bias_steps(pipeline, images, seed)
    moved = weights[weights > 0]
    return white * bias / steps / float(moved.min()) if moved.size else np.nan


def coverage_error(pipeline: Any, *, seed: int, count: int) -> float:
    """Return the fraction of the training data that an epoch does not see about once.

    The data is divided into 784 parts. A part is wrong if it is seen less than half or more than
    one and a half times as often as it should be, or with other labels. Learning rate and batch
    size must be those of the spec. `count` includes the images held out.
    """
    import keras

    spec = pipeline.spec
    trained = spec.trained_on(count)
    images, labels = linear_models.position_images(spec, count)
    model = linear_models.build(keras.optimizers.SGD(RATE))
    weights, *_ = linear_models.fit(pipeline, model, (images, labels), seed=seed)
    seen = weights * (CLASSES * spec.batch_size / RATE)
    required = images[:trained].reshape(trained, PIXELS).T @ labels[:trained]
    wrong = np.abs(seen - required) > 0.5 * required.max(axis=1, keepdims=True)
    return float(wrong.any(axis=1).mean())


def _weights_bias_steps(pipeline: Any, images: Floats, seed: int) -> tuple[Doubles, float, int]:
    """Train a linear model for an epoch, all labels 0; return output 0's weights, bias, steps."""
    import keras

    model = linear_models.build(keras.optimizers.SGD(RATE), use_bias=True)
    data = images, linear_models.all_zeros(len(images))
    weights, bias = linear_models.fit(pipeline, model, data, seed=seed)
    return weights[:, 0], float(bias[0]), max(int(model.optimizer.iterations), 1)


def learning_rates(pipeline: Any, *, seed: int, batches: int = 4) -> tuple[float, float]:
    """Measure the mean learning rate during ``fit``'s first and last epoch.

    The pipeline's own optimizer trains a linear model with a constant gradient: for 1 epoch, for
    all epochs of the spec, and for one fewer. The distances that the weight moves, relative to
    those with the spec's rate, give the rate, whatever the optimizer shows. An epoch has `batches`
    batches of the specified size.
    """
    spec = pipeline.spec
    spec.promised("learning_rate")
    optimizer = require_keras_model(pipeline.build(seed), "its optimizer").optimizer
    total = spec.total_of(batches * spec.batch_size)
    images = np.zeros((total, *IMAGE_SHAPE), dtype=np.float32)
    images[:, 0, 0] = 0.01  # so dark that no output reaches 1
    moved, steps = {0: 0.0}, {0: 0}
    for epochs in sorted({1, spec.epochs - 1, spec.epochs} - {0}):
        model = linear_models.build(type(optimizer).from_config(optimizer.get_config()))
        data = images, linear_models.all_zeros(total)
        weights, *_ = linear_models.fit(pipeline, model, data, seed=seed, epochs=epochs)
        moved[epochs], steps[epochs] = float(weights[0, 0]), int(model.optimizer.iterations)
    last, before = spec.epochs, spec.epochs - 1
    if spec.allows("early stopping") and steps[last] == steps[before]:
        raise NotJudgedError("fit stops before its last epoch, so that its rate is not seen")
    expected = np.array(_distances(optimizer, spec.learning_rate, max(steps.values())))
    with np.errstate(all="ignore"):  # NaN if fit takes no steps
        ratio = (moved[last] - moved[before]) / (expected[steps[last]] - expected[steps[before]])
        return spec.learning_rate * moved[1] / expected[steps[1]], spec.learning_rate * ratio


def _distances(optimizer: Any, rate: float, steps: int) -> list[float]:
    """Return how far an optimizer with this rate moves a weight in 0, 1, 2... constant steps."""
    import keras

    weight = keras.Variable(np.zeros(1, dtype=np.float32))
    reference = type(optimizer).from_config({**optimizer.get_config(), "learning_rate": rate})
    reference.build([weight])
    slope = np.array([-0.001], dtype=np.float32)  # a pixel of 0.01, averaged over ten outputs
    gradient = keras.ops.convert_to_tensor(slope)
    distances = [0.0]
    for _ in range(steps):
        reference.apply([gradient], [weight])
        distances.append(float(np.asarray(weight)[0]))
    return distances


def output_columns(pipeline: Any) -> list[int]:
    """Return for each of a model's outputs in which column of ``predict``'s result it is.

    The model used is sure of one output, whatever the image.
    """
    model = linear_models.build("sgd", use_bias=True, activation="softmax")
    kernel = np.zeros((PIXELS, CLASSES), dtype=np.float32)
    image = np.zeros((1, *IMAGE_SHAPE), dtype=np.float32)
    columns = []
    for output in range(CLASSES):
        model.set_weights([kernel, 5 * linear_models.one_hot(output)])
        try:
            columns.append(int(np.argmax(pipeline.predict(model, image)[0])))
        except ContractError as error:
            problem = (
                "predict takes only its own model; it must take any Keras model to be examined"
            )
            raise NotJudgedError(f"{problem}: {error}") from error
    return columns
