"""Trains a Keras model by its own ``train_step``, with one program an epoch, compiled once."""

import functools
import json
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mnistlab.arrays import Floats
from mnistlab.recipe.model_signature import signature_of

Order: TypeAlias = NDArray[np.int32]
History: TypeAlias = dict[str, Any]

AVERAGING_STRIDE = 10
"""Steps between two samples of the average. Every step would cost 17 % of an epoch, this 2 %."""
EVALUATION_BATCH = 2000
"""Images evaluated at a time; limits the memory that the activations of a convolution take."""
XLA_PAYS_FROM = 1500
"""Steps of training from which XLA's compilation, 0.6 s, saves more time: 0.4 ms a step."""

# XLA runs loops of these layers five times as fast as TensorFlow's plain graph. On a CPU it runs
# convolutions 18 times slower and random numbers (dropout) 3 times: other layers stay plain.
_XLA_LAYERS = """
    Sequential Functional InputLayer Flatten Reshape Dense Activation ReLU LeakyReLU Softmax
    Rescaling Normalization BatchNormalization LayerNormalization Add Concatenate
"""


def epoch_order(seed: int, epoch: int, count: int) -> Order:
    """Return the order in which an epoch visits the images, indices (count,), on every machine."""
    return np.random.default_rng([seed, epoch]).permutation(count).astype(np.int32)


def train(
    model: Any,
    training: tuple[Floats, Floats],
    validation: tuple[Floats, Floats] | None,
    orders: Iterable[Order],
    batch_size: int,
) -> History:
    """Train a compiled Keras classifier in place, one epoch for every order of its indices.

    `training` and `validation` are images and targets. Returns the history of ``Model.fit``, and
    as "averaged_weights" the mean weights of the last epoch, about every `AVERAGING_STRIDE` steps.
    """
    import tensorflow as tf

    if not model.built:
        model.build((None, *training[0].shape[1:]))
    model.optimizer.build(model.trainable_variables)
    orders = list(orders)
    steps = sum(len(order) // batch_size for order in orders)
    trainee, program = _program(model, steps >= XLA_PAYS_FROM and _xla_helps(model))
    _copy_state(model, trainee)
    validation = validation or (training[0][:0], training[1][:0])
    tensors = [tf.constant(part) for part in (*training, *validation)]
    if not program.experimental_get_tracing_count():
        # Creates the variables of the metrics. A program that creates them is traced twice.
        trainee.test_step((tensors[0][:1], tensors[1][:1]))
    history: History = {"averaged_weights": model.get_weights()}
    for order in orders:
        logs, averaged = program(*tensors, tf.constant(order), batch_size)
        for key, value in logs.items():
            history.setdefault(key, []).append(float(value))
        history["averaged_weights"] = [array.numpy() for array in averaged]
    trainee.optimizer.finalize_variable_values(trainee.trainable_variables)
    _copy_state(trainee, model)
    return history


def _program(model: Any, xla: bool) -> tuple[Any, Any]:
    """Return the model that stands in for a model, or itself, and the program that trains it."""
    signature = signature_of(model)
    return (signature and _shared_program(signature, xla)) or (model, _compile(model, xla))


@functools.lru_cache(maxsize=16)
def _shared_program(signature: str, xla: bool) -> tuple[Any, Any] | None:
    """Build a model from its signature, and its program; None if the model comes out different."""
    import keras

    model = keras.saving.deserialize_keras_object(json.loads(signature)["model"])
    model.optimizer.build(model.trainable_variables)
    return (model, _compile(model, xla)) if signature_of(model) == signature else None


def _compile(model: Any, xla: bool) -> Any:
    """Make the program that trains a model for one epoch. Its first call compiles it."""
    import tensorflow as tf

    sums = [tf.Variable(tf.zeros(weight.shape, weight.dtype)) for weight in model.weights]

    def add_weights() -> None:
        for total, weight in zip(sums, model.weights, strict=True):
            total.assign_add(weight.value)

    def epoch(
        images: Any, targets: Any, val_images: Any, val_targets: Any, order: Any, batch_size: int
    ) -> Any:
        steps, rest = divmod(order.shape[0], batch_size)
        # XLA needs loops of a fixed length, so the stride must divide the steps.
        stride = max(n for n in range(1, AVERAGING_STRIDE + 1) if steps % n == 0)
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
            metrics = _evaluate(model, val_images, val_targets)
            logs |= {f"val_{key}": value for key, value in metrics.items()}
        return logs, [total / (steps // stride + (rest > 0)) for total in sums]

    return tf.function(epoch, jit_compile=xla)


def _evaluate(model: Any, images: Any, targets: Any) -> Any:
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
    """Copy weights, random states and the optimizer's state to a model of the same architecture."""
    states = ([*model.variables, *model.optimizer.variables] for model in (source, target))
    for value, variable in zip(*states, strict=True):
        variable.assign(value.value)


def _xla_helps(model: Any) -> bool:
    return all(type(layer).__name__ in _XLA_LAYERS.split() for layer in model._flatten_layers())
