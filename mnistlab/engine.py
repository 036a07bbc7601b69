"""Trains a compiled Keras model: one compiled program an epoch, and one compilation an architecture.

The program runs the model's own ``train_step``, so optimizer, loss, regularisation and metrics are Keras's,
not a copy of them. What it saves is all that ``Model.fit`` does between two steps.
"""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]
History = dict[str, Any]

AVERAGING_STRIDE = 10
"""Steps between two samples of the average: every step would cost 17 % of an epoch, every tenth 2 %."""

EVALUATION_BATCH = 2000
"""Images evaluated at a time; bounds the memory that the activations of a convolution take."""

# XLA compiles loops of these into one program, five times as fast as the plain graph. Convolutions in an XLA loop
# are 18 times slower than the plain graph on a CPU, random numbers (dropout) 3 times: all else stays plain.
_XLA_LAYERS = (
    *("Sequential", "Functional", "InputLayer", "Flatten", "Reshape", "Dense", "Activation", "ReLU", "LeakyReLU"),
    *("Softmax", "Rescaling", "Normalization", "BatchNormalization", "LayerNormalization", "Add", "Concatenate"),
)
# Modules whose objects Keras names by counting.
_COUNTED = ("keras.layers", "keras.optimizers", "keras.src.models.functional")
# A model on which somebody replaced one of these is no longer described by its configuration.
_REPLACEABLE = (
    "call",
    "train_step",
    "test_step",
    "compute_loss",
    "compute_metrics",
    "apply",
    "apply_gradients",
)


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int32]:
    """Return the order in which one epoch visits the training images.

    Parameters
    ----------
    seed, epoch : int
        Non-negative. Every pair has a permutation of its own, from NumPy's PCG64 seeded with both: the same on
        every machine and with every engine.
    count : int
        Number of training images.

    Returns
    -------
    numpy.ndarray of int32, shape (count,)
        Indices into the training images.
    """
    return np.random.default_rng([seed, epoch]).permutation(count).astype(np.int32)


def train(
    model: Any,
    training: Arrays,
    validation: Arrays | None,
    orders: Iterable[NDArray[np.int32]],
    batch_size: int,
) -> History:
    """Train a compiled Keras classifier in place, one epoch for every order.

    Parameters
    ----------
    model : keras.Model
        Compiled. Its weights and its optimizer's state go on from where they are.
    training, validation : tuple of two numpy.ndarray of float32
        Images and targets. Only `training` is read by training; without validation there are no ``val_`` keys.
    orders : iterable of numpy.ndarray of int32
        For every epoch the indices of the training images in the order of their use. A last, smaller batch is
        trained as ``Model.fit`` does.
    batch_size : int
        Images a step.

    Returns
    -------
    dict
        What ``Model.fit`` keeps as history, a list with one float an epoch for every key: the running mean of the
        training metrics, and the validation metrics at the end of the epoch. And ``"averaged_weights"``: the
        average of the weights over the last epoch, sampled about every `AVERAGING_STRIDE` steps; arrays in the order
        of ``model.get_weights()``.
    """
    import tensorflow as tf

    if not model.built:
        model(training[0][:1])
    model.optimizer.build(model.trainable_variables)
    subject, program = _program(model)
    _copy_state(model, subject)
    validation = validation or (training[0][:0], training[1][:0])
    tensors = [tf.constant(part) for part in (*training, *validation)]
    history: History = {"averaged_weights": model.get_weights()}
    for order in orders:
        logs, averaged = program(*tensors, tf.constant(order), batch_size)
        for key, value in logs.items():
            history.setdefault(key, []).append(float(value))
        history["averaged_weights"] = [array.numpy() for array in averaged]
    subject.optimizer.finalize_variable_values(subject.trainable_variables)
    _copy_state(subject, model)
    return history


def _program(model: Any) -> tuple[Any, Any]:
    """Return the model that a compiled program trains, and the program: shared by all of one architecture."""
    signature = _signature(model)
    return (model, _compile(model)) if signature is None else _twin(signature)


@functools.lru_cache(maxsize=8)
def _twin(signature: str) -> tuple[Any, Any]:
    """Build the model that a signature describes and the program that trains it."""
    import keras

    model = keras.saving.deserialize_keras_object(json.loads(signature))
    model.optimizer.build(model.trainable_variables)
    return model, _compile(model)


