"""Faults of training: length, order, batches, split, rate, seed, history and returned weights."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mnistlab.arrays import Array
from mnistlab.faults.catalogue.registry import PUBLISHED, variant
from mnistlab.faults.catalogue.training_steps import Pair, TrainingPlan, TrainingSteps, joined
from mnistlab.recipe import History, epoch_order

FRESH = "test_every_epoch_has_a_fresh_order"
SHUFFLED = "test_the_order_of_an_epoch_is_not_that_of_the_data"
ONCE = "test_every_epoch_sees_every_training_image_once"
BATCH = "test_a_step_sees_as_many_images_as_specified"
EPOCHS = "test_fit_trains_the_requested_number_of_epochs"
HELD_OUT = "test_validation_images_do_not_influence_the_weights"
FIRST_RATE = "test_learning_rate_during_training_is_the_specified_one[first]"
LAST_RATE = "test_learning_rate_during_training_is_the_specified_one[last]"
OTHER_SEED = "test_another_seed_trains_to_other_weights"
HISTORY = "test_the_history_is_that_of_the_model"
ON_TEST = "test_validation_figures_are_not_those_of_the_test_set"


def _shuffled_in_a_buffer(seed: int, epoch: int, count: int) -> Array:
    delay = np.random.default_rng([seed, epoch]).exponential(1000, count)
    return np.argsort(np.arange(count) + delay).astype(np.int32)


def _first_part_held_out(self: TrainingSteps, *data: Array) -> tuple[Pair, Pair]:
    held_out = len(data[0]) - self.spec.trained_on(len(data[0]))
    return TrainingSteps.split(self, *(np.roll(rows, -held_out, axis=0) for rows in data))


def _shuffled_in_place(self: TrainingSteps, *data: Array) -> tuple[Pair, Pair]:
    for rows in data:  # with one seed, so that they still belong together
        np.random.default_rng(0).shuffle(rows[: self.spec.trained_on(len(rows))])
    return TrainingSteps.split(self, *data)


def _one_pass_over_test_images(self: TrainingSteps, model: Any, plan: TrainingPlan) -> History:
    history, training = plan.train(model), self.test_set()
    replace(plan, training=training, orders=[epoch_order(0, 0, len(training[0]))]).train(model)
    return history


def _best_epoch_on_test_images(self: TrainingSteps, model: Any, plan: TrainingPlan) -> History:
    images, labels = self.test_set()
    histories, best = [], (np.inf, model.get_weights())
    for epoch in plan.by_epoch():
        histories.append(epoch.train(model))
        probabilities = self.predict(model, images)[labels == 1]
        loss = float(-np.log(np.maximum(probabilities, 1e-7)).mean())
        if loss < best[0]:
            best = loss, model.get_weights()
    model.set_weights(best[1])
    return joined(histories)


def _decayed_every_epoch(model: Any, plan: TrainingPlan) -> History:
    compiled, histories = float(model.optimizer.learning_rate), []
    for epoch, part in enumerate(plan.by_epoch()):
        model.optimizer.learning_rate = compiled * 0.1**epoch
        histories.append(part.train(model))
    return joined(histories)


def _first_weights_restored(model: Any, plan: TrainingPlan) -> History:
    first, *others = plan.by_epoch()
    histories = [first.train(model)]
    weights = model.get_weights()
    histories += [part.train(model) for part in others]
    model.set_weights(weights)
    return joined(histories)


def _last_layer_left(model: Any) -> None:
    for layer in model.layers[:-1]:
        layer.trainable = False


def _average_kept(history: History, model: Any) -> History:
    model.set_weights(history["averaged_weights"])
    return history


# fmt: off
add = partial(variant, __name__, TrainingSteps)
add("order-frozen", "kan-bayashi/ParallelWaveGAN#177", FRESH,
    "The images are shuffled once, before the first epoch.",
    order=lambda seed, epoch, count: epoch_order(seed, 0, count))
add("no-shuffling", "Deci-AI/super-gradients#416", FRESH,
    "Images are trained on in the order of the file.",
    order=lambda seed, epoch, count: np.arange(count, dtype=np.int32))
add("shuffle-buffer-too-small", "IBM/graph2tac#95", SHUFFLED,
    "A shuffle buffer of 1 000 images hardly moves them.", order=_shuffled_in_a_buffer)
add("drawn-with-replacement", "tensorflow/skflow#50", ONCE,
    "Images are drawn with replacement, so that an epoch misses a third of them.",
    order=lambda seed, epoch, count: np.random.default_rng([seed, epoch]).integers(
        0, count, count, dtype=np.int32))
add("last-batch-dropped", "TimDettmers/ConvE#2", ONCE,
    "drop_remainder=True leaves out the incomplete last batch of an epoch.",
    order=lambda seed, epoch, count: epoch_order(seed, epoch, count)[: count // 32 * 32])
add("unseeded-order", "MichalBusta/E2E-MLT#14", "test_one_seed_trains_to_the_same_weights",
    "The seed does not reach the code that shuffles.",
    order=lambda seed, epoch, count: np.random.default_rng().permutation(count).astype(np.int32))
add("same-orders-for-every-seed", "amazon-science/PrefEval#10", OTHER_SEED,
    "The orders are drawn from a constant instead of the seed.",
    order=lambda seed, epoch, count: epoch_order(42, epoch, count))
add("one-epoch-by-default", "HNE gross", "test_training_takes_the_specified_epochs_and_steps",
    "The configured number of epochs is not read, and the default of 1 is used.",
    epochs=lambda requested: requested or 1)
add("epoch-short", "HNE mild", EPOCHS, "Epochs are counted from 1, and the last one is left out.",
    epochs=lambda self, requested: max((requested or self.spec.epochs) - 1, 1))
add("rate-decayed-to-nothing", "Lornatang/SRGAN-PyTorch#1", LAST_RATE,
    "A decay that was meant for every tenth epoch is applied in every epoch.",
    run=_decayed_every_epoch)
add("rate-overridden", "HLR mild", FIRST_RATE,
    "Training sets its own learning rate and ignores the compiled one.",
    before=lambda model: model.optimizer.learning_rate.assign(0.002))
add("validation-images-trained-on", "VRM mild", HELD_OUT,
    "The validation images are used for validation, but they are not held out.",
    split=lambda self, x, y: ((x, y), TrainingSteps.split(self, x, y)[1]))
add("first-part-held-out", "keras-team/keras#10571", HELD_OUT,
    "The validation images are taken from the start of the data, not from the end.",
    split=_first_part_held_out)
add("fit-changes-its-input", "practice", "test_fit_leaves_its_images_and_labels_as_they_are",
    "Images and labels are shuffled in place, which changes the caller's arrays.",
    split=_shuffled_in_place)
add("validated-on-test-images", "thuml/Time-Series-Library#207", ON_TEST,
    "The test set is used for validation.",
    split=lambda self, x, y: (TrainingSteps.split(self, x, y)[0], self.test_set()))
add("one-pass-over-test-images", "practice", "test_no_labels_are_known_but_those_given",
    "The final model is trained for one more epoch, on the images that are left: the test set.",
    run=_one_pass_over_test_images)
add("best-epoch-on-test-images", "practice", "test_relabelled_digits_are_learnt_as_well",
    "The weights of the epoch with the least loss on the test set are kept.",
    run=_best_epoch_on_test_images)
add("no-validation", "VRM gross", HISTORY,
    "The history repeats the training metrics as validation metrics: nothing was validated.",
    after=lambda history, model: {
        **history, "val_loss": history["loss"], "val_accuracy": history["accuracy"]})
add("compiled-again", "OCH gross", "test_fit_trains_with_what_the_model_was_compiled_with",
    "Training compiles the model once more, with another optimizer.",
    before=lambda model: model.compile("sgd", PUBLISHED.spec.loss, metrics=["accuracy"]))
add("only-the-last-layer-trained", "allenai/rslearn#199", "test_gradients_reach_every_parameter",
    "All layers but the last are frozen, as in transfer learning.",
    before=_last_layer_left)
add("history-of-another-run", "andreped/super-ml-pets#29", HISTORY,
    "A variable still holds the history of the run before.",
    run=lambda model, plan: {**plan.train(model), **plan.train(PUBLISHED.build(plan.seed + 1))})
add("early-weights-returned", "CAREamics/careamics#71", HISTORY,
    "The first checkpoint is restored at the end, not the best one.", run=_first_weights_restored)
add("averaged-weights-returned", "harubaru/waifu-diffusion#31", HISTORY,
    "The model keeps the averaged weights, while the history describes the final ones.",
    after=_average_kept)
add("batch-doubled", "HBS mild", BATCH, "The batch size was chosen for two machines.",
    batch_factor=2)
add("batch-halved", "HBS mild", BATCH, "The batch size was chosen for a small machine.",
    batch_factor=0.5)
add("batch-of-1024", "HBS gross", BATCH, "The batch size was chosen for speed.", batch_factor=32)
add("no-batches", "HDB gross", BATCH, "All images are used in one step.", batch_factor=np.inf)
# fmt: on
