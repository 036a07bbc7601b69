"""Whether training or prediction knows what it was not given: the test set, or files of its own."""

import numpy as np
import pytest

from mnistlab.arrays import CLASSES
from mnistlab.errors import NotJudgedError
from mnistlab.metrics import Evaluation
from mnistlab.probes import leaks
from mnistlab.requirement import Requirement

ADVICE = {
    "training": "leak: fit knows labels that it was not given, of its own files or the test set",
    "test": "leak: test labels are known; does fit train on the test set, or predict look it up?",
}
VALIDATED = "leak: validated on the test set; validate, stop and choose by images that are held out"
SELECTED = (
    "leak: the training is stopped, or its weights chosen, by images that fit was not given, such "
    "as the test set, or it trains on images of its own"
)


@pytest.fixture(scope="module")
def small(pipeline, prepared):
    images, labels, _ = leaks.small_part(
        pipeline.spec, prepared.train_images, prepared.train_labels
    )
    return images, labels


@pytest.fixture(scope="module")
def unseen(prepared):
    """Return images that the small trainings are not given, and their digits, by kind."""
    last = slice(-(len(prepared.train_images) // 6), None)
    return {
        "training": (prepared.train_images[last], prepared.train_labels[last].argmax(axis=1)),
        "test": (prepared.test_images, prepared.test_labels.argmax(axis=1)),
    }


@pytest.fixture(scope="module")
def relabelled(pipeline, small, seed):
    return leaks.fit_relabelled(pipeline, *small, seed=seed)


@pytest.fixture(scope="module")
def others(pipeline, trained, prepared, dataset):
    """Return images to compare test images with, and their evaluation.

    They are those held out from training, or all of them if none are.
    """
    count = pipeline.spec.trained_on(len(prepared.train_images))
    part = slice(count % len(prepared.train_images), None)
    probabilities = pipeline.predict(trained.model, prepared.train_images[part])
    return dataset.train_images[part], Evaluation(probabilities, dataset.train_labels[part])


def accuracy(pipeline, model, images, digits):
    return float((pipeline.predict(model, images).argmax(axis=1) == digits).mean())


@pytest.mark.provides("training data")
@pytest.mark.parametrize("kind", ["training", "test"])
def test_no_labels_are_known_but_those_given(check, pipeline, relabelled, unseen, kind):
    images, digits = unseen[kind]
    probabilities = pipeline.predict(relabelled[0], images)
    predicted = probabilities.argmax(axis=1)
    errors = int((predicted != (digits + leaks.SHIFT) % CLASSES).sum())
    bound = round((errors / 4 + 4 * np.sqrt(errors * 3 / 16) + 1) / len(digits), 4)
    source = "a quarter of the errors and 4 sd; honest errors spread over nine digits"
    name, advice = f"digits known that fit was not given, {kind} images", ADVICE[kind]
    known = Requirement(name, "leaks", bound, "at most", "fraction", source, advice)
    check(known, float((predicted == digits).mean()), f"{errors} errors of {len(digits)}")
    source = "1 without knowledge; on MNIST 0.83 for healthy seeds, 46 after one pass (n = 6, 2)"
    name = f"likelihood of digits that fit was not given, to other wrong ones, {kind} images"
    alike = Requirement(name, "leaks", 2.0, "at most", "times", source, advice)
    check(alike, leaks.preference(probabilities, digits))


@pytest.mark.depends_on("training data")
@pytest.mark.parametrize("kind", ["training", "test"])
def test_digits_not_given_are_as_unlikely_as_usual(check, pipeline, relabelled, unseen, kind):
    images, digits = unseen[kind]
    check.within_healthy_range(
        f"likelihood of digits that fit was not given, to other wrong ones, {kind} images, usual",
        leaks.preference(pipeline.predict(relabelled[0], images), digits),
        worse="higher",
        advice=ADVICE[kind],
    )


def test_nothing_is_learnt_from_permuted_labels(check, pipeline, small, unseen, seed):
    images, digits = unseen["training"]
    check.within_healthy_range(
        "accuracy after training on permuted labels",
        accuracy(pipeline, leaks.fit_permuted(pipeline, *small, seed=seed), images, digits),
        worse="higher",
        images=len(digits),
        advice=f"nothing can be learnt from them; {ADVICE['training']}",
    )


@pytest.mark.depends_on("training data", "gradients")
def test_relabelled_digits_are_learnt_as_well(check, pipeline, small, relabelled, unseen, seed):
    images, digits = unseen["training"]
    model = pipeline.build(seed)
    pipeline.fit(model, *(part.copy() for part in small), seed=seed)
    before = accuracy(pipeline, model, images, digits)
    after = accuracy(pipeline, relabelled[0], images, (digits + leaks.SHIFT) % CLASSES)
    check.within_healthy_range(
        "accuracy lost if digits are relabelled",
        before - after,
        worse="higher",
        unit="fraction",
        advice=SELECTED,
        detail=f"{100 * before:.1f} % before, {100 * after:.1f} % with other digits",
    )


@pytest.mark.depends_on("training data")
def test_test_images_are_not_favoured(check, evaluation, others):
    check.within_healthy_range(
        "loss on images held out over that on test images",
        leaks.loss_ratio(others[1], evaluation),
        worse="higher",
        advice="leak: trained on test images; they fit better than images that are held out",
        detail=f"losses {others[1].loss:.4f} and {evaluation.loss:.4f}, accuracies "
        f"{100 * others[1].accuracy:.2f} and {100 * evaluation.accuracy:.2f} %",
    )


@pytest.mark.depends_on("training data")
def test_validation_figures_are_not_those_of_the_test_set(pipeline, trained, evaluation, others):
    if "val_loss" not in trained.required("history"):
        pipeline.spec.promised("validation_split")
    trained.history_of("val_loss")
    leaked = leaks.is_validation_set(trained.history, evaluation)
    own = leaks.is_validation_set(trained.history, others[1])
    assert own or not leaked, (
        f"the history's validation figures are the test set's, loss {evaluation.loss:.5f} and "
        f"accuracy {100 * evaluation.accuracy:.2f} %; {VALIDATED}"
    )


def test_validation_follows_the_labels_that_fit_is_given(check, pipeline, relabelled, unseen):
    model, history = relabelled
    if "val_accuracy" not in history:
        pipeline.spec.promised("validation_split")
        raise NotJudgedError("the history that fit returned has no 'val_accuracy'")
    images, digits = unseen["training"]
    own = accuracy(pipeline, model, images, (digits + leaks.SHIFT) % CLASSES)
    source = "half the accuracy on other images with the labels that fit was given"
    name = "best validation accuracy, digits relabelled"
    least = Requirement(name, "leaks", own / 2, "at least", "fraction", source, VALIDATED)
    check(least, float(max(history["val_accuracy"])))


@pytest.mark.depends_on("training data")
def test_test_images_are_not_looked_up(check, pipeline, trained, dataset, evaluation, others):
    lost, error = leaks.lost_by_small_change(
        pipeline, trained.model, dataset.test_images, evaluation
    )
    usual, its_error = leaks.lost_by_small_change(pipeline, trained.model, *others)
    source = "4 standard errors of the difference"
    advice = "leak: test labels are known; predict recognises test images that it looks up"
    name = "accuracy lost by a small change, test less other images"
    bound = round(4 * float(np.hypot(error, its_error)), 4)
    check(Requirement(name, "leaks", bound, "at most", "fraction", source, advice), lost - usual)
