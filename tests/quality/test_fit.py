"""Whether fit trains on the given images as specified; small runs before the full training."""

import functools

import numpy as np
import pytest

from mnistlab.arrays import CLASSES, IMAGE_SHAPE
from mnistlab.errors import NotJudgedError, NotRequiredError
from mnistlab.probes import leaks, linear_models
from mnistlab.probes import model as model_probes
from mnistlab.recipe import is_keras, require_compiled_model
from mnistlab.requirement import Requirement

LARGE = 20000  # images, more than a shuffle buffer holds
SPEC = "the subject's spec"
FRESH_ORDER = """\
shuffle again for every epoch. A seeded Model.fit on arrays replays one order in every epoch; write
    batches = tf.data.Dataset.from_tensor_slices((images[:n], labels[:n])).shuffle(n, seed=seed)
    held_out = images[n:], labels[n:]
    model.fit(batches.batch(32), shuffle=False, epochs=epochs, validation_data=held_out)"""


@pytest.fixture(scope="module")
def small(prepared, pipeline):
    """Return images and labels for a small training, and how many of them are not held out."""
    return leaks.small_part(pipeline.spec, prepared.train_images, prepared.train_labels)


@pytest.fixture(scope="module")
def weights_after(pipeline, small, seed):
    """Return a function that trains, and returns weights, or predictions that stand for them."""
    return functools.partial(model_probes.weights_after, pipeline, small[0])


@pytest.fixture(scope="module")
def small_weights(weights_after, small, seed):
    return weights_after(small[:2], seed, seed)


@pytest.fixture(scope="module")
def learning_rates(pipeline, seed):
    plain(pipeline, "augmentation")
    return dict(
        zip(("first", "last"), linear_models.learning_rates(pipeline, seed=seed), strict=True)
    )


@pytest.fixture(scope="module")
def recorded(pipeline, seed):
    """Return the batch sizes, and for three epochs the step at which each image was seen."""
    plain(pipeline, "augmentation", "schedule", "warm-up")  # a step is read off a constant rate
    spec = pipeline.spec
    # A later epoch may be left out, or undone by the weights of an earlier one.
    epochs = 1 if spec.allows("early stopping") or spec.allows("best weights") else 3
    total, batches = linear_models.recordable_batches(spec)
    return batches, linear_models.record_epochs(pipeline, seed=seed, count=total, epochs=epochs)


def plain(pipeline, *settings):
    """Raise NotRequiredError if the spec promises a setting that a check takes for a fault."""
    for setting in settings:
        if pipeline.spec.allows(setting):
            raise NotRequiredError(f"the spec promises {setting}: this cannot be told from a fault")


def changed_at(small, indices):
    """Return images and labels, mirrored and with other digits at the indices."""
    images, labels = small[0].copy(), small[1].copy()
    images[indices] = images[indices, ::-1, ::-1]
    labels[indices] = np.roll(labels[indices], 1, axis=1)
    return images, labels


