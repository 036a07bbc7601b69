"""Standardised images, batch normalisation, dropout, and `Model.fit` with early stopping.

mnistlab validate --pipeline normalised.py:Normalised
"""

import keras
import tensorflow as tf
from keras import layers

from mnistlab import Layer, Pipeline, Spec, bounds_of


class Normalised(Pipeline):
    """A dense layer, normalised; half of it dropped in training."""

    spec = Spec(
        layers=(
            Layer("Flatten"),
            Layer("Dense", 128, "linear", 784 * 128),
            Layer("BatchNormalization", parameters=4 * 128, untrained=2 * 128),
            Layer("ReLU"),
            Layer("Dropout"),
            Layer("Dense", 10, "softmax", 128 * 10 + 10),
        ),
        epochs=10,
        batch_size=128,
        validation_split=0.1,
        image_range=(-0.43, 2.83),
        training=("early stopping", "best weights"),
        bounds=bounds_of({"test accuracy": 0.94}),
    )

    def prepare_images(self, images):
        """Scale pixels so that MNIST's have mean 0 and standard deviation 1."""
        return (images.astype("float32") / 255 - 0.1307) / 0.3081

    def build(self, seed):
        """Build and compile it."""
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [
                keras.Input((28, 28)),
                layers.Flatten(),
                layers.Dense(128, use_bias=False),
                layers.BatchNormalization(),
                layers.ReLU(),
                layers.Dropout(0.5),
                layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            keras.optimizers.Adam(0.001), loss="categorical_crossentropy", metrics=["accuracy"]
        )
        return model

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Train; `Model.fit` on arrays would replay one order in every epoch if it is seeded."""
        count = self.spec.trained_on(len(images))
        batches = tf.data.Dataset.from_tensor_slices((images[:count], labels[:count]))
        batches = batches.shuffle(count, seed=seed).batch(self.spec.batch_size)
        held_out = (images[count:], labels[count:])
        stop = keras.callbacks.EarlyStopping(patience=1, restore_best_weights=True)
        return model.fit(
            batches,
            epochs=epochs or self.spec.epochs,
            validation_data=held_out,
            callbacks=[stop],
            shuffle=False,
            verbose=0,
        ).history
