"""Linear models whose weights show what ``fit`` trained them on, in which order and how fast.

The weights start at 0, the loss is the mean absolute error, and no output reaches 1. So each image
of a batch of B moves the weight from a pixel to the output of its label by
(learning rate) x (value of the pixel) / (10 B). If every image has a white pixel of its own, the
weights tell which images were seen, how often and with which label. If all images are the same,
they show that image. If a regularisation halves all weights in every step, the exponent of an
image's weight counts the steps since it was seen.
"""

from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, PIXELS, Doubles, Floats, Indices
from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.recipe import Spec, require_compiled_model

RATE = 0.001  # so small that no output reaches 1
UNIT = 0.25  # by which an image raises its weight in a recording; no output reaches 1
MAX_FULL_BATCHES = 18  # in an epoch, so that a float32 of 24 bits holds what every step adds
NOT_SEEN, SEVERAL_LABELS = -1, -2


def build(optimizer: Any, **settings: Any) -> Any:
    """Build a linear model with all weights 0; the optimizer may be the learning rate of SGD."""
    import keras

    if isinstance(optimizer, float):
        optimizer = keras.optimizers.SGD(optimizer)
    settings = {"use_bias": False, "kernel_initializer": "zeros", **settings}
    layers = [keras.layers.Flatten(), keras.layers.Dense(CLASSES, **settings)]
    model = keras.Sequential([keras.Input(IMAGE_SHAPE), *layers])
    model.compile(optimizer, loss="mean_absolute_error", metrics=["accuracy"])
    return model


def fit(
    pipeline: Any, model: Any, data: tuple[Floats, Floats], *, seed: int, epochs: int = 1
) -> list[Doubles]:
    """Let a pipeline train a linear model; return its weights, or raise NotJudgedError."""
    require_compiled_model(pipeline.build(seed), "how its fit trains")
    if str(pipeline.spec.loss).startswith("sparse"):  # then fit passes digits on
        model.compile(model.optimizer, loss=_error_of_digits, metrics=["accuracy"])
    try:
        pipeline.fit(model, *data, seed=seed, epochs=epochs)
    except ContractError as error:
        problem = "fit trains only its own model; it must train any Keras model to be examined"
        raise NotJudgedError(f"{problem}: {error}") from error
    return [np.asarray(weight, dtype=np.float64) for weight in model.get_weights()]


def _error_of_digits(digits: Any, outputs: Any) -> Any:
    import keras

    labels = keras.ops.one_hot(keras.ops.reshape(digits, (-1,)), CLASSES)
    return keras.losses.mean_absolute_error(labels, outputs)


def pixel_range(spec: Spec) -> tuple[float, float]:
    """Return the least and largest pixel, within -1 and 1, that a spec promises, and 0 between."""
    low, high = spec.image_range or (0.0, 1.0)
    if not low <= 0 < high:
        raise NotJudgedError(f"prepared images, {low:g} to {high:g}, cannot be 0 outside a pixel")
    return max(low, -1), min(high, 1)


def one_pixel_images(spec: Spec, count: int) -> Floats:
    """Make up to 784 images, each with a white pixel of its own."""
    return pixel_range(spec)[1] * np.eye(count, PIXELS, dtype=np.float32).reshape(-1, *IMAGE_SHAPE)


