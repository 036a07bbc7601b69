"""Small questions put to a pipeline and its models, answered through its five methods alone."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from mnistlab.errors import MnistlabError, NotJudgedError, describe_error
from mnistlab.recipe import are_probabilities, image_shape, is_keras, keras_model, read_model


@contextlib.contextmanager
def _not_judged_on_error(what: str) -> Iterator[None]:
    """Turn whatever a model of somebody else's raises into NotJudgedError: «its loss cannot be computed»."""
    try:
        yield
    except MnistlabError as error:
        raise NotJudgedError(f"{what}: {error}") from error
    except Exception as error:
        raise NotJudgedError(f"{what}: {describe_error(error, None)}") from error


def weights_after(
    pipeline: Any,
    images: NDArray[np.float32],
    labels: NDArray[np.float32],
    *,
    seed: int,
    fit_seed: int | None = None,
) -> list[NDArray[np.float32]]:
    """Build a model, train it for two epochs, with another seed if that is given, and return its weights.

    Of another model than Keras's return what it predicts of noise, which tells as much.
    """
    model = pipeline.build(seed)
    pipeline.fit(model, images, labels, seed=seed if fit_seed is None else fit_seed, epochs=2)
    if not is_keras(model):
        return [
            pipeline.predict(
                model, np.random.default_rng(0).random((100, 28, 28), dtype=np.float32)
            )
        ]
    return [np.array(weight) for weight in model.get_weights()]


def seeds_with_carryover(
    pipeline: Any,
    images: NDArray[np.float32],
    labels: NDArray[np.float32],
    *,
    seeds: tuple[int, ...],
) -> list[int]:
    """Train with several seeds, then again in the opposite order; return the seeds that ended in other weights."""
    first = {seed: weights_after(pipeline, images, labels, seed=seed) for seed in seeds}
    again = {seed: weights_after(pipeline, images, labels, seed=seed) for seed in reversed(seeds)}
    return [seed for seed in seeds if not all(map(np.array_equal, first[seed], again[seed]))]


def unmoved_parameters(pipeline: Any, labels: NDArray[np.float32], *, seed: int) -> list[int]:
    """Train one epoch on noise, which uses every pixel; return how many parameters of each array did not move."""
    # A tenth of the pixels white: then every unit of ReLU is on for about half of the images.
    images = np.random.default_rng(seed).random((len(labels), 28, 28)) < 0.1
    model = keras_model(pipeline.build(seed), "its parameters")
    before = [np.array(weight) for weight in model.get_weights()]
    pipeline.fit(model, images.astype(np.float32), labels, seed=seed, epochs=1)
    return [
        int((after == start).sum())
        for after, start in zip(model.get_weights(), before, strict=True)
    ]


def predicted_after_permutation(
    pipeline: Any,
    images: NDArray[np.float32],
    labels: NDArray[np.float32],
    others: NDArray[np.float32],
    *,
    seed: int,
) -> NDArray[Any]:
    """Train on permuted labels, from which nothing can be learnt; return the digits predicted for other images."""
    permuted = labels[np.random.default_rng(seed).permutation(len(labels))]
    model = pipeline.build(seed)
    pipeline.fit(model, images, permuted, seed=seed, epochs=2)
    return np.asarray(np.argmax(pipeline.predict(model, others), axis=1))


def validation_losses(
    pipeline: Any,
    images: NDArray[np.float32],
    labels: NDArray[np.float32],
    *,
    seed: int,
    epochs: int = 3,
) -> tuple[list[float], float]:
    """Train; return the validation losses of the history, and that of the model that ``fit`` leaves."""
    model = pipeline.build(seed)
    history = pipeline.fit(model, images, labels, seed=seed, epochs=epochs)
    held_out = slice(pipeline.spec.trained_on(len(images)), None)
    outputs = _outputs(
        keras_model(model, "its loss"), images[held_out]
    )  # a tensor, of which Keras knows the logits
    return [float(value) for value in history["val_loss"]], _loss(model, labels[held_out], outputs)


def _loss(model: Any, labels: NDArray[np.float32], outputs: Any) -> float:
    """Return a compiled model's own loss of its outputs, in nats."""
    with _not_judged_on_error("the loss that build compiles cannot be computed"):
        return float(
            model.compute_loss(y=_as_compiled(model, labels), y_pred=outputs, training=False)
        )


def _as_compiled(model: Any, labels: NDArray[np.float32]) -> NDArray[Any]:
    """Return one-hot labels, (N, 10), as a compiled model's loss takes them: sparse ones take digits, (N,)."""
    return (
        labels.argmax(axis=1)
        if "sparse" in str(model.get_compile_config()["loss"]).lower()
        else labels
    )


def unusual_settings(optimizer: Any) -> str:
    """Return the settings of an optimizer that are not Keras's defaults, but for its learning rate, for people."""
    try:
        usual = type(optimizer)().get_config()
    except TypeError as error:
        raise NotJudgedError(
            f"the defaults of {type(optimizer).__name__} are not known: {error}"
        ) from error
    settings = {
        key: value
        for key, value in optimizer.get_config().items()
        if key not in ("name", "learning_rate")
    }
    unusual = [f"{key}={value}" for key, value in settings.items() if value != usual.get(key)]
    return ", ".join(unusual) or "Keras's defaults"


