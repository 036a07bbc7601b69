"""Faults of training: its length, order, batches, rate, randomness, and what it says and leaves behind."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mnistlab.faults.catalogue.registry import fault, variants
from mnistlab.faults.catalogue.training_steps import Array, Pair, TrainingSteps, joined, test_set
from mnistlab.recipe import History, epoch_order, train

FRESH = "test_every_epoch_has_a_fresh_order"
PLACE = "test_the_order_of_an_epoch_is_not_that_of_the_data"
ONCE = "test_every_epoch_sees_every_training_image_once"
BATCH = "test_a_step_sees_as_many_images_as_specified"
EPOCHS = "test_fit_trains_as_many_epochs_as_it_is_told"
LENGTH = "test_training_takes_the_specified_epochs_and_steps"
HELD_OUT = "test_validation_images_do_not_influence_the_weights"
COMPILED = "test_fit_trains_with_what_the_model_was_compiled_with"
FIRST_RATE = "test_learning_rate_during_training_is_the_specified_one[first]"
LAST_RATE = "test_learning_rate_during_training_is_the_specified_one[last]"
SEEDED = "test_one_seed_trains_to_the_same_weights"
HISTORY = "test_the_history_is_that_of_the_model"


def _buffered(_: TrainingSteps, seed: int, epoch: int, count: int) -> Array:
    late = np.random.default_rng([seed, epoch]).exponential(1000, count)
    return np.argsort(np.arange(count) + late).astype(np.int32)


def _whole_batches(loop: TrainingSteps, seed: int, epoch: int, count: int) -> Array:
    size = loop.spec.batch_size
    return epoch_order(seed, epoch, count)[: count // size * size]


def _times(factor: float) -> Callable[[TrainingSteps, int], int]:
    return lambda loop, count: int(min(factor * loop.spec.batch_size, count))


# fmt: off
variants(__name__, TrainingSteps, (
    ("order-frozen", "kan-bayashi/ParallelWaveGAN#177", FRESH, "The images are shuffled once, before the first epoch.",
     {"order": lambda self, seed, epoch, count: epoch_order(seed, 0, count)}),
    ("no-shuffling", "Deci-AI/super-gradients#416", FRESH, "The images come in the order of the file.",
     {"order": lambda self, seed, epoch, count: np.arange(count, dtype=np.int32)}),
    ("shuffle-buffer-too-small", "IBM/graph2tac#95", PLACE,
     "A buffer of 1 000 images: an image hardly moves from its place in the file.", {"order": _buffered}),
    ("batch-doubled", "HBS mild", BATCH, "Chosen for two machines.", {"size": _times(2)}),
    ("batch-halved", "HBS mild", BATCH, "Chosen for a small machine.", {"size": _times(0.5)}),
    ("batch-of-1024", "HBS gross", BATCH, "Chosen for speed.", {"size": _times(32)}),
    ("no-batches", "HDB gross", BATCH, "All images in one step.", {"size": _times(np.inf)}),
    ("last-batch-dropped", "TimDettmers/ConvE#2", ONCE, "drop_remainder, for the sake of constant shapes.",
     {"order": _whole_batches}),
    ("drawn-with-replacement", "tensorflow/skflow#50", ONCE,
     "Batches are drawn at random, so that an epoch misses a third of the images.",
     {"order": lambda self, seed, epoch, count:
         np.random.default_rng([seed, epoch]).integers(0, count, count, dtype=np.int32)}),
    ("epoch-short", "HNE mild", EPOCHS, "Epochs are counted from 1, and the last is left out.",
     {"rounds": lambda self, epochs: max(TrainingSteps.rounds(self, epochs) - 1, 1)}),
    ("one-epoch-by-default", "HNE gross", LENGTH,
     "The epochs of the configuration are not read, and a default of 1 is used.",
     {"rounds": lambda self, epochs: epochs or 1}),
))
# fmt: on


@fault("validation-images-trained-on", "VRM mild", HELD_OUT)
class ValidationImagesTrainedOn(TrainingSteps):
    """Validation images are validated on, but not held out."""

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> History:
        orders = [self.order(seed, epoch, len(images)) for epoch in range(self.rounds(epochs))]
        validation = self.held_out(
            images, labels, int(len(images) * (1 - self.spec.validation_split))
        )
        return train(model, (images, labels), validation, orders, self.spec.batch_size)


@fault("no-validation", "VRM gross", HISTORY)
class NoValidation(TrainingSteps):
    """The history has training's figures in place of validation's, as where nothing is validated on."""

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        history = super().run(model, training, validation, orders, size)
        return {**history, "val_loss": history["loss"], "val_accuracy": history["accuracy"]}


@fault("first-part-held-out", "keras-team/keras#10571", HELD_OUT)
class FirstPartHeldOut(TrainingSteps):
    """Two helpers split: one takes the validation images from the end, the other from the beginning."""

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> History:
        first = len(images) - int(len(images) * (1 - self.spec.validation_split))
        images, labels = np.roll(images, -first, axis=0), np.roll(labels, -first, axis=0)
        return super().fit(model, images, labels, seed=seed, epochs=epochs)


@fault("validated-on-test-images", "thuml/Time-Series-Library#207", HISTORY)
class ValidatedOnTestImages(TrainingSteps):
    """The test set serves for validation."""

    def held_out(self, images: Array, labels: Array, count: int) -> Pair:
        return test_set(self)


class _Rates(TrainingSteps):
    """Trains epoch by epoch, each at a rate of its own."""

    def factor(self, epoch: int) -> float:
        return 1.0

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        start, parts = float(model.optimizer.learning_rate), []
        for epoch, order in enumerate(orders):
            model.optimizer.learning_rate = start * self.factor(epoch)
            parts.append(train(model, training, validation, [order], size))
        return joined(parts)


# fmt: off
variants(__name__, _Rates, (
    ("rate-decayed-to-nothing", "Lornatang/SRGAN-PyTorch#1", LAST_RATE, "A decay that was meant for every tenth epoch.",
     {"factor": lambda self, epoch: 0.1**epoch}),
    ("rate-overridden", "HLR mild", FIRST_RATE, "Training sets a rate of its own, whatever was compiled.",
     {"factor": lambda self, epoch: 2.0}),
))
# fmt: on


@fault("compiled-again", "OCH gross", COMPILED)
class CompiledAgain(TrainingSteps):
    """Training compiles the model once more, with another optimizer."""

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        model.compile("sgd", loss=self.spec.loss, metrics=[self.spec.metric])
        return super().run(model, training, validation, orders, size)


@fault("only-the-last-layer-trained", "allenai/rslearn#199", "test_gradients_reach_every_parameter")
class OnlyTheLastLayerTrained(TrainingSteps):
    """All layers but the last are frozen, as for a transfer."""

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        for layer in model.layers[:-1]:
            layer.trainable = False
        return super().run(model, training, validation, orders, size)


# fmt: off
variants(__name__, TrainingSteps, (
    ("unseeded-order", "MichalBusta/E2E-MLT#14", SEEDED, "The seed does not reach what shuffles.",
     {"order": lambda self, seed, epoch, count: np.random.default_rng().permutation(count).astype(np.int32)}),
    ("same-orders-for-every-seed", "amazon-science/PrefEval#10", "test_another_seed_trains_to_other_weights",
     "The orders are drawn with a constant in place of the seed.",
     {"order": lambda self, seed, epoch, count: epoch_order(42, epoch, count)}),
))
# fmt: on


@fault("history-of-another-run", "andreped/super-ml-pets#29", HISTORY)
class HistoryOfAnotherRun(TrainingSteps):
    """A variable still holds the history of the run before."""

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        history = super().run(self.build(len(orders)), training, validation, orders, size)
        return {**super().run(model, training, validation, orders, size), **history}


@fault("early-weights-returned", "CAREamics/careamics#71", HISTORY)
class EarlyWeightsReturned(TrainingSteps):
    """The checkpoint that is restored at the end is the first, not the best."""

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        parts, weights = [], []
        for order in orders:
            parts.append(super().run(model, training, validation, [order], size))
            weights.append(model.get_weights())
        model.set_weights(weights[0])
        return joined(parts)


@fault("averaged-weights-returned", "harubaru/waifu-diffusion#31", HISTORY)
class AveragedWeightsReturned(TrainingSteps):
    """The moving average of the weights is left in the model, and the history is that of the last ones."""

    def run(
        self, model: Any, training: Pair, validation: Pair, orders: list[Array], size: int
    ) -> History:
        history = super().run(model, training, validation, orders, size)
        model.set_weights(history["averaged_weights"])
        return history


@fault("fit-changes-its-input", "practice", "test_fit_leaves_its_images_and_labels_as_they_are")
class FitChangesItsInput(TrainingSteps):
    """Images and labels are shuffled where they stand, and the caller's arrays with them."""

    def fit(
        self, model: Any, images: Array, labels: Array, *, seed: int, epochs: int | None = None
    ) -> History:
        for rows in (images, labels):
            np.random.default_rng(seed).shuffle(
                rows[: self.spec.trained_on(len(rows))]
            )  # both in the same way
        return super().fit(model, images, labels, seed=seed, epochs=epochs)