def position_images(spec: Spec, count: int) -> tuple[Floats, Floats]:
    """Make images and labels of 784 parts, each with a white pixel and a label of its own."""
    pixels = np.minimum(np.arange(count) * PIXELS // spec.trained_on(count), PIXELS - 1)
    images = np.zeros((count, PIXELS), dtype=np.float32)
    images[np.arange(count), pixels] = pixel_range(spec)[1]
    digits = np.random.default_rng(0).integers(CLASSES, size=PIXELS)
    return images.reshape(-1, *IMAGE_SHAPE), one_hot(digits[pixels])


def one_hot(digits: Any) -> Floats:
    """Return labels, float32 (N, 10), of digits (N,)."""
    return np.asarray(np.eye(CLASSES, dtype=np.float32)[digits])


def image_seen(pipeline: Any, image: Floats, *, seed: int) -> Doubles:
    """Return the image, (28, 28), that ``fit`` makes of a prepared one; NaN without steps."""
    images = np.repeat(image[None], pipeline.spec.total_of(2 * pipeline.spec.batch_size), axis=0)
    weights, bias, _ = _weights_bias_steps(pipeline, images, seed)
    return (weights / bias if bias else weights * np.nan).reshape(IMAGE_SHAPE)


def batch_size_seen(pipeline: Any, *, seed: int) -> float:
    """Return over how many images ``fit`` averages in its largest step; NaN if it takes none."""
    spec = pipeline.spec
    # As many batches as possible, because fit may leave images out.
    batches = min(MAX_FULL_BATCHES, spec.trained_on(PIXELS) // spec.batch_size)
    if not batches:
        reason = f"batches of {spec.batch_size} cannot be measured"
        raise NotJudgedError(f"{reason} with {PIXELS} images, a pixel each")
    images = one_pixel_images(spec, spec.total_of(batches * spec.batch_size))
    weights, bias, steps = _weights_bias_steps(pipeline, images, seed)
    moved = weights[weights > 0]
    return float(images.max()) * bias / steps / float(moved.min()) if moved.size else np.nan


def coverage_error(pipeline: Any, *, seed: int, count: int) -> float:
    """Return the fraction of 784 parts of the data that an epoch does not see about once.

    A part is wrong if it is seen less than 0.5 or more than 1.5 times, or with other labels.
    """
    spec = pipeline.spec
    trained = spec.trained_on(count)
    images, labels = position_images(spec, count)
    weights, *_ = fit(pipeline, build(RATE), (images, labels), seed=seed)
    seen = weights * (CLASSES * spec.batch_size / RATE)
    required = images[:trained].reshape(trained, PIXELS).T @ labels[:trained]
    wrong = np.abs(seen - required) > 0.5 * required.max(axis=1, keepdims=True)
    return float(wrong.any(axis=1).mean())


def _weights_bias_steps(pipeline: Any, images: Floats, seed: int) -> tuple[Doubles, float, int]:
    """Train a linear model for an epoch, all labels 0; return output 0's weights, bias, steps."""
    model = build(RATE, use_bias=True)
    weights, bias = fit(pipeline, model, (images, one_hot([0] * len(images))), seed=seed)
    return weights[:, 0], float(bias[0]), max(int(model.optimizer.iterations), 1)


def learning_rates(pipeline: Any, *, seed: int) -> tuple[float, float]:
    """Measure the mean learning rate in ``fit``'s first and last epoch by how a weight moves."""
    spec = pipeline.spec
    spec.promised("learning_rate")
    optimizer = require_compiled_model(pipeline.build(seed), "its optimizer").optimizer
    total = spec.total_of(4 * spec.batch_size)
    images = np.zeros((total, *IMAGE_SHAPE), dtype=np.float32)
    images[:, 0, 0] = 0.01  # so dark that no output reaches 1
    moved, steps = {0: 0.0}, {0: 0}
    for epochs in sorted({1, spec.epochs - 1, spec.epochs} - {0}):
        model = build(type(optimizer).from_config(optimizer.get_config()))
        data = images, one_hot([0] * total)
        weights, *_ = fit(pipeline, model, data, seed=seed, epochs=epochs)
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
    gradient = keras.ops.full((1,), -0.001)  # a pixel of 0.01, averaged over ten outputs
    distances = [0.0]
    for _ in range(steps):
        reference.apply([gradient], [weight])
        distances.append(float(np.asarray(weight)[0]))
    return distances


def recordable_batches(spec: Spec) -> tuple[int, list[int]]:
    """Choose how many images to record, and the sizes of their batches; the last one is smaller."""
    size = spec.batch_size
    rest = size * 3 // 4
    full = min(MAX_FULL_BATCHES, (spec.trained_on(PIXELS) - rest) // size)
    if full < 1 or not rest:
        reason = f"batches of {size} cannot be recorded"
        raise NotJudgedError(f"{reason}: an epoch is recorded on at most {PIXELS} images")
    return spec.total_of(full * size + rest), [size] * full + [rest]


def record_epochs(pipeline: Any, *, seed: int, count: int, epochs: int) -> list[Indices]:
    """Return for each epoch the step, from 0, that saw each of `count` images last."""
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
    """Return the label with which each of `count` images, labelled 0 to 9 in turn, is trained.

    It is `SEVERAL_LABELS` if a label changed or was smoothed.
    """
    weights, _ = _record(pipeline, seed, count, epochs=1)
    outputs = np.count_nonzero(weights, axis=1)
    one = np.where(outputs == 1, weights.argmax(axis=1), SEVERAL_LABELS)
    return np.where(outputs == 0, NOT_SEEN, one)


def mean_position_of_last_steps(pipeline: Any, *, seed: int, count: int) -> float:
    """Return where the images of an epoch's last steps are in the data: 0 first, 1 last.

    Each step weighs half as much as the next; NaN without steps.
    """
    images, _ = position_images(pipeline.spec, count)
    model = _recording_model(pipeline.spec.batch_size, UNIT / pipeline.spec.batch_size)
    weights = fit(pipeline, model, (images, one_hot([0] * count)), seed=seed)[0][:, 0]
    if not weights.any():
        return np.nan
    return float(np.average(np.arange(PIXELS), weights=weights)) / (PIXELS - 1)


def _record(pipeline: Any, seed: int, count: int, epochs: int) -> tuple[Doubles, int]:
    """Train a recording model; return each image's weights, (count, 10), and steps in an epoch."""
    images = one_pixel_images(pipeline.spec, count)
    labels = one_hot(np.arange(count) % CLASSES)
    model = _recording_model(pipeline.spec.batch_size, UNIT / float(images.max()))
    weights, *_ = fit(pipeline, model, (images, labels), seed=seed, epochs=epochs)
    return weights[:count], int(model.optimizer.iterations) // epochs


def _recording_model(batch_size: int, unit: float) -> Any:
    """Build a linear model that gains a unit from each image and halves its weights every step."""
    import keras

    rate = unit * CLASSES * batch_size
    halving = keras.regularizers.L2(0.25 / rate)  # its gradient is 0.5 / rate times the weight
    return build(rate, kernel_regularizer=halving)
