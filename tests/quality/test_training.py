"""Whether training does what it should, and nothing else."""

import numpy as np
import pytest

from mnistlab import plots, probe
from mnistlab.requirement import Requirement

BATCHES = 16  # of the small training runs
SPEC = "the subject's spec"


@pytest.fixture(scope="module")
def small(prepared, pipeline):
    """Return enough images and labels for a few batches beside the part held out, and how many are trained on."""
    count = BATCHES * pipeline.spec.batch_size
    total = round(count / (1 - pipeline.spec.validation_split))
    return prepared.train_images[:total].copy(), prepared.train_labels[:total].copy(), count


@pytest.fixture(scope="module")
def small_weights(pipeline, small, seed):
    return probe.weights_after(pipeline, *small[:2], seed=seed)


@pytest.fixture(scope="module")
def learning_rates(pipeline, seed):
    return dict(zip(("first", "last"), probe.learning_rates(pipeline, seed=seed), strict=True))


def differing(weights, others):
    return sum(not np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def test_training_takes_the_specified_epochs_and_steps(judge, trained, prepared, pipeline):
    judge.timed("training", trained.seconds)
    spec = pipeline.spec
    images = np.floor(len(prepared.train_images) * (1 - spec.validation_split))
    steps = int(np.ceil(images / spec.batch_size))
    required = f"{spec.epochs} epochs, {spec.epochs * steps} steps"
    got = f"{len(trained.history['loss'])} epochs, {int(trained.model.optimizer.iterations)} steps"
    advice = "look at epochs, batch size and the part held out"
    judge(Requirement("length of training", "training", required, "equal to", source=SPEC, advice=advice), got)


def test_loss_falls_every_epoch(judge, trained):
    caption = "Training and validation should improve together; a validation loss that turns up means overfitting."
    judge.picture("Loss and accuracy by epoch", caption, plots.curves(trained.history))
    rises = int((~(np.diff(trained.history["loss"]) < 0)).sum())
    judge("epochs in which the training loss rose", rises)


def test_nothing_is_nan_or_infinite(trained):
    weights = [np.isfinite(weight).all() for weight in trained.model.get_weights()]
    assert all(weights), f"{weights.count(False)} of {len(weights)} arrays of weights hold NaN or infinity"
    for key in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert np.isfinite(trained.history[key]).all(), f"{key} is {trained.history[key]}"


def test_every_weight_array_moves(judge, trained):
    pairs = list(zip(trained.model.get_weights(), trained.initial_weights, strict=True))
    moved = [float(np.mean(after != before)) for after, before in pairs]
    detail = "moved of each array: " + ", ".join(f"{100 * share:.1f} %" for share in moved)
    advice = "is a layer frozen, or its gradient zero?"
    still = Requirement("arrays of weights that stand still", "training", 0, "equal to", advice=advice)
    judge(still, moved.count(0), detail)


def test_one_batch_can_be_memorised(judge, pipeline, prepared, seed):
    size = pipeline.spec.batch_size
    total = round(size / (1 - pipeline.spec.validation_split))
    model = pipeline.build(seed)
    pipeline.fit(model, prepared.train_images[:total], prepared.train_labels[:total], seed=seed, epochs=100)
    predicted = pipeline.predict(model, prepared.train_images[:size]).argmax(axis=1)
    share = float(np.mean(predicted == prepared.train_labels[:size].argmax(axis=1)))
    advice = "it cannot learn: look at the gradients, the loss and the labels"
    source = "a network of 101 770 parameters separates 32 images; 100 steps did in all of 96 seeds"
    one = Requirement("accuracy on one batch after 100 steps", "training", 1.0, "equal to", "fraction", source, advice)
    judge(one, share)


def test_one_seed_trains_to_the_same_weights(pipeline, small, small_weights, seed):
    again = probe.weights_after(pipeline, *small[:2], seed=seed)
    assert not differing(small_weights, again), "two trainings with one seed end in other weights"


def test_another_seed_trains_to_other_weights(pipeline, small, small_weights, seed):
    other = probe.weights_after(pipeline, *small[:2], seed=seed + 1)
    assert differing(small_weights, other), "two seeds end in the same weights: is the seed used?"


def test_one_seed_trains_to_the_same_weights_in_another_process(elsewhere, pipeline, small, small_weights, seed):
    there = elsewhere(probe.weights_after, pipeline, *small[:2], seed=seed)
    assert not differing(small_weights, there), "another process ends in other weights, bit for bit"


def test_validation_images_do_not_influence_the_weights(pipeline, small, small_weights, seed):
    images, labels, count = small
    images, labels = images.copy(), labels.copy()
    images[count:], labels[count:] = 1 - images[count:], np.roll(labels[count:], 1, axis=1)
    changed = probe.weights_after(pipeline, images, labels, seed=seed)
    assert not differing(small_weights, changed), "other validation images give other weights: they are trained on"


def test_training_images_do_influence_the_weights(pipeline, small, small_weights, seed):
    images, labels, count = small
    images = images.copy()
    images[count - 1] = 1 - images[count - 1]
    changed = probe.weights_after(pipeline, images, labels, seed=seed)
    assert differing(small_weights, changed), "the last training image has no influence: is it left out?"


def test_every_epoch_sees_every_training_image_once_in_a_fresh_order(pipeline, seed):
    size = pipeline.spec.batch_size
    trained = 18 * size + size * 3 // 4  # with a smaller last batch
    total = round(trained / (1 - pipeline.spec.validation_split))
    epochs = probe.record_epochs(pipeline, seed=seed, count=total, epochs=3)
    batches = [size] * 18 + [trained - 18 * size]
    for number, steps in enumerate(epochs, start=1):
        seen = np.bincount(steps[:trained][steps[:trained] != probe.UNSEEN], minlength=len(batches))
        assert seen.tolist() == batches, f"epoch {number}: images by step {seen.tolist()}, required {batches}"
        assert (steps[trained:] == probe.UNSEEN).all(), f"epoch {number}: images held out for validation are trained on"
    for first, second in ((0, 1), (1, 2), (0, 2)):
        same = np.array_equal(epochs[first], epochs[second])
        assert not same, f"epochs {first + 1} and {second + 1} show the images in one order: shuffle for every epoch"


def test_every_image_is_trained_with_its_own_label(pipeline, seed):
    count = round(18.75 * pipeline.spec.batch_size / (1 - pipeline.spec.validation_split))
    trained = int(np.floor(count * (1 - pipeline.spec.validation_split)))
    labels = probe.labels_seen(pipeline, seed=seed, count=count)[:trained]
    wrong = labels != np.arange(trained) % 10
    assert not wrong.any(), (
        f"{wrong.sum()} of {trained} images are trained with another label than theirs, or with none"
    )


@pytest.mark.parametrize("epoch", ["first", "last"])
def test_learning_rate_during_training_is_the_specified_one(judge, pipeline, learning_rates, epoch):
    advice = "does fit change it, or a schedule?"
    name = f"learning rate in the {epoch} epoch"
    required = Requirement(name, "training", pipeline.spec.learning_rate, "equal to", source=SPEC, advice=advice)
    judge(required, float(f"{learning_rates[epoch]:.3g}"))


def test_weights_depend_on_the_seed_and_not_on_trainings_before(pipeline, small, seed):
    forgotten = probe.remembered(pipeline, *small[:2], seeds=(seed, seed + 1))
    assert not forgotten, f"seeds {forgotten} end in other weights after another training: what is left over from it?"


def test_gradients_reach_every_parameter(judge, pipeline, small, seed):
    unmoved = probe.unreached(pipeline, small[1], seed=seed)
    judge("parameters that no gradient reaches", sum(unmoved), f"by array: {', '.join(map(str, unmoved))}")


def test_nothing_is_learnt_from_permuted_labels(judge, pipeline, prepared, small, seed):
    others = slice(-len(prepared.train_images) // 6, None)  # at the end, where no training looks
    images, truth = prepared.train_images[others], prepared.train_labels[others].argmax(axis=1)
    predicted = probe.predicted_after_permutation(pipeline, *small[:2], images, seed=seed)
    judge("accuracy after training on permuted labels", float((predicted == truth).mean()))


def test_hidden_units_are_alive(judge, trained, prepared):
    silent = probe.silent_units(trained.model, prepared.train_images[:10000])
    judge("hidden units that say the same of every image", silent)


@pytest.mark.parametrize("side", ["least", "most"])
@pytest.mark.parametrize("layer", [1, 2])
def test_weights_are_as_large_as_in_healthy_models(judge, trained, layer, side):
    judge(f"norm of the weights of layer {layer}, {side}", probe.weight_norms(trained.model)[layer - 1])
