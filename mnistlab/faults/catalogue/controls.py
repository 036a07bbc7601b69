"""Healthy controls: the published recipe, written as another person might write it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, Array
from mnistlab.faults.catalogue.architecture import _ModelInParts
from mnistlab.faults.catalogue.registry import PUBLISHED, variant
from mnistlab.faults.catalogue.training_steps import Pair, TrainingPlan, TrainingSteps, joined
from mnistlab.recipe import History, epoch_order

ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}


class _Control(TrainingSteps, _ModelInParts):
    """The published recipe in parts, any of which another one can stand in for."""


def _looked_up(training: Pair, order: Any, threads: int) -> Any:
    """Look images and labels up by batches of indices, on threads of tf.data."""
    import tensorflow as tf

    # TensorFlow fixes the number of its own threads at a process's first operation,
    # so that a pipeline can only choose those of tf.data.
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    options.threading.max_intra_op_parallelism = min(threads, 2)
    options.autotune.enabled = False
    pixels, digits = (tf.constant(rows) for rows in training)
    pairs = order.map(lambda part: (tf.gather(pixels, part), tf.gather(digits, part)), threads)
    return pairs.with_options(options)


def _fitted_by_keras(model: Any, plan: TrainingPlan) -> History:
    import tensorflow as tf

    count, size = len(plan.training[0]), plan.batch_size
    order = tf.data.Dataset.range(count).shuffle(count, seed=plan.seed).batch(size)
    model.steps_per_execution = min(-(-count // size), 500)
    history: History = model.fit(
        _looked_up(plan.training, order, 1),  # more threads would wait for the one that trains
        epochs=len(plan.orders),
        validation_data=plan.validation,
        validation_batch_size=2000,
        shuffle=False,
        verbose=0,
    ).history
    return history


def _shuffled_on_four_threads(training: Pair, order: Array) -> Pair:
    import tensorflow as tf

    parts = tf.data.Dataset.from_tensor_slices(order).batch(500)
    images, labels = zip(*_looked_up(training, parts, 4).as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _trained_on_shuffled(model: Any, plan: TrainingPlan) -> History:
    in_place = [np.arange(len(plan.training[0]), dtype=np.int32)]
    shuffled = (_shuffled_on_four_threads(plan.training, order) for order in plan.orders)
    return joined([replace(plan, training=it, orders=in_place).train(model) for it in shuffled])


def _functional(seed: int) -> Any:
    import keras

    states = np.random.SeedSequence(seed).generate_state(2)
    first, second = (keras.initializers.GlorotUniform(int(state)) for state in states)
    relu, softmax = keras.activations.relu, keras.activations.softmax
    image = keras.Input(IMAGE_SHAPE)
    pixels = keras.layers.Flatten()(image)
    hidden = keras.layers.Dense(128, relu, kernel_initializer=first)(pixels)
    output = keras.layers.Dense(CLASSES, softmax, kernel_initializer=second)(hidden)
    return _compiled(keras.Model(image, output))


def _added_one_by_one(seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed % 2**32)
    model = keras.Sequential(name="digits")
    model.add(keras.layers.InputLayer(shape=IMAGE_SHAPE))
    model.add(keras.layers.Flatten(name="pixels"))
    model.add(keras.layers.Dense(128, activation="relu", name="hidden"))
    model.add(keras.layers.Dense(CLASSES, activation="softmax", name="digit"))
    return _compiled(model)


def _compiled(model: Any) -> Any:
    model.compile("adam", PUBLISHED.spec.loss, metrics=[PUBLISHED.spec.metric])
    return model


def _scaled_by_a_table(images: Array) -> Array:
    PUBLISHED.prepare_images(images[:1])  # raises for images of another type or shape
    table = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
    scaled: Array = np.minimum(table, 1)[images]
    return scaled


def _encoded_by_keras(labels: Array) -> Array:
    import keras

    PUBLISHED.prepare_labels(labels)  # raises for labels of another type or range
    return np.asarray(keras.utils.to_categorical(labels, CLASSES), dtype=np.float32)


def _predicted_in_threads(model: Any, images: Array) -> Array:
    with ThreadPoolExecutor(4) as executor:
        parts = np.array_split(images, 4)
        return np.concatenate(list(executor.map(lambda x: PUBLISHED.predict(model, x), parts)))


# fmt: off
add = partial(variant, __name__, _Control)
add("keras-fit", "Trained by Keras's own loop over tf.data, which shuffles before every epoch.",
    run=_fitted_by_keras)
add("batches-made-on-four-threads",
    "Four threads of tf.data look up the shuffled images, with two threads per operation.",
    run=_trained_on_shuffled)
add("other-seeds", "Initial weights and orders are drawn from other seeds.",
    build=lambda seed: PUBLISHED.build(seed + 7_000_000),
    order=lambda seed, epoch, count: epoch_order(seed + 7_000_000, epoch, count))
add("adam-with-explicit-defaults",
    "Adam's settings are written out; loss and metric are objects with their own names.",
    settings=ADAM, loss=("CategoricalCrossentropy", {"name": "cross_entropy"}),
    metric=("CategoricalAccuracy", {"name": "accuracy"}))
add("divergence-as-loss",
    "The loss is the Kullback-Leibler divergence: for one-hot labels, the cross-entropy.",
    loss="kl_divergence")
add("functional-api", "Built with Keras's functional API; activations are given as functions.",
    build=_functional)
add("layers-added-one-by-one",
    "Built with Sequential.add; the seed is set for all of Keras, the input is a layer.",
    build=_added_one_by_one)
add("scaled-by-a-table",
    "Each grey level is scaled once, in a table, by multiplying with the reciprocal of 255.",
    prepare_images=_scaled_by_a_table)
add("labels-by-keras", "Labels are encoded by keras.utils.to_categorical.",
    prepare_labels=_encoded_by_keras)
add("other-batch-for-prediction", "Images are predicted 250 at a time.",
    predict=lambda model, x: np.concatenate([
        PUBLISHED.predict(model, x[i : i + 250]) for i in range(0, max(len(x), 1), 250)]))
add("predicted-by-keras", "Images are predicted by Model.predict.",
    predict=lambda model, x: np.asarray(model.predict(x, batch_size=2000, verbose=0)))
add("predicted-on-four-threads", "Four threads predict a quarter of the images each.",
    predict=_predicted_in_threads)
# fmt: on
