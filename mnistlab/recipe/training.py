"""Trains a compiled Keras model: one compiled program an epoch, and one compilation an architecture.

The program runs the model's own ``train_step``, so optimizer, loss, regularisation and metrics are Keras's,
not a copy of them. What it saves is all that ``Model.fit`` does between two steps.
"""

import functools
import json
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.recipe.model_signature import signature_of

Arrays = tuple[NDArray[np.float32], NDArray[np.float32]]
History = dict[str, Any]

AVERAGING_STRIDE = 10
"""Steps between two samples of the average: every step would cost 17 % of an epoch, every tenth 2 %."""

EVALUATION_BATCH = 2000
"""Images evaluated at a time; bounds the memory that the activations of a convolution take."""

XLA_PAYS_FROM = 1500
"""Steps of a training from which XLA's compilation (0.6 s) costs less than it saves (0.4 ms a step)."""

# XLA compiles loops of these into one program, five times as fast as the plain graph. Convolutions in an XLA loop
# are 18 times slower than the plain graph on a CPU, random numbers (dropout) 3 times: all else stays plain.
_XLA_LAYERS = (
    *(
        "Sequential",
        "Functional",
        "InputLayer",
        "Flatten",
        "Reshape",
        "Dense",
        "Activation",
        "ReLU",
        "LeakyReLU",
    ),
    *(
        "Softmax",
        "Rescaling",
        "Normalization",
        "BatchNormalization",
        "LayerNormalization",
        "Add",
        "Concatenate",
    ),
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
        model.build((None, *training[0].shape[1:]))
    model.optimizer.build(model.trainable_variables)
    orders = list(orders)
    steps = sum(len(order) // batch_size for order in orders)
    subject, program = _program(model, steps >= XLA_PAYS_FROM and _xla_helps(model))
    _copy_state(model, subject)
    validation = validation or (training[0][:0], training[1][:0])
    tensors = [tf.constant(part) for part in (*training, *validation)]
    if not program.experimental_get_tracing_count():
        subject.test_step(
            (tensors[0][:1], tensors[1][:1])
        )  # makes the metrics' variables, else a second trace does
    history: History = {"averaged_weights": model.get_weights()}
    for order in orders:
        logs, averaged = program(*tensors, tf.constant(order), batch_size)
        for key, value in logs.items():
            history.setdefault(key, []).append(float(value))
        history["averaged_weights"] = [array.numpy() for array in averaged]
    subject.optimizer.finalize_variable_values(subject.trainable_variables)
    _copy_state(subject, model)
    return history


def _program(model: Any, xla: bool) -> tuple[Any, Any]:
    """Return the model that a compiled program trains, and the program: shared by all of one architecture."""
    signature = signature_of(model)
    return (signature and _twin(signature, xla)) or (model, _compile(model, xla))


@functools.lru_cache(maxsize=16)
def _twin(signature: str, xla: bool) -> tuple[Any, Any] | None:
    """Build the model that a signature describes and the program that trains it; None if it is not the same."""
    import keras

    model = keras.saving.deserialize_keras_object(json.loads(signature)["model"])
    model.optimizer.build(model.trainable_variables)
    return (model, _compile(model, xla)) if signature_of(model) == signature else None


def _compile(model: Any, xla: bool) -> Any:
    """Make the program that trains a model for one epoch; it is compiled at its first call."""
    import tensorflow as tf

    sums = [tf.Variable(tf.zeros(weight.shape, weight.dtype)) for weight in model.weights]

    def add_weights() -> None:
        for total, weight in zip(sums, model.weights, strict=True):
            total.assign_add(weight.value)

    def epoch(
        images: Any, targets: Any, val_images: Any, val_targets: Any, order: Any, batch_size: int
    ) -> Any:
        steps, rest = divmod(order.shape[0], batch_size)
        stride = max(
            n for n in range(1, AVERAGING_STRIDE + 1) if steps % n == 0
        )  # XLA wants loops of fixed length
        batches = tf.reshape(order[: steps * batch_size], (steps, batch_size))
        model.reset_metrics()
        for total in sums:
            total.assign(tf.zeros_like(total))
        for block in tf.range(steps // stride) if steps else ():
            for step in tf.range(stride):
                batch = batches[block * stride + step]
                model.train_step((tf.gather(images, batch), tf.gather(targets, batch)))
            add_weights()
        if rest:
            model.train_step((tf.gather(images, order[-rest:]), tf.gather(targets, order[-rest:])))
            add_weights()
        logs = dict(model.get_metrics_result())
        if val_images.shape[0]:
            logs |= {
                f"val_{key}": value
                for key, value in _evaluate(model, val_images, val_targets).items()
            }
        return logs, [total / (steps // stride + (rest > 0)) for total in sums]

    return tf.function(epoch, jit_compile=xla)


def _evaluate(model: Any, images: Any, targets: Any) -> Any:
    """Measure a model's metrics inside a program."""
    import tensorflow as tf

    model.reset_metrics()
    blocks, rest = divmod(images.shape[0], EVALUATION_BATCH)
    for block in tf.range(blocks) if blocks else ():
        batch = tf.range(EVALUATION_BATCH) + block * EVALUATION_BATCH
        model.test_step((tf.gather(images, batch), tf.gather(targets, batch)))
    if rest:
        model.test_step((images[-rest:], targets[-rest:]))
    return model.get_metrics_result()


def _copy_state(source: Any, target: Any) -> None:
    """Copy weights, random states and the optimizer's state between two models of one architecture."""
    values, variables = (
        [*model.variables, *model.optimizer.variables] for model in (source, target)
    )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value.value)


def _xla_helps(model: Any) -> bool:
    """Tell whether XLA trains this model faster than the plain graph."""
    return all(type(layer).__name__ in _XLA_LAYERS for layer in model._flatten_layers())
