"""The published recipe keeps its promises; TensorFlow is imported only where a model is built."""

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.recipe.pipeline import Pipeline, pipeline_for
from mnistlab.recipe.spec import DIGITS, Layer, Spec

COUNT = 403


def images_of(labels):
    """Draw one grey image a label: noise, and a white bar whose place tells the digit."""
    images = np.random.default_rng(3).integers(0, 100, (len(labels), 28, 28), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[4 + 2 * label : 6 + 2 * label] = 255
    return images


LABELS = (np.arange(COUNT) % 10).astype(np.uint8)
IMAGES = images_of(LABELS)


@pytest.fixture(scope="module")
def trained():
    """Return a pipeline, the model that it trained on a few hundred images, and the history."""
    pipeline = Pipeline()
    model = pipeline.build(7)
    images, labels = pipeline.prepare_images(IMAGES), pipeline.prepare_labels(LABELS)
    return pipeline, model, pipeline.fit(model, images, labels, seed=7)


def test_images_are_scaled_to_0_to_1():
    ramp = np.arange(28 * 28).reshape(1, 28, 28).astype(np.uint8)
    prepared = Pipeline().prepare_images(ramp)
    assert prepared.dtype == np.float32
    np.testing.assert_array_equal(prepared, ramp.astype(np.float32) / np.float32(255))
    assert (prepared.min(), prepared.max()) == (0, 1)


def test_labels_become_one_hot():
    prepared = Pipeline().prepare_labels(np.array([3, 0, 9], np.uint8))
    assert prepared.dtype == np.float32
    assert prepared.tolist() == np.eye(10)[[3, 0, 9]].tolist()


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_of_any_integer_type_are_taken(dtype):
    assert Pipeline().prepare_labels(np.arange(10, dtype=dtype)).argmax(axis=1).tolist() == list(
        range(10)
    )


def test_no_images_and_no_labels_are_prepared_to_none():
    assert Pipeline().prepare_images(np.zeros((0, 28, 28), np.uint8)).shape == (0, 28, 28)
    assert Pipeline().prepare_labels(np.zeros(0, np.uint8)).shape == (0, 10)


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (np.zeros((2, 28, 28), np.float32), r"float32 \(2, 28, 28\)"),
        (np.zeros((2, 28, 28), np.int64), r"int64 \(2, 28, 28\)"),
        (np.zeros((2, 28, 28), bool), r"bool \(2, 28, 28\)"),
        (np.zeros((28, 28), np.uint8), r"uint8 \(28, 28\)"),
        (np.zeros((2, 784), np.uint8), r"uint8 \(2, 784\)"),
        (np.zeros((2, 28, 28, 1), np.uint8), r"uint8 \(2, 28, 28, 1\)"),
        (np.zeros((2, 27, 28), np.uint8), r"uint8 \(2, 27, 28\)"),
        ([], r"float64 \(0,\)"),
        (None, r"object \(\)"),
    ],
)
def test_images_that_are_not_as_read_are_refused(images, got):
    with pytest.raises(MnistlabError, match=rf"images: got {got}; required uint8 \(N, 28, 28\)"):
        Pipeline().prepare_images(images)


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        (np.array([3.0, 4.0]), r"float64 \(2,\); required integers"),
        (np.array([np.nan]), r"float64 \(1,\); required integers"),
        (np.array([True, False]), r"bool \(2,\); required integers"),
        (np.array(["3"]), r"<U1 \(1,\); required integers"),
        (np.eye(10, dtype=np.uint8), r"uint8 \(10, 10\); required integers"),
        (np.array(3), r"int64 \(\); required integers"),
        (np.array([3, 10, 255]), r"10 among 2 outside 0\.\.9; required digits"),
        (np.array([3, -1]), r"-1 among 1 outside 0\.\.9; required digits"),
    ],
)
def test_labels_that_are_no_digits_are_refused(labels, got):
    with pytest.raises(MnistlabError, match=f"labels: got {got}"):
        Pipeline().prepare_labels(labels)


