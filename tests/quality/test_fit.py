"""Whether fit trains on what it is given, as specified, and on nothing else: small trainings, before the real one."""

import numpy as np
import pytest

from mnistlab.errors import NotJudgedError
from mnistlab.probes import model as model_probes
from mnistlab.probes import sample_order, updates
from mnistlab.recipe import is_keras, require_keras_model
from mnistlab.requirement import Requirement

BATCHES = 16  # of the small training runs
LARGE = 20000  # images, of which a buffer for shuffling would hold a part
SPEC = "the subject's spec"


@pytest.fixture(scope="module")
def small(prepared, pipeline):
    """Return enough images and labels for a few batches beside the part held out, and how many are trained on."""
    spec = pipeline.spec
    count = min(BATCHES * spec.batch_size, spec.trained_on(len(prepared.train_images)))
    total = spec.total_of(count)
    return (
        prepared.train_images[:total],
        prepared.train_labels[:total],
        count,
    )  # read-only, as all that is prepared


@pytest.fixture(scope="module")
def small_weights(pipeline, small, seed):
    return model_probes.weights_after(pipeline, *small[:2], seed=seed)


@pytest.fixture(scope="module")
def learning_rates(pipeline, seed):
    return dict(zip(("first", "last"), updates.learning_rates(pipeline, seed=seed), strict=True))


@pytest.fixture(scope="module")
def batch_plan(pipeline, seed):
    """Return the sizes of the batches, and for three epochs the step at which each image was seen."""
    total, batches = sample_order.recordable_batches(pipeline.spec)
    return batches, sample_order.record_epochs(pipeline, seed=seed, count=total, epochs=3)


