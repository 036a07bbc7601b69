"""Healthy strangers: right in another way than the published recipe. None of them may fail."""

import functools
from typing import Any

import numpy as np
from strangers_base import (
    EPOCHS,
    Bare,
    EpochByEpoch,
    KeepsBest,
    Pair,
    Recipe,
    promise,
    softmax,
    stranger,
)

from mnistlab import Layer
from mnistlab.arrays import Floats
from mnistlab.recipe import History, epoch_order

healthy = functools.partial(stranger, "healthy")
NO_REFUSAL = {"refuses_wrong_input": False}


@healthy("preparation")
class Standardised(Recipe):
    """Images are standardised with the training set's mean and deviation, and that is promised."""

    name = "standardised"
    spec = promise(image_range=(-0.43, 2.83), **NO_REFUSAL)

    def prepare_images(self, images: Any) -> Floats:
        return (np.asarray(images, dtype=np.float32) / 255 - np.float32(0.1307)) / 0.3081


@healthy("preparation")
class CentredOnZero(Recipe):
    """Images are scaled to -0.5..0.5, and that is promised."""

    name = "centred-on-zero"
    spec = promise(image_range=(-0.5, 0.5), **NO_REFUSAL)

    def prepare_images(self, images: Any) -> Floats:
        return np.asarray(images, dtype=np.float32) / 255 - np.float32(0.5)


@healthy("loss")
class SparseLabels(Recipe):
    """Training uses digits as labels, with the loss that takes them."""

    name = "sparse-labels"
    spec = promise(loss="sparse_categorical_crossentropy")

    def build(self, seed: int) -> Any:
        return self.compiled(self.network(seed), loss="sparse_categorical_crossentropy")

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        pairs = ((images, labels.argmax(1)) for images, labels in (training, held_out))
        return super().run(model, *pairs, orders)


@healthy("loss")
class LossOfLogits(Recipe):
    """The model ends in logits, the loss takes logits, and predict applies the softmax."""

    name = "loss-of-logits"
    spec = promise(
        layers=(Layer("Flatten"), Layer("Dense", 128, "relu"), Layer("Dense", 10, "linear")),
        loss=None,
    )

    def build(self, seed: int) -> Any:
        import keras

        layers = self.network(seed)
        layers[3].activation = keras.activations.linear
        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        return self.compiled(layers, loss=loss)

    def predict(self, model: Any, images: Floats) -> Floats:
        return softmax(super().predict(model, images))


@healthy("framework")
class BareHealthy(Bare):
    """A network in NumPy, used like a PyTorch module."""


@healthy("training")
class Augmented(EpochByEpoch):
    """Training images are shifted by up to a pixel, anew in every epoch, and that is promised."""

    name = "augmented"
    spec = promise(training=("augmentation",))

    def run(self, model: Any, training: Pair, held_out: Pair, orders: list[Any]) -> History:
        images, labels = training
        history: History = {}
        for order in orders:
            shifts = np.random.default_rng(order).integers(-1, 2, len(images))
            shifted = np.stack(
                [np.roll(image, s, axis=1) for image, s in zip(images, shifts, strict=True)]
            )
            part = Recipe.run(self, model, (shifted, labels), held_out, [order])
            history["averaged_weights"] = part.pop("averaged_weights")
            for key, values in part.items():
                history[key] = [*history.get(key, []), *values]
        return history


@healthy("training")
class StopsEarly(KeepsBest):
    """Training stops after four epochs without a better validation loss, and restores the best."""

    name = "stops-early"
    spec = promise(training=("early stopping", "best weights"))

    def after(self, model: Any, history: History, epoch: int) -> bool:
        super().after(model, history, epoch)
        losses = history["val_loss"]
        return len(losses) - int(np.argmin(losses)) < 5


@healthy("training")
class NothingHeldOut(Recipe):
    """All images are trained on; there is no validation part, and none is promised."""

    name = "nothing-held-out"
    spec = promise(validation_split=0.0)


@healthy("training")
class Cosine(EpochByEpoch):
    """The learning rate falls as a cosine over the epochs, and that is promised."""

    name = "cosine"
    spec = promise(training=("schedule",), learning_rate=None)

    def before(self, model: Any, epoch: int) -> None:
        share = min(epoch / EPOCHS, 1)
        model.optimizer.learning_rate.assign(0.0005 * (1 + np.cos(np.pi * share)))


@healthy("training")
class OneOrder(Recipe):
    """One order is drawn from the seed and used in every epoch, as by a seeded Model.fit."""

    name = "one-order"
    spec = promise(training=("fixed order",))

    def order(self, seed: int, epoch: int, count: int) -> Any:
        return epoch_order(seed, 0, count)