def test_the_spec_is_the_published_recipe():
    spec = Pipeline.spec
    dense = (Layer("Dense", 128, "relu", 100480), Layer("Dense", 10, "softmax", 1290))
    assert spec.layers == (Layer("Flatten", parameters=0), *dense)
    assert spec.parameters == 101770
    compiled = (spec.optimizer, spec.learning_rate, spec.loss, spec.metric)
    assert compiled == ("adam", 0.001, "categorical_crossentropy", "accuracy")
    assert (spec.epochs, spec.batch_size, spec.validation_split) == (5, 32, 0.2)
    assert 60000 * (1 - spec.validation_split) / spec.batch_size == 1500
    assert spec.bound("test accuracy").bound == 0.97


def test_the_digits_keep_the_recipe_and_have_a_bound_of_their_own():
    assert pipeline_for("digits").spec is DIGITS
    assert DIGITS.layers == Spec().layers
    assert [bound.name for bound in DIGITS.bounds] == ["test accuracy"]
    assert DIGITS.bound("test accuracy").bound != Spec().bound("test accuracy").bound


@pytest.mark.parametrize("spec", [Spec(), DIGITS], ids=["mnist", "digits"])
def test_a_person_promised_the_accuracy_alone_and_says_why(spec):
    [bound] = spec.bounds
    assert (bound.name, bound.direction, bound.unit) == ("test accuracy", "at least", "fraction")
    assert bound.source


def test_a_bound_that_the_spec_does_not_state_is_a_key_error():
    with pytest.raises(KeyError, match="no such bound"):
        Spec().bound("no such bound")


def test_the_model_has_the_parameters_of_the_spec(trained):
    _, model, _ = trained
    assert model.count_params() == Spec().parameters


def test_by_default_it_trains_for_the_epochs_of_the_spec_on_all_but_the_part_held_out(trained):
    _, model, history = trained
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy", "averaged_weights"}
    assert [len(history[key]) for key in ("loss", "accuracy", "val_loss", "val_accuracy")] == [
        5
    ] * 4
    shapes = [weight.shape for weight in model.get_weights()]
    assert [weight.shape for weight in history["averaged_weights"]] == shapes
    assert int(model.optimizer.iterations) == 5 * 11, (
        "floor(403 * 0.8) = 322 images are 10 batches of 32 and a rest"
    )


def test_predictions_are_probabilities_of_any_number_of_images(trained):
    pipeline, model, _ = trained
    prepared = pipeline.prepare_images(IMAGES)
    rows = pipeline.predict(model, prepared)
    assert (rows.shape, rows.dtype) == ((COUNT, 10), np.float32)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    assert np.mean(rows.argmax(axis=1) == LABELS) > 0.3, (
        "five short epochs find the bars better than chance, 0.1"
    )
    one, none = pipeline.predict(model, prepared[:1]), pipeline.predict(model, prepared[:0])
    np.testing.assert_allclose(one, rows[:1], atol=1e-6)
    assert (none.shape, none.dtype) == ((0, 10), np.float32)


def test_predicting_in_blocks_leaves_out_nothing(trained):
    pipeline, model, _ = trained
    few = pipeline.prepare_images(IMAGES)
    many = np.concatenate([few] * 11)[: 2 * 2000 + 1]  # two blocks of 2000 and a rest
    np.testing.assert_allclose(
        pipeline.predict(model, many),
        np.concatenate([pipeline.predict(model, few)] * 11)[: len(many)],
        atol=1e-6,
    )


def test_no_epochs_change_nothing():
    pipeline = Pipeline()
    model = pipeline.build(1)
    before = [np.array(weight) for weight in model.get_weights()]
    history = pipeline.fit(
        model, pipeline.prepare_images(IMAGES), pipeline.prepare_labels(LABELS), seed=1, epochs=0
    )
    assert not any(history.get(key) for key in ("loss", "val_loss"))
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_importing_the_package_and_collecting_its_tests_do_not_import_tensorflow(collected):
    assert {"mnistlab.recipe.pipeline", "mnistlab.plugin.hooks"} <= collected
    assert not {"tensorflow", "keras"} & collected
