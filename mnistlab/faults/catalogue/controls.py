"""Healthy controls: the published recipe, written as another person might write it."""

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, Array
from mnistlab.faults.catalogue.registry import control
from mnistlab.faults.catalogue.training_steps import Pair, TrainingPlan, TrainingSteps, joined
from mnistlab.recipe import History, Pipeline, train


@control("keras-fit")
class KerasFit(TrainingSteps):
    """Trained by Keras's own loop over tf.data, which shuffles before every epoch."""

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> History:
        import tensorflow as tf

        training, validation = self.split(images, labels)
        count, size = len(training[0]), self.spec.batch_size
        pixels, digits = (tf.constant(rows) for rows in training)
        order = tf.data.Dataset.range(count).shuffle(count, seed=seed).batch(size)
        options = tf.data.Options()
        # One thread besides the one that trains: more would wait for each other.
        options.threading.private_threadpool_size = 1
        options.autotune.enabled = False
        batches = order.map(lambda batch: (tf.gather(pixels, batch), tf.gather(digits, batch)))
        model.steps_per_execution = min(-(-count // size), 500)
        history: History = model.fit(
            batches.with_options(options),
            epochs=self.epochs(epochs),
            validation_data=validation,
            validation_batch_size=2000,
            shuffle=False,
            verbose=0,
        ).history
        return history


@control("functional-api")
class Functional(Pipeline):
    """Built with Keras's functional API; activations are given as functions."""

    def build(self, seed: int) -> Any:
        import keras

        states = (int(state) for state in np.random.SeedSequence(seed).generate_state(2))
        first, second = (keras.initializers.GlorotUniform(state) for state in states)
        relu, softmax = keras.activations.relu, keras.activations.softmax
        image = keras.Input(IMAGE_SHAPE)
        pixels = keras.layers.Flatten()(image)
        hidden = keras.layers.Dense(128, relu, kernel_initializer=first)(pixels)
        output = keras.layers.Dense(CLASSES, softmax, kernel_initializer=second)(hidden)
        model = keras.Model(image, output)
        adam = keras.optimizers.Adam(self.spec.learning_rate)
        model.compile(adam, self.spec.loss, metrics=[self.spec.metric])
        return model


@control("layers-added-one-by-one")
class Added(Pipeline):
    """Built with Sequential.add; the seed is set for all of Keras, the input is a layer."""

    def build(self, seed: int) -> Any:
        import keras

        keras.utils.set_random_seed(seed % 2**32)
        model = keras.Sequential(name="digits")
        model.add(keras.layers.InputLayer(shape=IMAGE_SHAPE))
        model.add(keras.layers.Flatten(name="pixels"))
        model.add(keras.layers.Dense(128, activation="relu", name="hidden"))
        model.add(keras.layers.Dense(CLASSES, activation="softmax", name="digit"))
        model.compile("adam", self.spec.loss, metrics=[self.spec.metric])
        return model


@control("adam-with-explicit-defaults")
class ExplicitAdam(Pipeline):
    """Adam's settings are written out; loss and metric are objects with their own names."""

    def build(self, seed: int) -> Any:
        import keras

        model = super().build(seed)
        defaults = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}
        adam = keras.optimizers.Adam(self.spec.learning_rate, **defaults)
        loss = keras.losses.CategoricalCrossentropy(name="cross_entropy")
        model.compile(adam, loss, metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")])
        return model


@control("divergence-as-loss")
class Divergence(Pipeline):
    """The loss is the Kullback-Leibler divergence: for one-hot labels, the cross-entropy."""

    def build(self, seed: int) -> Any:
        model = super().build(seed)
        model.compile(model.optimizer, "kl_divergence", metrics=[self.spec.metric])
        return model


@control("scaled-by-a-table")
class ScaledByTable(Pipeline):
    """Each grey level is scaled once, in a table, by multiplying with the reciprocal of 255."""

    def prepare_images(self, images: Array) -> Array:
        super().prepare_images(images[:1])  # raises for images of another type or shape
        table = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
        scaled: Array = np.minimum(table, 1)[images]
        return scaled


@control("labels-by-keras")
class LabelsByKeras(Pipeline):
    """Labels are encoded by keras.utils.to_categorical."""

    def prepare_labels(self, labels: Array) -> Array:
        import keras

        super().prepare_labels(labels)  # raises for labels of another type or range
        return np.asarray(keras.utils.to_categorical(labels, CLASSES), dtype=np.float32)


@control("other-batch-for-prediction")
class Predicts250(Pipeline):
    """Images are predicted 250 at a time."""

    def predict(self, model: Any, images: Array) -> Array:
        import tensorflow as tf

        starts = range(0, max(len(images), 1), 250)
        parts = (tf.constant(images[start : start + 250]) for start in starts)
        return np.concatenate([np.asarray(model(part, training=False)) for part in parts])


@control("predicted-by-keras")
class PredictedByKeras(Pipeline):
    """Images are predicted by Model.predict."""

    def predict(self, model: Any, images: Array) -> Array:
        return np.asarray(model.predict(images, batch_size=2000, verbose=0))


@control("other-seeds")
class OtherSeeds(TrainingSteps):
    """Initial weights and orders are drawn from other seeds."""

    def build(self, seed: int) -> Any:
        return super().build(seed + 7_000_000)

    def order(self, seed: int, epoch: int, count: int) -> Array:
        return np.random.default_rng([7, epoch, seed]).permutation(count).astype(np.int32)


@control("predicted-on-four-threads")
class PredictedInThreads(Pipeline):
    """Four threads predict a quarter of the images each."""

    def predict(self, model: Any, images: Array) -> Array:
        with ThreadPoolExecutor(4) as executor:
            predict = functools.partial(super().predict, model)
            return np.concatenate(list(executor.map(predict, np.array_split(images, 4))))


@control("batches-made-on-four-threads")
class BatchesOnFourThreads(TrainingSteps):
    """Four threads of tf.data look up the shuffled images, with two threads per operation."""

    # TensorFlow fixes the number of its own threads at a process's first operation,
    # so that a pipeline can only choose those of tf.data.
    def run(self, model: Any, plan: TrainingPlan) -> History:
        in_place = [np.arange(len(plan.training[0]), dtype=np.int32)]
        epochs = (self.shuffled(plan.training, order) for order in plan.orders)
        settings = plan.validation, in_place, plan.batch_size
        return joined([train(model, epoch, *settings) for epoch in epochs])

    def shuffled(self, training: Pair, order: Array) -> Pair:
        """Return images and labels in an order."""
        import tensorflow as tf

        options = tf.data.Options()
        options.threading.private_threadpool_size = 4
        options.threading.max_intra_op_parallelism = 2
        pixels, digits = (tf.constant(rows) for rows in training)

        def gather(part: Any) -> tuple[Any, Any]:
            return tf.gather(pixels, part), tf.gather(digits, part)

        places = tf.data.Dataset.from_tensor_slices(order).batch(500)
        parts = places.map(gather, num_parallel_calls=4).with_options(options)
        images, labels = zip(*parts.as_numpy_iterator(), strict=True)
        return np.concatenate(images), np.concatenate(labels)
