"""Questions to a pipeline and its models, answered through the pipeline's five methods."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, PIXELS, Array, Bools, Floats
from mnistlab.errors import MnistlabError, NotJudgedError, describe_error
from mnistlab.recipe import (
    identify_output,
    input_shape_of,
    is_keras,
    read_model,
    require_compiled_model,
    require_keras_model,
)


@contextlib.contextmanager
def _not_judged_on_error(problem: str) -> Iterator[None]:
    """Turn any error of the model into NotJudgedError, with what could not be done."""
    try:
        yield
    except Exception as error:
        reason = str(error) if isinstance(error, MnistlabError) else describe_error(error)
        raise NotJudgedError(f"{problem}: {reason}") from error


def weights_after(
    pipeline: Any, shown: Floats, data: tuple[Floats, Floats], build_seed: int, fit_seed: int
) -> list[Floats]:
    """Train a new model for two epochs; return its weights, else its predictions for `shown`."""
    model = pipeline.build(build_seed)
    pipeline.fit(model, *data, seed=fit_seed, epochs=2)
    if is_keras(model):
        return [np.array(weight) for weight in model.get_weights()]
    return [pipeline.predict(model, shown)]


def evenly(labels: Floats, count: int) -> Array:
    """Choose `count` images by their labels, the first of each digit first, then the second."""
    digits = labels.argmax(axis=1)
    rank = np.cumsum(labels, axis=0)[np.arange(len(labels)), digits]
    return np.lexsort((digits, rank))[:count]


def columns_of_digits(probabilities: Floats, labels: Floats) -> list[int]:
    """Return for each digit the column in which a trained model predicts it."""
    shares = labels.T @ np.eye(CLASSES)[probabilities.argmax(axis=1)] / len(labels)
    digits, columns = linear_sum_assignment(shares, maximize=True)
    # Mirrored images are confused with each other; columns in another order are not.
    if shares[digits, columns].sum() < 0.8:
        raise NotJudgedError("the model knows too little to tell which column is which digit")
    return [int(column) for column in columns]


def unmoved_parameters(pipeline: Any, labels: Floats, *, seed: int) -> list[int]:
    """Train one epoch on noise; return how many parameters of each array did not change."""
    # Noise reaches every pixel. With a tenth of them white, every ReLU is on for half the images.
    low, high = pipeline.spec.image_range or (0, 1)
    white = np.random.default_rng(seed).random((len(labels), *IMAGE_SHAPE)) < 0.1
    model = require_keras_model(pipeline.build(seed), "its parameters")
    before = [np.array(weight) for weight in model.get_weights()]
    images = np.where(white, high, max(low, 0)).astype(np.float32)
    pipeline.fit(model, images, labels, seed=seed, epochs=1)
    pairs = zip(model.get_weights(), before, strict=True)
    return [int((after == start).sum()) for after, start in pairs]


def validation_losses(
    pipeline: Any, images: Floats, labels: Floats, *, seed: int
) -> tuple[list[float], float]:
    """Train; return the history's validation losses, and that of the model that ``fit`` leaves."""
    model = pipeline.build(seed)
    history = pipeline.fit(model, images, labels, seed=seed, epochs=3)
    if "val_loss" not in history:
        raise NotJudgedError("the history that fit returned has no 'val_loss'")
    held_out = slice(pipeline.spec.trained_on(len(images)), None)
    # Outputs stay a Keras tensor, because it remembers its logits, which are more exact.
    outputs = _outputs(require_compiled_model(model, "its loss"), images[held_out])
    return [float(loss) for loss in history["val_loss"]], _loss(model, labels[held_out], outputs)


def _loss(model: Any, labels: Floats, outputs: Any) -> float:
    with _not_judged_on_error("the loss that build compiles cannot be computed"):
        labels = _as_compiled(model, labels)
        return float(model.compute_loss(y=labels, y_pred=outputs, training=False))


def _as_compiled(model: Any, labels: Floats) -> Array:
    """Return one-hot labels, (N, 10), as the model's loss takes them; sparse ones take digits."""
    sparse = "sparse" in str(model.get_compile_config()["loss"]).lower()
    return labels.argmax(axis=1) if sparse else labels


def unusual_settings(optimizer: Any) -> str:
    """Describe an optimizer's settings that are not Keras's defaults, except its learning rate."""
    with _not_judged_on_error(f"the defaults of {type(optimizer).__name__} are not known"):
        usual = type(optimizer)().get_config()
    config = optimizer.get_config()
    usual |= {key: config.get(key) for key in ("name", "learning_rate")}
    unusual = [f"{key}={value}" for key, value in config.items() if value != usual.get(key)]
    return ", ".join(unusual) or "Keras's defaults"


def compiled_with(model: Any) -> str:
    """Describe the optimizer and the loss that a model is compiled with."""
    loss = model.get_compile_config()["loss"]
    if isinstance(loss, dict) and "class_name" in loss:
        loss = f"{loss['class_name']} {loss['config']}"
    return f"{type(model.optimizer).__name__} ({unusual_settings(model.optimizer)}), {loss}"


