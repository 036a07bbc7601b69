"""A model of Keras's functional API: two paths through the image, joined.

mnistlab validate --pipeline functional.py:TwoPaths
"""

import keras
from keras import layers

from mnistlab import Layer, Pipeline, Spec, bounds_of


class TwoPaths(Pipeline):
    """One path sees the pixels, the other their means over 4 x 4."""

    spec = Spec(
        layers=(
            Layer("Reshape"),
            Layer("AveragePooling2D"),
            Layer("Flatten"),
            Layer("Flatten"),
            Layer("Dense", 64, "relu", 784 * 64 + 64),
            Layer("Dense", 32, "relu", 49 * 32 + 32),
            Layer("Concatenate"),
            Layer("Dense", 10, "softmax", 96 * 10 + 10),
        ),
        epochs=3,
        batch_size=64,
        bounds=bounds_of({"test accuracy": 0.94, "Brier score": 0.09}),
    )

    def build(self, seed):
        """Build and compile it."""
        keras.utils.set_random_seed(seed)
        image = keras.Input((28, 28))
        coarse = layers.AveragePooling2D(4)(layers.Reshape((28, 28, 1))(image))
        fine = layers.Dense(64, activation="relu")(layers.Flatten()(image))
        coarse = layers.Dense(32, activation="relu")(layers.Flatten()(coarse))
        digits = layers.Dense(10, activation="softmax")(layers.Concatenate()([fine, coarse]))
        model = keras.Model(image, digits)
        model.compile(
            keras.optimizers.Adam(0.001), loss="categorical_crossentropy", metrics=["accuracy"]
        )
        return model
