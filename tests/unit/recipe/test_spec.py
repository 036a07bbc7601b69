"""A spec refuses what a model cannot be judged by, and says which field is wrong."""

import doctest

import pytest

from mnistlab.errors import MnistlabError
from mnistlab.recipe import spec as module
from mnistlab.recipe.spec import PUBLISHED, Layer, Spec, bounds_of


def test_the_examples_in_the_docstrings_run():
    failures, examples = doctest.testmod(module)
    assert examples >= 5
    assert failures == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Spec(epochs=0), r"spec\.epochs = 0; required a whole number from 1$"),
        (lambda: Spec(epochs=True), r"spec\.epochs = True; required a whole number from 1$"),
        (lambda: Spec(dataset="a/b"), r"spec\.dataset = 'a/b'; required a name of letters, "),
        (lambda: Spec(image_range=(1, 0)), r"spec\.image_range = \(1, 0\); required the least and"),
        (
            lambda: Spec(training=("dropout",)),
            r"spec\.training = .*; required a tuple, .* of 'early",
        ),
        (lambda: Spec(loss=""), r"spec\.loss = ''; required a string, or None"),
        (lambda: Spec(layers=[Layer("Flatten")]), r"spec\.layers = .*; required a tuple of Layer"),
        (lambda: Spec(bounds=(0.97,)), r"spec\.bounds = .*; required a tuple of Requirement$"),
        (lambda: Layer("Dense", -1), r"^units = -1; required a whole number, or None"),
        (lambda: Layer(None), r"^kind = None; required a string$"),
        (lambda: bounds_of({"test loss": None}), r"bounds\.'test loss' = None; required a number"),
        (
            lambda: bounds_of({"test loss": "low"}),
            r"bounds\.'test loss' = 'low'; required a number",
        ),
    ],
)
def test_a_value_that_a_field_cannot_have_is_refused(make, message):
    with pytest.raises(MnistlabError, match=message):
        make()


def test_a_recipe_of_ones_own_need_not_refuse_wrong_input_as_the_published_one_does():
    assert (Spec().refuses_wrong_input, PUBLISHED.refuses_wrong_input) == (False, True)
    assert Spec(refuses_wrong_input=True) == PUBLISHED


def test_a_spec_allows_what_it_promises_of_the_training():
    spec = Spec(training=("schedule",))
    assert spec.allows("schedule")
    assert not spec.allows("augmentation")


def test_what_is_none_is_not_checked():
    nothing_of_keras = [None] * 5
    spec = Spec("mnist", *nothing_of_keras)
    assert (spec.layers, spec.metric, spec.parameters) == (None, None, None)


def test_false_leaves_a_measurement_without_a_bound():
    stated = bounds_of({"test accuracy": False, "test loss": 0.1})
    assert [bound.name for bound in stated] == ["test loss"]