def loss_difference(model: Any, name: str) -> float:
    """Return how far a compiled model's loss is from Keras's of a name, in nats.

    Both get random probabilities, but logarithms if the last layer returns logits.
    """
    import keras

    outputs, labels = _random_probabilities()
    truth = labels.argmax(axis=1) if name.startswith("sparse") else labels
    with _not_judged_on_error(f"the loss {name!r} that the spec promises is not known to Keras"):
        required = keras.losses.get(name)(truth, outputs)
    activation = getattr(model.layers[-1], "activation", None) if model.layers else None
    logits = getattr(activation, "__name__", "") == "linear"
    own = _loss(model, labels, np.log(outputs) if logits else outputs)
    return abs(own - regularisation_loss(model) - float(np.mean(required)))


def accuracy_difference(model: Any) -> float:
    """Return how far a compiled model's accuracy metric is from the fraction predicted right."""
    outputs, labels = _random_probabilities()
    with _not_judged_on_error("the metric that build compiles cannot be computed"):
        model.reset_metrics()
        metrics = model.compute_metrics(x=None, y=_as_compiled(model, labels), y_pred=outputs)
        model.reset_metrics()
    if "accuracy" not in metrics:
        got = f"its metrics: {', '.join(map(str, metrics))}"
        raise NotJudgedError(f"build compiles its model without a metric named accuracy; {got}")
    right = outputs.argmax(axis=1) == labels.argmax(axis=1)
    return abs(float(metrics["accuracy"]) - float(right.mean()))


def _random_probabilities() -> tuple[Floats, Floats]:
    """Draw 64 rows of probabilities that are far from certain, and one-hot labels."""
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.full(CLASSES, 0.5), 64).astype(np.float32)
    return outputs, np.eye(CLASSES, dtype=np.float32)[rng.integers(CLASSES, size=64)]


def regularisation_loss(model: Any) -> float:
    """Return what regularisation adds to a model's loss, in nats."""
    return float(sum(float(term) for term in model.losses))


def initial_spread(model: Any, layer: int) -> float:
    """Return a new layer's standard deviation over Glorot's, minus 1. Layers count from 1.

    Source: Glorot and Bengio, 2010, equation 16: uniform within sqrt(6 / (inputs + outputs)).
    """
    weights = [each.get_weights()[0] for each in model.layers if each.weights][layer - 1]
    return float(weights.std() / np.sqrt(2 / sum(weights.shape[-2:]))) - 1


def dead_units(model: Any, images: Floats) -> Bools:
    """Tell of each hidden unit of a model whether its output is the same for all images."""
    import keras

    layers = require_keras_model(model, "its hidden units").layers[:-1]
    outputs = [layer.output for layer in layers if layer.weights]
    if not outputs:
        return np.zeros(0, dtype=bool)
    images = _as_taken(model, images)
    with _not_judged_on_error("the outputs of its hidden units cannot be computed"):
        values = keras.tree.flatten(keras.Model(model.inputs, outputs)([images], training=False))
    spans = [np.ptp(np.asarray(value).reshape(-1, value.shape[-1]), axis=0) for value in values]
    return np.asarray(np.concatenate(spans) == 0)


def weight_norms(model: Any) -> list[float]:
    """Return the Euclidean norm of each layer's weights, from input to output."""
    layers = [layer.get_weights() for layer in model.layers if layer.weights]
    squares = [[np.sum(np.square(part, dtype=np.float64)) for part in parts] for parts in layers]
    return [float(np.sqrt(sum(parts))) for parts in squares]


def direct_predictions(model: Any, images: Floats) -> Floats:
    """Call a Keras model without its pipeline; return probabilities, the softmax of logits."""
    outputs = _outputs(require_keras_model(model, "its own predictions"), images)
    rows = np.asarray(outputs, dtype=np.float32)
    return rows if identify_output(rows) == "probabilities" else softmax(rows, axis=1)


def _outputs(model: Any, images: Floats) -> Any:
    outputs = model(_as_taken(model, images), training=False)
    if getattr(outputs, "shape", None) != (len(images), CLASSES):
        reason = f"the model does not have {CLASSES} outputs"
        raise NotJudgedError(f"{reason}: only predict can interpret what it returns")
    return outputs


def _as_taken(model: Any, images: Floats) -> Floats:
    shape = input_shape_of(model)
    if shape is None:
        takes = f"the model's input, {getattr(model, 'input_shape', 'unknown')}"
        raise NotJudgedError(f"{takes}, is not {PIXELS} pixels: only fit and predict can fill it")
    return images.reshape(len(images), *shape)


def predictions_of_file(pipeline: Any, path: Path, images: Floats) -> Floats:
    """Load a ``.keras`` file and return the pipeline's predictions with it."""
    with _not_judged_on_error("what build returns cannot be loaded once it is saved"):
        model = read_model(path)
    return np.asarray(pipeline.predict(model, images))


def save(model: Any, path: Path) -> None:
    """Save a Keras model as a ``.keras`` file."""
    model = require_keras_model(model, "what it predicts after it was saved")
    with _not_judged_on_error("what build returns cannot be saved"):
        model.save(path)