def compiled_with(model: Any) -> str:
    """Return the optimizer and the loss that a model is compiled with, for people."""
    loss = model.get_compile_config()["loss"]
    loss = (
        f"{loss['class_name']} {loss['config']}"
        if isinstance(loss, dict) and "class_name" in loss
        else loss
    )
    return f"{type(model.optimizer).__name__} ({unusual_settings(model.optimizer)}), {loss}"


def loss_difference(model: Any, name: str) -> float:
    """Return how far a compiled model's loss is from Keras's of this name, in nats, on random probabilities.

    A model that ends without an activation says logits, and its loss is given those of the probabilities.
    """
    import keras

    outputs, labels = _random_probabilities()
    with _not_judged_on_error(f"the loss {name!r} that the spec promises is not known to Keras"):
        required = keras.losses.get(name)(
            labels.argmax(axis=1) if name.startswith("sparse") else labels, outputs
        )
    ends = [
        getattr(getattr(layer, "activation", None), "__name__", "") for layer in model.layers[-1:]
    ]
    own = _loss(model, labels, np.log(outputs) if ends == ["linear"] else outputs)
    return abs(own - regularisation_loss(model) - float(np.mean(required)))


def accuracy_difference(model: Any) -> float:
    """Return how far a compiled model's accuracy is from the share of the right, on random probabilities."""
    outputs, labels = _random_probabilities()
    with _not_judged_on_error("the metric that build compiles cannot be computed"):
        model.reset_metrics()
        counted = model.compute_metrics(x=None, y=_as_compiled(model, labels), y_pred=outputs)
        model.reset_metrics()
    if "accuracy" not in counted:
        names = ", ".join(map(str, counted))
        raise NotJudgedError(
            f"build compiles its model without a metric named accuracy; its metrics: {names}"
        )
    return abs(
        float(counted["accuracy"]) - float((outputs.argmax(axis=1) == labels.argmax(axis=1)).mean())
    )


def _random_probabilities() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw probabilities that say little, and one-hot labels; (64, 10) both."""
    rng = np.random.default_rng(0)
    outputs = rng.dirichlet(np.full(10, 0.5), 64).astype(np.float32)
    return outputs, np.eye(10, dtype=np.float32)[rng.integers(10, size=64)]


def regularisation_loss(model: Any) -> float:
    """Return what regularisation adds to a model's loss, in nats."""
    return float(sum(float(term) for term in model.losses))


def initial_spread(model: Any, layer: int) -> float:
    """Return the standard deviation of a new layer's weights over that of Glorot's initialisation, less 1.

    Source: Glorot and Bengio, 2010, equation 16: even within the root of 6 / (inputs + outputs), either side of 0.
    """
    weights = [each.get_weights()[0] for each in model.layers if each.weights][layer - 1]
    return float(weights.std() / np.sqrt(2 / sum(weights.shape[-2:]))) - 1


def dead_units(model: Any, images: NDArray[np.float32]) -> float:
    """Return the share of a model's hidden units that say the same of all images: of ReLU, the dead ones."""
    import keras

    outputs = [
        layer.output
        for layer in keras_model(model, "its hidden units").layers[:-1]
        if layer.weights
    ]
    if not outputs:
        return 0.0
    images = _as_taken(model, images)
    with _not_judged_on_error("its hidden units cannot be looked at"):
        values = keras.tree.flatten(keras.Model(model.inputs, outputs)([images], training=False))
    spans = [np.ptp(np.asarray(value).reshape(-1, value.shape[-1]), axis=0) for value in values]
    return float(np.mean(np.concatenate(spans) == 0))


def weight_norms(model: Any) -> list[float]:
    """Return the Euclidean norm of the weights of each layer that has any, input to output."""
    layers = [layer.get_weights() for layer in model.layers if layer.weights]
    return [
        float(np.sqrt(sum(np.sum(np.square(array, dtype=np.float64)) for array in arrays)))
        for arrays in layers
    ]


def own_predictions(model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities that a Keras model itself says of images, in one piece; of logits their softmax."""
    rows = np.asarray(_outputs(keras_model(model, "its own predictions"), images), dtype=np.float32)
    return rows if are_probabilities(rows) else softmax(rows, axis=1)


def _outputs(model: Any, images: NDArray[np.float32]) -> Any:
    """Return what a model says of images, (N, 10)."""
    outputs = model(_as_taken(model, images), training=False)
    if getattr(outputs, "shape", None) != (len(images), 10):
        raise NotJudgedError(
            "the model has other outputs than ten: only predict can tell what they say of an image"
        )
    return outputs


def _as_taken(model: Any, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images in the shape that a model takes."""
    shape = image_shape(model)
    if shape is None:
        takes = getattr(model, "input_shape", "unknown")
        raise NotJudgedError(
            f"the model's input, {takes}, is not 784 pixels: only fit and predict can fill it"
        )
    return images.reshape(len(images), *shape)


def predictions_of_file(
    pipeline: Any, path: Path, images: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Load a ``.keras`` file and return the pipeline's predictions with it."""
    with _not_judged_on_error("what build returns cannot be loaded once it is saved"):
        model = read_model(path)
    return np.asarray(pipeline.predict(model, images))


def save(model: Any, path: Path) -> None:
    """Save a Keras model."""
    model = keras_model(model, "what it predicts after it was saved")
    with _not_judged_on_error("what build returns cannot be saved"):
        model.save(path)
