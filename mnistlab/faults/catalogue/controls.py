"""Healthy controls: the published recipe, written as somebody else would write it."""

import functools
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mnistlab.faults.catalogue.registry import control
from mnistlab.faults.catalogue.training_steps import Array, Pair, TrainingSteps, joined
from mnistlab.recipe import CLASSES, History, Pipeline, train


@control("keras-fit")
class KerasFit(Pipeline):
    """Trained by Keras's own loop over tf.data, which shuffles for every epoch."""

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> History:
        import tensorflow as tf

        count = math.floor(len(images) * (1 - self.spec.validation_split))
        size = self.spec.batch_size
        pixels, digits = tf.constant(images[:count]), tf.constant(labels[:count])
        order = tf.data.Dataset.range(count).shuffle(count, seed=seed).batch(size)
        options = tf.data.Options()
        options.threading.private_threadpool_size = (
            1  # beside the one that trains: more wait for each other
        )
        options.autotune.enabled = False
        batches = order.map(
            lambda batch: (tf.gather(pixels, batch), tf.gather(digits, batch))
        ).with_options(options)
        model.steps_per_execution = min(math.ceil(count / size), 500)
        rounds = self.spec.epochs if epochs is None else epochs
        held_out = (images[count:], labels[count:])
        history = model.fit(
            batches,
            epochs=rounds,
            validation_data=held_out,
            validation_batch_size=2000,
            shuffle=False,
            verbose=0,
        )
        found: History = history.history
        return found


@control("functional-api")
class Functional(Pipeline):
    """Built by Keras's functional API, with an activation by its function."""

    def build(self, seed: int) -> Any:
        import keras

        first, second = (int(state) for state in np.random.SeedSequence(seed).generate_state(2))
        glorot = keras.initializers.GlorotUniform
        image = keras.Input((28, 28))
        pixels = keras.layers.Flatten()(image)
        hidden = keras.layers.Dense(128, keras.activations.relu, kernel_initializer=glorot(first))(
            pixels
        )
        output = keras.layers.Dense(
            CLASSES, keras.activations.softmax, kernel_initializer=glorot(second)
        )(hidden)
        model = keras.Model(image, output)
        model.compile(
            keras.optimizers.Adam(self.spec.learning_rate),
            self.spec.loss,
            metrics=[self.spec.metric],
        )
        return model


@control("layers-added-one-by-one")
class Added(Pipeline):
    """Built by Sequential.add, the seed set for all of Keras, the input's shape a layer of its own."""

    def build(self, seed: int) -> Any:
        import keras

        keras.utils.set_random_seed(seed % 2**32)
        model = keras.Sequential(name="digits")
        model.add(keras.layers.InputLayer(shape=(28, 28)))
        model.add(keras.layers.Flatten(name="pixels"))
        model.add(keras.layers.Dense(128, activation="relu", name="hidden"))
        model.add(keras.layers.Dense(CLASSES, activation="softmax", name="digit"))
        model.compile("adam", self.spec.loss, metrics=[self.spec.metric])
        return model


@control("adam-with-explicit-defaults")
class ExplicitAdam(Pipeline):
    """Adam's settings are written out, and loss and metric are objects with names of their own."""

    def build(self, seed: int) -> Any:
        import keras

        model = super().build(seed)
        adam = keras.optimizers.Adam(
            self.spec.learning_rate, beta_1=0.9, beta_2=0.999, epsilon=1e-7, amsgrad=False
        )
        loss = keras.losses.CategoricalCrossentropy(name="cross_entropy")
        model.compile(adam, loss, metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")])
        return model


@control("divergence-as-loss")
class Divergence(Pipeline):
    """Kullback and Leibler's divergence: of a one-hot label, whose entropy is 0, it is the cross-entropy."""

    def build(self, seed: int) -> Any:
        model = super().build(seed)
        model.compile(model.optimizer, "kl_divergence", metrics=[self.spec.metric])
        return model


@control("scaled-by-a-table")
class ScaledByTable(Pipeline):
    """Multiplied by the reciprocal, once for each grey level, and looked up."""

    def prepare_images(self, images: Array) -> Array:
        super().prepare_images(images[:1])  # for its checks
        table = np.arange(256, dtype=np.float32) * np.float32(1 / 255)
        scaled: Array = np.minimum(table, 1)[images]
        return scaled


@control("labels-by-keras")
class LabelsByKeras(Pipeline):
    """One-hot by keras.utils.to_categorical."""

    def prepare_labels(self, labels: Array) -> Array:
        import keras

        super().prepare_labels(labels)  # for its checks
        return np.asarray(keras.utils.to_categorical(labels, CLASSES), dtype=np.float32)


@control("other-batch-for-prediction")
class Predicts250(Pipeline):
    """Predicts 250 images at a time."""

    def predict(self, model: Any, images: Array) -> Array:
        import tensorflow as tf

        parts = [images[start : start + 250] for start in range(0, max(len(images), 1), 250)]
        return np.concatenate(
            [np.asarray(model(tf.constant(part), training=False)) for part in parts]
        )


@control("predicted-by-keras")
class PredictedByKeras(Pipeline):
    """Predicts by Model.predict."""

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
    """Predicts parts of the images side by side, on four threads."""

    def predict(self, model: Any, images: Array) -> Array:
        with ThreadPoolExecutor(4) as executor:
            predict = functools.partial(super().predict, model)
            return np.concatenate(list(executor.map(predict, np.array_split(images, 4))))


@control("batches-made-on-four-threads")
class BatchesOnFourThreads(TrainingSteps):
    """The shuffled images are looked up by four threads of tf.data's own, with two threads an operation."""

    # The threads that compute are counted once a process, before its first operation: a pipeline cannot change them.
    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        in_place = np.arange(len(training[0]), dtype=np.int32)
        epochs = (self.shuffled(training, order) for order in orders)
        return joined([train(model, epoch, validation, [in_place], size) for epoch in epochs])

    def shuffled(self, training: Pair, order: Array) -> Pair:
        """Return images and labels in an order."""
        import tensorflow as tf

        options = tf.data.Options()
        options.threading.private_threadpool_size = 4
        options.threading.max_intra_op_parallelism = 2
        pixels, digits = (tf.constant(rows) for rows in training)
        places = tf.data.Dataset.from_tensor_slices(order).batch(500)
        parts = places.map(
            lambda part: (tf.gather(pixels, part), tf.gather(digits, part)), num_parallel_calls=4
        )
        images, labels = zip(*parts.with_options(options).as_numpy_iterator(), strict=True)
        return np.concatenate(images), np.concatenate(labels)