def differing(weights, others):
    return sum(not np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def test_fit_leaves_its_images_and_labels_as_they_are(pipeline, small, seed):
    images, labels = small[0].copy(), small[1].copy()  # that can be written to
    pipeline.fit(pipeline.build(seed), images, labels, seed=seed, epochs=1)
    if not np.array_equal(images, small[0]) or not np.array_equal(labels, small[1]):
        reason = (
            "fit changes the arrays that it is given, which others read as well; let it copy them"
        )
        pytest.fail(reason, pytrace=False)


def test_nothing_is_learnt_from_permuted_labels(check, pipeline, prepared, small, seed):
    check.required("accuracy after training on permuted labels")
    others = slice(-len(prepared.train_images) // 6, None)  # at the end, where no training looks
    images, truth = prepared.train_images[others], prepared.train_labels[others].argmax(axis=1)
    predicted = model_probes.predicted_after_permutation(pipeline, *small[:2], images, seed=seed)
    check("accuracy after training on permuted labels", float((predicted == truth).mean()))


def test_one_seed_trains_to_the_same_weights(pipeline, small, small_weights, seed):
    again = model_probes.weights_after(pipeline, *small[:2], seed=seed)
    assert not differing(small_weights, again), "two trainings with one seed end in other weights"


def test_fit_trains_as_many_epochs_as_it_is_told(check, pipeline, small, seed):
    model = pipeline.build(seed)
    history = pipeline.fit(model, *small[:2], seed=seed, epochs=3)
    advice = "is an epoch left out, or the argument not used?"
    lengths = [len(history[key]) for key in ("loss", "accuracy") if key in history]
    if not lengths:
        raise NotJudgedError("fit returns no history from which its epochs could be counted")
    check(Requirement("epochs, of 3", "training", 3, "equal to", advice=advice), lengths[0])


def test_fit_trains_with_what_the_model_was_compiled_with(check, pipeline, small, seed):
    model = require_keras_model(pipeline.build(seed), "what it is compiled with")
    before = model_probes.compiled_with(model)
    pipeline.fit(model, *small[:2], seed=seed, epochs=1)
    advice = "does fit compile it again?"
    same = Requirement(
        "compiled with, after training", "training", before, "equal to", source=SPEC, advice=advice
    )
    check(same, model_probes.compiled_with(model))


def test_validation_images_do_not_influence_the_weights(pipeline, small, small_weights, seed):
    images, labels, count = small
    images, labels = images.copy(), labels.copy()
    images[count:], labels[count:] = 1 - images[count:], np.roll(labels[count:], 1, axis=1)
    changed = model_probes.weights_after(pipeline, images, labels, seed=seed)
    assert not differing(small_weights, changed), (
        "other validation images give other weights: they are trained on"
    )


def test_the_history_is_that_of_the_model(check, pipeline, small, seed):
    claimed, own = model_probes.validation_losses(pipeline, *small[:2], seed=seed)
    advice = "is it another run's, or the model another epoch's, or are other images validated?"
    source = "the same weights and images, in float32"
    name = "validation loss, the history's last to the model's"
    detail = f"{own:.4f}; the history's: {', '.join(f'{loss:.4f}' for loss in claimed)}"
    check(
        Requirement(name, "training", 1e-4, "at most", "nats", source, advice),
        abs(own - claimed[-1]),
        detail,
    )


def test_images_are_trained_on_as_they_are(check, pipeline, seed):
    image = np.random.default_rng(0).uniform(0.1, 0.9, (28, 28)).astype(np.float32)
    seen = updates.image_seen(pipeline, image, seed=seed)
    advice = "does fit scale, turn, mirror or blur them, or add noise?"
    source = "float32: quotients of sums of 32 terms, 2**-24 each, of pixels of 0.1 or more"
    same = Requirement(
        "largest difference of a pixel, in training",
        "training",
        1e-4,
        "at most",
        "",
        source,
        advice,
    )
    check(same, float(np.abs(seen - image).max()))


def test_every_image_is_trained_with_its_own_label(pipeline, seed):
    count, batches = sample_order.recordable_batches(pipeline.spec)
    trained = sum(batches)
    labels = sample_order.labels_seen(pipeline, seed=seed, count=count)[:trained]
    wrong = (labels != np.arange(trained) % 10) & (labels != sample_order.NOT_SEEN)
    assert not wrong.any(), (
        f"{wrong.sum()} of {trained} images are trained with another label than theirs, several, or a blurred one"
    )


@pytest.mark.parametrize("epoch", ["first", "last"])
def test_learning_rate_during_training_is_the_specified_one(check, pipeline, learning_rates, epoch):
    advice = "does fit change it, or a schedule?"
    name = f"learning rate in the {epoch} epoch"
    rate = pipeline.spec.promised("learning_rate")
    required = Requirement(name, "training", rate, "equal to", source=SPEC, advice=advice)
    check(required, float(f"{learning_rates[epoch]:.3g}"))


def test_a_step_sees_as_many_images_as_specified(check, pipeline, seed):
    size = pipeline.spec.batch_size
    required = Requirement(
        "images in a step",
        "training",
        size,
        "equal to",
        source=SPEC,
        advice="look at the batch size",
    )
    check(required, round(updates.batch_size_seen(pipeline, seed=seed), 2))


def test_every_epoch_sees_every_training_image_once(batch_plan):
    batches, epochs = batch_plan
    for number, steps in enumerate(epochs, start=1):
        heard = steps[: sum(batches)]
        seen = np.bincount(heard[heard != sample_order.NOT_SEEN], minlength=len(batches))
        assert seen.tolist() == batches, (
            f"epoch {number}: images by step {seen.tolist()}, required {batches}"
        )


def test_no_epoch_sees_an_image_that_is_held_out(batch_plan):
    batches, epochs = batch_plan
    for number, steps in enumerate(epochs, start=1):
        seen = int((steps[sum(batches) :] != sample_order.NOT_SEEN).sum())
        assert not seen, f"epoch {number}: {seen} images held out for validation are trained on"


def test_every_epoch_has_a_fresh_order(batch_plan):
    _, epochs = batch_plan
    for first, second in ((0, 1), (1, 2), (0, 2)):
        same = np.array_equal(epochs[first], epochs[second])
        assert not same, (
            f"epochs {first + 1} and {second + 1} show the images in one order: shuffle for every epoch"
        )


def test_training_images_do_influence_the_weights(pipeline, small, small_weights, seed):
    images, labels, count = small
    images = images.copy()
    images[count - 1] = 1 - images[count - 1]
    changed = model_probes.weights_after(pipeline, images, labels, seed=seed)
    assert differing(small_weights, changed), (
        "the last training image has no influence: is it left out?"
    )


def test_a_large_set_is_trained_on_as_a_whole(check, pipeline, seed):
    astray = updates.coverage_error(pipeline, seed=seed, count=LARGE)
    advice = "is there a limit, or a part that is read twice or has another's labels?"
    name = f"parts of {LARGE} images that are not seen once, with their labels"
    check(
        Requirement(
            name, "training", 0.0, "at most", "fraction", "every epoch sees every image", advice
        ),
        astray,
    )


def test_the_order_of_an_epoch_is_not_that_of_the_data(check, pipeline, seed):
    place = sample_order.mean_position_of_last_steps(pipeline, seed=seed, count=LARGE)
    # Each step counts half of the next: as many as three batches of equal weight, from anywhere between 0 and 1.
    bound = round(5 * np.sqrt(1 / 12 / (3 * pipeline.spec.batch_size)), 3)
    source = "5 sd of the mean place of three batches drawn at random"
    advice = "is all shuffled, or only what a buffer holds?"
    name = "distance of the last steps' images from the middle of the data"
    check(Requirement(name, "training", bound, "at most", "", source, advice), abs(place - 0.5))


def test_another_seed_trains_to_other_weights(pipeline, built, small, small_weights, seed):
    start = (
        seed if is_keras(built) else seed + 1
    )  # others may draw all that they need where they are built
    other = model_probes.weights_after(pipeline, *small[:2], seed=start, fit_seed=seed + 1)
    assert differing(small_weights, other), (
        "trained with two seeds, it ends in the same weights: does fit use its seed?"
    )


def test_gradients_reach_every_parameter(check, pipeline, small, seed):
    check.required("parameters that no gradient reaches")
    unmoved = model_probes.unmoved_parameters(pipeline, small[1], seed=seed)
    check(
        "parameters that no gradient reaches",
        sum(unmoved),
        f"by array: {', '.join(map(str, unmoved))}",
    )


def test_weights_depend_on_the_seed_and_not_on_trainings_before(pipeline, small, seed):
    forgotten = model_probes.seeds_with_carryover(pipeline, *small[:2], seeds=(seed, seed + 1))
    assert not forgotten, (
        f"seeds {forgotten} end in other weights after another training: what is left over from it?"
    )


def test_one_batch_can_be_memorised(check, pipeline, prepared, seed):
    one = check.required("accuracy on one batch after 100 steps")
    size = pipeline.spec.batch_size
    total = pipeline.spec.total_of(size)
    model = pipeline.build(seed)
    pipeline.fit(
        model, prepared.train_images[:total], prepared.train_labels[:total], seed=seed, epochs=100
    )
    predicted = pipeline.predict(model, prepared.train_images[:size]).argmax(axis=1)
    check(one, float(np.mean(predicted == prepared.train_labels[:size].argmax(axis=1))))


def test_one_seed_trains_to_the_same_weights_in_another_process(
    run_in_subprocess, pipeline, small, small_weights, seed
):
    there = run_in_subprocess(model_probes.weights_after, pipeline, *small[:2], seed=seed)
    assert not differing(small_weights, there), "another process ends in other weights, bit for bit"
