"""The published training in parts, of which a fault changes one."""

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.data import load_dataset
from mnistlab.recipe import History, Pipeline, epoch_order, train

Array = NDArray[Any]
Pair = tuple[Array, Array]


class TrainingSteps(Pipeline):
    """The published recipe; its ``fit`` is the same, written so that each part can be another."""

    def rounds(self, epochs: int | None) -> int:
        """Return how many epochs to train."""
        return self.spec.epochs if epochs is None else epochs

    def held_out(self, images: Array, labels: Array, count: int) -> Pair:
        """Return what is validated on; `count` is how many images are trained on."""
        return images[count:], labels[count:]

    def images(self, images: Array) -> Array:
        """Return the images that are trained on, given the part before the one held out."""
        return images

    def labels(self, labels: Array) -> Array:
        """Return the labels that are trained on, in the same way."""
        return labels

    def trained_on(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        """Return what is trained on, in the same way."""
        return self.images(images), self.labels(labels)

    def order(self, seed: int, epoch: int, count: int) -> Array:
        """Return the order of an epoch."""
        return epoch_order(seed, epoch, count)

    def size(self, count: int) -> int:
        """Return the images a step, of `count` to train on."""
        return self.spec.batch_size

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        """Train, and return the history."""
        return train(model, training, validation, orders, size)

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> History:
        """Train as published, part by part."""
        count = math.floor(len(images) * (1 - self.spec.validation_split))
        training = self.trained_on(images[:count], labels[:count], np.random.default_rng([seed, 1]))
        validation = self.held_out(images, labels, count)
        trained = len(training[0])
        orders = [self.order(seed, epoch, trained) for epoch in range(self.rounds(epochs))]
        return self.run(model, training, validation, orders, self.size(trained))


def joined(parts: list[History]) -> History:
    """Make one history of those of epochs that were trained one by one."""
    history = {key: [value for part in parts for value in part[key]] for key in parts[0]}
    return {**history, "averaged_weights": parts[-1]["averaged_weights"]}


def test_set(pipeline: Pipeline) -> Pair:
    """Return the test images and labels, which no training should see, prepared."""
    found = _dataset(pipeline.spec.dataset)
    return pipeline.prepare_images(found.test_images), pipeline.prepare_labels(found.test_labels)


_dataset = functools.cache(load_dataset)  # until the next trial imports this module anew
