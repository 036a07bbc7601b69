"""The small convolutional network of the Keras documentation, trained for 2 epochs in place of 15.

mnistlab validate --pipeline convnet.py:Convnet
"""

import keras
from keras import layers

from mnistlab import Layer, Pipeline, Spec, bounds_of


class Convnet(Pipeline):
    """Two convolutions with pooling, then dropout. The inherited `fit` trains it."""

    spec = Spec(
        layers=(
            Layer("Reshape"),
            Layer("Conv2D", 32, "relu", 320),
            Layer("MaxPooling2D"),
            Layer("Conv2D", 64, "relu", 18496),
            Layer("MaxPooling2D"),
            Layer("Flatten"),
            Layer("Dropout"),
            Layer("Dense", 10, "softmax", 16010),
        ),
        epochs=2,
        batch_size=128,
        validation_split=0.1,
        bounds=bounds_of({"test accuracy": 0.97, "mean accuracy under corruption": 0.75}),
    )

    def build(self, seed):
        """Build and compile it; one seed decides the initial weights and what dropout drops."""
        keras.utils.set_random_seed(seed)
        model = keras.Sequential(
            [
                keras.Input((28, 28)),
                layers.Reshape((28, 28, 1)),
                layers.Conv2D(32, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(64, 3, activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dropout(0.5),
                layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            keras.optimizers.Adam(0.001), loss="categorical_crossentropy", metrics=["accuracy"]
        )
        return model