def differing(weights, others):
    return sum(not np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


@pytest.mark.provides("training data")
def test_fit_leaves_its_images_and_labels_as_they_are(pipeline, small, seed):
    images, labels = small[0].copy(), small[1].copy()  # not read-only
    pipeline.fit(pipeline.build(seed), images, labels, seed=seed, epochs=1)
    if not np.array_equal(images, small[0]) or not np.array_equal(labels, small[1]):
        pytest.fail("fit changes its input; let it work on a copy", pytrace=False)


@pytest.mark.provides("deterministic")
def test_one_seed_trains_to_the_same_weights(weights_after, small, small_weights, seed):
    again = weights_after(small[:2], seed, seed)
    advice = "seed all random numbers in build and fit, and use deterministic operations"
    differ = differing(small_weights, again)
    assert not differ, f"two trainings with one seed give different weights; {advice}"


def test_fit_trains_the_requested_number_of_epochs(check, pipeline, small, seed):
    history = pipeline.fit(pipeline.build(seed), *small[:2], seed=seed, epochs=3)
    lengths = [len(history[key]) for key in ("loss", "accuracy") if key in history]
    if not lengths:
        raise NotJudgedError("fit returns no loss or accuracy for each epoch, to count the epochs")
    direction = "at most" if pipeline.spec.allows("early stopping") else "equal to"
    advice = "fit must train for the number of epochs in its argument"
    check(Requirement("epochs, of 3", "training", 3, direction, advice=advice), lengths[0])


def test_fit_trains_with_what_the_model_was_compiled_with(check, pipeline, small, seed):
    model = require_compiled_model(pipeline.build(seed), "what it is compiled with")
    before = model_probes.compiled_with(model)
    pipeline.fit(model, *small[:2], seed=seed, epochs=1)
    name, advice = "compiled with, after training", "fit must not compile the model again"
    same = Requirement(name, "training", before, "equal to", "", SPEC, advice)
    check(same, model_probes.compiled_with(model))


@pytest.mark.depends_on("deterministic")
def test_validation_images_do_not_influence_the_weights(
    pipeline, weights_after, small, small_weights, seed
):
    plain(pipeline, "early stopping", "best weights")
    count = small[2]
    if count == len(small[0]):
        raise NotRequiredError("the spec promises no held-out part")
    changed = weights_after(changed_at(small, slice(count, None)), seed, seed)
    assert not differing(small_weights, changed), (
        "other validation images give other weights, so fit trains on them or selects weights by "
        "them; split before training, and return the weights of the last epoch"
    )


def test_the_history_is_that_of_the_model(check, pipeline, small, seed):
    pipeline.spec.promised("validation_split")
    claimed, own = model_probes.validation_losses(pipeline, *small[:2], seed=seed)
    best = pipeline.spec.allows("best weights")
    advice = (
        "the history is not that of this model; check that fit returns its own history, validates "
        f"on the images held out and leaves the weights of {'its best' if best else 'the last'} "
        "epoch"
    )
    source = "the same weights and images, in float32"
    name = f"validation loss, the history's {'best' if best else 'last'} to the model's"
    detail = f"{own:.4f}; the history's: {', '.join(f'{loss:.4f}' for loss in claimed)}"
    same = Requirement(name, "training", 1e-4, "at most", "nats", source, advice)
    compared = claimed if best else claimed[-1:]
    check(same, min(abs(own - loss) for loss in compared), detail)


@pytest.mark.provides("last epoch")
@pytest.mark.depends_on("deterministic")
def test_the_last_epoch_is_returned_whatever_the_test_labels_are(pipeline, small, seed):
    plain(pipeline, "early stopping", "best weights", "deterministic")
    assert not leaks.returns_earlier_epoch(pipeline, *small[:2], seed=seed), (
        "on relabelled digits, more epochs change nothing: fit returns an earlier one; leak: the "
        "training is stopped, or its weights chosen, by true digits, as the test set has them; if "
        'fit stops early or keeps the best weights, promise "early stopping" or "best weights"'
    )


@pytest.mark.provides("training data")
def test_images_are_trained_on_as_they_are(check, pipeline, seed):
    plain(pipeline, "augmentation")
    low, high = linear_models.pixel_range(pipeline.spec)
    noise = np.random.default_rng(0).uniform(0.1, 0.9, IMAGE_SHAPE)
    image = (low + (high - low) * noise).astype(np.float32)
    seen = linear_models.image_seen(pipeline, image, seed=seed)
    advice = "fit changes the images; look for scaling, rotation, mirroring, blur or noise"
    source = "float32: quotients of sums of 32 terms, 2**-24 each"
    name = "largest difference of a pixel, in training"
    same = Requirement(name, "training", 1e-4, "at most", "", source, advice)
    check(same, float(np.abs(seen - image).max()))


@pytest.mark.provides("training data")
def test_every_image_is_trained_with_its_own_label(pipeline, seed):
    plain(pipeline, "augmentation")
    count, batches = linear_models.recordable_batches(pipeline.spec)
    trained = sum(batches)
    labels = linear_models.labels_seen(pipeline, seed=seed, count=count)[:trained]
    wrong = (labels != np.arange(trained) % CLASSES) & (labels != linear_models.NOT_SEEN)
    assert not wrong.any(), (
        f"{wrong.sum()} of {trained} images are trained with a wrong, smoothed or changing label; "
        "shuffle images and labels together, and remove label smoothing"
    )


@pytest.mark.depends_on("training data", "last epoch")
@pytest.mark.parametrize("epoch", ["first", "last"])
def test_learning_rate_during_training_is_the_specified_one(check, pipeline, learning_rates, epoch):
    plain(pipeline, "schedule", *(["warm-up"] if epoch == "first" else []))
    advice = "fit, a schedule or a callback changes it"
    name = f"learning rate in the {epoch} epoch"
    rate = pipeline.spec.promised("learning_rate")
    required = Requirement(name, "training", rate, "equal to", source=SPEC, advice=advice)
    check(required, float(f"{learning_rates[epoch]:.3g}"))


@pytest.mark.depends_on("training data")
def test_a_step_sees_as_many_images_as_specified(check, pipeline, seed):
    plain(pipeline, "augmentation")
    size = pipeline.spec.batch_size
    advice = "look at the batch size, and for gradients accumulated over several batches"
    required = Requirement("images in a step", "training", size, "equal to", "", SPEC, advice)
    check(required, round(linear_models.batch_size_seen(pipeline, seed=seed), 2))


@pytest.mark.depends_on("training data", "last epoch")
def test_every_epoch_sees_every_training_image_once(recorded):
    batches, epochs = recorded
    for number, steps in enumerate(epochs, start=1):
        trained = steps[: sum(batches)]
        seen = np.bincount(trained[trained != linear_models.NOT_SEEN], minlength=len(batches))
        assert seen.tolist() == batches, (
            f"epoch {number}: images by step {seen.tolist()}, required {batches}; look for a "
            "dropped last batch, sampling with replacement, or another batch size"
        )


@pytest.mark.depends_on("training data", "last epoch")
def test_no_epoch_sees_an_image_that_is_held_out(recorded):
    batches, epochs = recorded
    for number, steps in enumerate(epochs, start=1):
        seen = int((steps[sum(batches) :] != linear_models.NOT_SEEN).sum())
        got = f"epoch {number}: {seen} images held out for validation are trained on"
        assert not seen, f"{got}, required none; split before shuffling"


@pytest.mark.depends_on("training data", "last epoch")
def test_every_epoch_has_a_fresh_order(pipeline, recorded):
    plain(pipeline, "fixed order", "early stopping", "best weights")  # these may return epoch 1
    _, epochs = recorded
    for first, second in ((0, 1), (1, 2), (0, 2)):
        same = np.array_equal(epochs[first], epochs[second])
        got = f"epochs {first + 1} and {second + 1} show the images in the same order"
        assert not same, f"{got}; {FRESH_ORDER}"


@pytest.mark.depends_on("deterministic")
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_training_images_do_influence_the_weights(
    pipeline, built, weights_after, small, small_weights, seed, place
):
    # Of other models, predictions stand for weights, and one image of many may not change them.
    size, count = 1 if is_keras(built) else pipeline.spec.batch_size, small[2]
    start = {"first": 0, "middle": (count - size) // 2, "last": count - size}[place]
    changed = weights_after(changed_at(small, slice(start, start + size)), seed, seed)
    assert differing(small_weights, changed), (
        f"the {place} training image has no influence on the weights, so fit leaves it out; look "
        "at the validation split and for a dropped last batch"
    )


@pytest.mark.depends_on("training data")
def test_a_large_set_is_trained_on_as_a_whole(check, pipeline, seed):
    plain(pipeline, "augmentation")
    error = linear_models.coverage_error(pipeline, seed=seed, count=LARGE)
    source = "every epoch sees every image"
    advice = (
        "look for a limit on the number of images, and for parts that are read twice or with the "
        "labels of other parts"
    )
    name = f"parts of {LARGE} images that are not seen once, with their labels"
    check(Requirement(name, "training", 0.0, "at most", "fraction", source, advice), error)


@pytest.mark.depends_on("training data")
def test_the_order_of_an_epoch_is_not_that_of_the_data(check, pipeline, seed):
    plain(pipeline, "augmentation", "fixed order")
    position = linear_models.mean_position_of_last_steps(pipeline, seed=seed, count=LARGE)
    # Each step weighs half as much as the next, which makes the variance of the mean that of three
    # batches of equal weight. Positions are uniform from 0 to 1.
    bound = round(5 * np.sqrt(1 / 12 / (3 * pipeline.spec.batch_size)), 3)
    source = "5 sd of the mean place of three batches drawn at random"
    advice = "shuffle all images; a shuffle buffer must hold the whole training set"
    name = "distance of the last steps' images from the middle of the data"
    check(Requirement(name, "training", bound, "at most", "", source, advice), abs(position - 0.5))


@pytest.mark.depends_on("deterministic")
def test_another_seed_trains_to_other_weights(
    pipeline, weights_after, built, small, small_weights, seed
):
    plain(pipeline, "deterministic")
    # Models that are not Keras's, or see one order, may use their seed only when they are built.
    orders = is_keras(built) and not pipeline.spec.allows("fixed order")
    start = seed if orders else seed + 1
    other = weights_after(small[:2], start, seed + 1)
    advice = (
        "fit must use its seed, for instance for the order of the images; if it needs no random "
        'numbers, promise "deterministic"'
    )
    differ = differing(small_weights, other)
    assert differ, f"training with two seeds gives the same weights; {advice}"


@pytest.mark.provides("gradients")
def test_gradients_reach_every_parameter(check, pipeline, built, small, seed):
    unmoved = model_probes.unmoved_parameters(pipeline, small[1], seed=seed)
    sizes = [weight.size for weight in built.get_weights()]
    check.within_healthy_range(
        "largest share of an array that no gradient reaches",
        max(count / size for count, size in zip(unmoved, sizes, strict=True)),
        worse="higher",
        images=min(sizes),
        advice="look at the initialisation and frozen layers",
        detail=f"parameters by array: {', '.join(map(str, unmoved))}",
    )


@pytest.mark.depends_on("deterministic")
def test_weights_depend_on_the_seed_and_not_on_trainings_before(weights_after, small, seed):
    seeds = seed, seed + 1
    first = {each: weights_after(small[:2], each, each) for each in seeds}
    again = {each: weights_after(small[:2], each, each) for each in reversed(seeds)}
    seeds = [each for each in seeds if differing(first[each], again[each])]
    assert not seeds, (
        f"seeds {seeds} give other weights after another training; look for state that one "
        "training leaves to the next, such as a global random generator"
    )


@pytest.mark.depends_on("predict", "training data")
def test_one_batch_can_be_memorised(check, pipeline, prepared, seed):
    size = pipeline.spec.batch_size
    batch = model_probes.evenly(prepared.train_labels, pipeline.spec.total_of(size))
    images, labels = prepared.train_images[batch], prepared.train_labels[batch]
    model = pipeline.build(seed)
    pipeline.fit(model, images, labels, seed=seed, epochs=100)
    predicted = pipeline.predict(model, images[:size]).argmax(axis=1)
    check.within_healthy_range(
        "accuracy on one batch after 100 steps",
        float(np.mean(predicted == labels[:size].argmax(axis=1))),
        worse="lower",
        images=size,
        advice="it cannot learn: look at the gradients, the loss and the labels",
    )


@pytest.mark.depends_on("deterministic")
def test_one_seed_trains_to_the_same_weights_in_another_process(
    run_in_subprocess, weights_after, small, small_weights, seed
):
    there = run_in_subprocess(weights_after, small[:2], seed, seed)
    advice = "look for hash(), sets, the time, or state of the process"
    differ = differing(small_weights, there)
    assert not differ, f"one seed gives other weights in another process; {advice}"
