"""The published training, divided into steps so that a fault can replace exactly one."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from mnistlab.arrays import Array
from mnistlab.data import load_dataset
from mnistlab.recipe import History, Pipeline, epoch_order, train

Pair: TypeAlias = tuple[Array, Array]
"""Prepared images and their one-hot labels."""


@dataclass(frozen=True, eq=False)
class TrainingPlan:
    """Everything that one training reads, and in which order."""

    training: Pair
    validation: Pair
    orders: list[Array]  # for each epoch, the indices of the training images
    batch_size: int
    seed: int

    def train(self, model: Any) -> History:
        """Train a model as published, in these orders."""
        return train(model, self.training, self.validation, self.orders, self.batch_size)

    def by_epoch(self) -> list["TrainingPlan"]:
        """Return a plan for every epoch."""
        return [replace(self, orders=[order]) for order in self.orders]


class TrainingSteps(Pipeline):
    """The published recipe, whose ``fit`` is divided into methods that a fault can override."""

    images = labels = staticmethod(np.asarray)  # change the training part
    batch_factor = 1.0  # batches have a multiple of the specified size
    before = staticmethod(id)  # changes the model before it is trained
    after: Callable[[History, Any], History] = staticmethod(lambda history, model: history)

    def epochs(self, requested: int | None) -> int:
        return self.spec.epochs if requested is None else requested

    def split(self, images: Array, labels: Array) -> tuple[Pair, Pair]:
        count = self.spec.trained_on(len(images))
        return (images[:count], labels[:count]), (images[count:], labels[count:])

    def training_data(self, images: Array, labels: Array, rng: np.random.Generator) -> Pair:
        return self.images(images), self.labels(labels)

    def test_set(self) -> Pair:
        """Return the prepared test images and labels, which no training should see."""
        dataset = _dataset(self.spec.dataset)
        return self.prepare_images(dataset.test_images), self.prepare_labels(dataset.test_labels)

    def order(self, seed: int, epoch: int, count: int) -> Array:
        return epoch_order(seed, epoch, count)

    def run(self, model: Any, plan: TrainingPlan) -> History:
        self.before(model)
        return self.after(plan.train(model), model)

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> History:
        training, validation = self.split(images, labels)
        training = self.training_data(*training, np.random.default_rng([seed, 1]))
        count = len(training[0])
        orders = [self.order(seed, epoch, count) for epoch in range(self.epochs(epochs))]
        size = int(min(self.batch_factor * self.spec.batch_size, count))
        return self.run(model, TrainingPlan(training, validation, orders, size, seed))


def joined(histories: list[History]) -> History:
    """Join the histories of epochs that were trained one by one."""
    keys = histories[0]
    history = {key: [value for part in histories for value in part[key]] for key in keys}
    return {**history, "averaged_weights": histories[-1]["averaged_weights"]}


_dataset = functools.cache(load_dataset)  # the next trial imports this module afresh
