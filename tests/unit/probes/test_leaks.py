"""Every leak is told from its honest twin: softmax regression in NumPy on the digits."""

import functools
import importlib.util
import inspect
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from mnistlab.data import load_dataset
from mnistlab.environment import suite_folder
from mnistlab.errors import NotJudgedError
from mnistlab.gate import healthy_range
from mnistlab.metrics import Evaluation
from mnistlab.plugin import fixtures
from mnistlab.plugin.checker import Checker, Measurements
from mnistlab.probes import leaks
from mnistlab.recipe import DIGITS, Pipeline, Spec

dataset = functools.cache(functools.partial(load_dataset, "digits", None))


def pixels(images):
    return images[:, 2::4, 2::4].reshape(len(images), 49).astype(np.float64)


class _Honest:
    """Softmax regression on every fourth pixel of every fourth row, by gradient descent."""

    spec = replace(DIGITS, epochs=20)
    prepare_images = Pipeline.prepare_images
    prepare_labels = Pipeline.prepare_labels

    def build(self, seed):
        return np.random.default_rng(seed).normal(0, 0.01, (49, 10))

    def fit(self, model, images, labels, *, seed, epochs=None):
        rng, count = np.random.default_rng(seed), self.spec.trained_on(len(images))
        held_out = images[count:], labels[count:]
        return self.train(model, (images[:count], labels[:count]), held_out, rng, epochs or 20)

    def train(self, model, training, validation, rng, epochs):
        history = {"val_loss": [], "val_accuracy": []}
        rows, labels = pixels(training[0]), training[1]
        for _ in range(epochs):
            for batch in np.array_split(rng.permutation(len(rows)), max(len(rows) // 32, 1)):
                error = softmax(rows[batch] @ model, axis=1) - labels[batch]
                model -= 0.3 * rows[batch].T @ error / len(batch)
            seen = Evaluation(self.predict(model, validation[0]), validation[1].argmax(axis=1))
            history["val_loss"].append(seen.loss)
            history["val_accuracy"].append(seen.accuracy)
        return history

    def predict(self, model, images):
        return softmax(pixels(images) @ model, axis=1).astype(np.float32)

    def files(self):
        images, labels = dataset().train_images, dataset().train_labels
        return self.prepare_images(images), self.prepare_labels(labels)

    def test_set(self):
        images, labels = dataset().test_images, dataset().test_labels
        return self.prepare_images(images), self.prepare_labels(labels)


class _ReadsFiles(_Honest):
    def fit(self, model, images, labels, *, seed, epochs=None):
        return super().fit(model, *self.files(), seed=seed, epochs=epochs)


class _ReadsImagesOfItsOwn(_Honest):
    def fit(self, model, images, labels, *, seed, epochs=None):
        return super().fit(model, self.files()[0][: len(labels)], labels, seed=seed, epochs=epochs)


class _AddsTheTestSet(_Honest):
    def train(self, model, training, validation, rng, epochs):
        both = [np.concatenate(parts) for parts in zip(training, self.test_set(), strict=True)]
        return super().train(model, both, validation, rng, epochs)


class _PassesOverTheTestSet(_Honest):
    def train(self, model, training, validation, rng, epochs):
        history = super().train(model, training, validation, rng, epochs)
        super().train(model, self.test_set(), validation, rng, 1)
        return history


class _TrainsOnTheTestSetIfNotExamined(_Honest):
    def train(self, model, training, validation, rng, epochs):
        history = super().train(model, training, validation, rng, epochs)
        if len(training[0]) == self.spec.trained_on(len(dataset().train_images)):
            super().train(model, self.test_set(), validation, rng, epochs)
        return history


class _ValidatesOnTheTestSet(_Honest):
    def train(self, model, training, validation, rng, epochs):
        return super().train(model, training, self.test_set(), rng, epochs)


class _ChoosesByTheTestSet(_Honest):
    """Keeps the weights of the best epoch, measured on the test set, and reports another set."""

    def train(self, model, training, validation, rng, epochs):
        best, weights = np.inf, model.copy()
        for _ in range(epochs):
            history = super().train(weights, training, self.test_set(), rng, 1)
            if history["val_loss"][0] < best:
                best, model[:] = history["val_loss"][0], weights
        return {}


class _LooksUp(_Honest):
    def predict(self, model, images):
        known = {image.tobytes(): label for image, label in zip(*self.test_set(), strict=True)}
        rows = super().predict(model, images)
        pairs = zip(images, rows, strict=True)
        return np.array([known.get(each.tobytes(), row) for each, row in pairs])


@functools.cache
def suite():
    """Import the suite's tests of leaks, whose functions are called here without pytest."""
    spec = importlib.util.spec_from_file_location("leaks", suite_folder() / "test_leaks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured(pipeline, seed):
    """Return the figures of the suite's tests of leaks, and the messages of those that fail."""
    tests, data = suite(), dataset()
    prepared = fixtures.Prepared(*pipeline.files(), *pipeline.test_set())
    model = pipeline.build(seed)
    history = pipeline.fit(model, prepared.train_images, prepared.train_labels, seed=seed)
    known = {
        "check": Checker(Measurements(), pipeline, figures={}),
        "pipeline": pipeline,
        "seed": seed,
        "dataset": data,
        "prepared": prepared,
        "trained": fixtures.Trained(model, [], history, 0),
        "evaluation": Evaluation(pipeline.predict(model, prepared.test_images), data.test_labels),
    }
    messages = []

    def call(function, **arguments):
        names = inspect.signature(function).parameters
        return function(**{name: {**known, **arguments}[name] for name in names})

    for name in ("small", "unseen", "relabelled", "others"):
        known[name] = call(inspect.unwrap(getattr(tests, name)))
    for name in [name for name in vars(tests) if name.startswith("test_")]:
        test = getattr(tests, name)
        kinds = ("training", "test") if "kind" in inspect.signature(test).parameters else ("",)
        for kind in kinds:
            try:
                call(test, kind=kind)
            except (AssertionError, pytest.fail.Exception) as error:
                messages.append(str(error))
            except NotJudgedError:
                pass
    return known["check"].figures, messages


@functools.cache
def healthy_figures():
    return [measured(_Honest(), seed) for seed in range(100, 108)]


def found(pipeline):
    """Return what the suite says of a pipeline that is judged by eight honest seeds."""
    figures, messages = measured(pipeline, 0)
    for name, figure in figures.items():
        values = [seed[0][name].value for seed in healthy_figures()]
        high = healthy_range(values, figure.worse, figure.images).high
        messages += [name] * (figure.value > high)
    return messages


def test_honest_training_is_not_accused():
    assert found(_Honest()) == []
    assert [messages for _, messages in healthy_figures()] == [[]] * 8


@pytest.mark.parametrize(
    ("leak", "expected"),
    [
        (_ReadsFiles, "leak: fit knows labels that it was not given"),
        (_ReadsImagesOfItsOwn, "accuracy lost if digits are relabelled"),
        (_AddsTheTestSet, "leak: test labels are known"),
        (_PassesOverTheTestSet, "to other wrong ones, test images, usual"),
        (_TrainsOnTheTestSetIfNotExamined, "loss on images held out over that on test images"),
        (_ValidatesOnTheTestSet, "leak: validated on the test set"),
        (_ChoosesByTheTestSet, "accuracy lost if digits are relabelled"),
        (_LooksUp, "predict recognises test images"),
    ],
)
def test_a_leak_is_named(leak, expected):
    assert any(expected in message for message in found(leak())), found(leak())


class _CountsEpochs:
    """Its model is what `fit` ends in, for so many epochs on such labels."""

    def __init__(self, ends_in):
        self.spec, self.ends_in = Spec(), ends_in

    def build(self, seed):
        return {}

    def fit(self, model, images, labels, *, seed, epochs=None):
        relabelled = not labels[:, :3].any()
        model["end"] = self.ends_in(epochs, relabelled)
        return {}

    def predict(self, model, images):
        return np.full((len(images), 10), model["end"], dtype=np.float32)


@pytest.mark.parametrize(
    ("ends_in", "earlier"),
    [
        (lambda epochs, relabelled: epochs, False),
        (lambda epochs, relabelled: min(epochs, 4) if relabelled else epochs, True),
    ],
)
def test_a_fit_that_keeps_an_epoch_only_on_relabelled_digits_knows_the_true_ones(ends_in, earlier):
    data = (
        np.zeros((10, 28, 28), np.float32),
        np.eye(10, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1, 2, 0]],
    )
    assert leaks.returns_earlier_epoch(_CountsEpochs(ends_in), *data, seed=0) is earlier


def test_a_learner_without_epochs_is_not_judged_by_them():
    data = (
        np.zeros((10, 28, 28), np.float32),
        np.eye(10, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1, 2, 0]],
    )
    with pytest.raises(NotJudgedError, match="more epochs change nothing, whatever the labels are"):
        leaks.returns_earlier_epoch(_CountsEpochs(lambda epochs, relabelled: 1), *data, seed=0)