def _compile(model: Any) -> Any:
    """Make the program that trains a model for one epoch; it is compiled at its first call."""
    import tensorflow as tf

    sums = [tf.Variable(tf.zeros(weight.shape, weight.dtype)) for weight in model.weights]

    def add_weights() -> None:
        for total, weight in zip(sums, model.weights, strict=True):
            total.assign_add(weight.value)

    @tf.function(jit_compile=_xla_helps(model))
    def epoch(images: Any, targets: Any, val_images: Any, val_targets: Any, order: Any, batch_size: int) -> Any:
        steps, rest = divmod(order.shape[0], batch_size)
        stride = max(n for n in range(1, AVERAGING_STRIDE + 1) if steps % n == 0)  # XLA wants loops of fixed length
        batches = tf.reshape(order[: steps * batch_size], (steps, batch_size))
        model.reset_metrics()
        for total in sums:
            total.assign(tf.zeros_like(total))
        for block in tf.range(steps // stride):
            for step in tf.range(stride):
                batch = batches[block * stride + step]
                model.train_step((tf.gather(images, batch), tf.gather(targets, batch)))
            add_weights()
        if rest:
            model.train_step((tf.gather(images, order[-rest:]), tf.gather(targets, order[-rest:])))
            add_weights()
        logs = dict(model.get_metrics_result())
        if val_images.shape[0]:
            logs |= {f"val_{key}": value for key, value in _evaluate(model, val_images, val_targets).items()}
        samples = steps // stride + (rest > 0)
        return logs, [total / samples for total in sums]

    return epoch


def _evaluate(model: Any, images: Any, targets: Any) -> Any:
    """Measure a model's metrics inside a program."""
    model.reset_metrics()
    for start in range(0, images.shape[0], EVALUATION_BATCH):
        stop = start + EVALUATION_BATCH
        model.test_step((images[start:stop], targets[start:stop]))
    return model.get_metrics_result()


def _copy_state(source: Any, target: Any) -> None:
    """Copy weights, random states and the optimizer's state between two models of one architecture."""
    if source is not target:
        old = [*source.variables, *source.optimizer.variables]
        new = [*target.variables, *target.optimizer.variables]
        for variable, value in zip(new, old, strict=True):
            variable.assign(value.value)


def _parts(model: Any) -> Iterable[Any]:
    """Yield a model and every layer in it, those of nested models too."""
    yield model
    for layer in getattr(model, "layers", ()):
        yield from _parts(layer)


def _xla_helps(model: Any) -> bool:
    """Tell whether XLA trains this model faster than the plain graph."""
    return all(type(part).__name__ in _XLA_LAYERS for part in _parts(model))


def _signature(model: Any) -> str | None:
    """Describe a model so that equal text means an equal program; None where its configuration cannot tell.

    That is wherever code of somebody else's takes part: then the program is compiled on the model itself.
    """
    import keras

    replaced = any(name in vars(part) for part in (*_parts(model), model.optimizer) for name in _REPLACEABLE)
    with warnings.catch_warnings(record=True) as complaints:  # Keras warns of a lambda
        warnings.simplefilter("always")
        config = keras.saving.serialize_keras_object(model)
    if replaced or complaints or not _is_kerass_own(config):
        return None
    names = {name: f"part_{index}" for index, name in enumerate(_names(config))}
    return json.dumps(_canonical(config, names), sort_keys=True)


def _is_kerass_own(node: Any) -> bool:
    """Tell whether every object in a configuration is of a class or function that Keras brings."""
    if isinstance(node, dict):
        return str(node.get("module", "keras")).startswith("keras") and all(map(_is_kerass_own, node.values()))
    return not isinstance(node, list | tuple) or all(map(_is_kerass_own, node))


def _names(node: Any) -> Iterable[str]:
    """Yield the names in a configuration that Keras counts up (dense, dense_1): layers, models, optimizers."""
    if isinstance(node, dict):
        if (node.get("class_name"), node.get("module")) == ("Sequential", "keras") or node.get("module") in _COUNTED:
            yield node["config"]["name"]
        yield from (name for value in node.values() for name in _names(value))
    elif isinstance(node, list | tuple):
        yield from (name for value in node for name in _names(value))


def _canonical(node: Any, names: dict[str, str]) -> Any:
    """Replace names by numbers and leave out what matters only before training: initializers and seeds."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key != "seed" and not key.endswith("_initializer")}
        return {
            key: names.get(value, value) if key == "name" else _canonical(value, names) for key, value in kept.items()
        }
    if isinstance(node, list | tuple):
        if len(node) == 3 and node[0] in names and isinstance(node[1], int):  # a reference to a layer's output
            return [names[node[0]], *node[1:]]
        return [_canonical(value, names) for value in node]
    return node
