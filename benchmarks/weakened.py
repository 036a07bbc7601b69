"""Healthy and weakened variants of the published recipe, for the study of the recipe gate."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from mnistlab.recipe import PUBLISHED, Pipeline, epoch_order, train

STREAMS = 1_000_000
"""Added to a seed to have other random streams."""


class OtherStreams(Pipeline):
    """Draws initial weights and orders from other streams: seeds do not match."""

    def build(self, seed):
        """Build with another seed."""
        return super().build(seed + STREAMS)

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Train with another seed."""
        return super().fit(model, images, labels, seed=seed + STREAMS, epochs=epochs)


class LessData(Pipeline):
    """Trains on the first part of the training images."""

    share = 1.0

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Leave out the last of the images that would be trained on."""
        count = self.spec.trained_on(len(images))
        kept = int(self.share * count)
        orders = [epoch_order(seed, epoch, kept) for epoch in range(epochs or self.spec.epochs)]
        training, validation = (images[:kept], labels[:kept]), (images[count:], labels[count:])
        return train(model, training, validation, orders, self.spec.batch_size)


class WrongLabels(Pipeline):
    """Gives 1 % of the training labels another digit, drawn anew for every seed."""

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Replace labels by one of the nine others."""
        rng = np.random.default_rng([seed, 99])
        wrong = rng.random(len(labels)) < 0.01
        shift = np.where(wrong, rng.integers(1, 10, len(labels)), 0)
        labels = np.eye(10, dtype=np.float32)[(labels.argmax(axis=1) + shift) % 10]
        return super().fit(model, images, labels, seed=seed, epochs=epochs)


class Rebuilt(Pipeline):
    """Has another hidden activation or learning rate."""

    activation = "relu"
    learning_rate = 0.001

    def build(self, seed):
        """Change the published model's layer and optimizer."""
        import keras

        model = super().build(seed)
        model.layers[1].activation = keras.activations.get(self.activation)
        optimizer = keras.optimizers.Adam(learning_rate=self.learning_rate)
        model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        return model


def _made(kind: type[Pipeline], **attributes: Any) -> Callable[[], Pipeline]:
    return type(kind.__name__, (kind,), attributes)


ONE_THREAD = "healthy, one thread"
STREAMED = "healthy, other streams"
HEALTHY = (ONE_THREAD, STREAMED)
RECIPES: dict[str, Callable[[], Pipeline]] = {
    ONE_THREAD: Pipeline,
    STREAMED: OtherStreams,
    "1 % wrong labels": WrongLabels,
    "4 epochs": _made(Pipeline, spec=dataclasses.replace(PUBLISHED, epochs=4)),
    "batch 64": _made(Pipeline, spec=dataclasses.replace(PUBLISHED, batch_size=64)),
    "tanh": _made(Rebuilt, activation="tanh"),
    "75 % of the data": _made(LessData, share=0.75),
    "95 % of the data": _made(LessData, share=0.95),
    "learning rate 0.002": _made(Rebuilt, learning_rate=0.002),
}
