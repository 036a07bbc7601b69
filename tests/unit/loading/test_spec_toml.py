"""A promise in TOML says what it says, and nothing is guessed from what it should not say."""

import runpy
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mnistlab.environment import suite_folder
from mnistlab.errors import MnistlabError
from mnistlab.loading.spec_toml import apply_toml
from mnistlab.recipe import DIGITS, PUBLISHED, Layer, Spec

WHOLE = """
    [spec]
    dataset = "digits"
    optimizer = "sgd"
    learning_rate = 0.1
    loss = false
    metric = false
    epochs = 3
    batch_size = 64
    validation_split = 0
    image_range = [-0.5, 0.5]
    refuses_wrong_input = true
    training = ["augmentation", "schedule"]
    layers = [
        {kind = "Flatten"},
        {kind = "Dense", units = 10, activation = "softmax", parameters = 7850},
    ]
    [bounds]
    "test accuracy" = 0.9
    "Brier score" = 0.1
    [gate]
    margin = 0.01
"""


def test_every_field_can_be_stated():
    stated, margin = apply_toml(WHOLE, "x.toml", Spec())
    layers = (Layer("Flatten"), Layer("Dense", 10, "softmax", 7850))
    training = ("augmentation", "schedule")
    expected = Spec("digits", layers, "sgd", 0.1, None, None, 3, 64, 0, (-0.5, 0.5), True, training)
    assert replace(stated, bounds=expected.bounds) == expected
    assert {bound.name: (bound.bound, bound.direction) for bound in stated.bounds} == {
        "test accuracy": (0.9, None),  # the check knows the side
        "Brier score": (0.1, None),
    }
    assert {bound.source for bound in stated.bounds} == {"stated in --spec"}
    assert margin == 0.01


@pytest.mark.parametrize("spec", [PUBLISHED, DIGITS], ids=["mnist", "digits"])
def test_a_file_that_says_nothing_changes_nothing(spec):
    assert apply_toml("", "x.toml", spec) == (spec, None)


def test_a_bound_replaces_its_namesake_and_false_takes_it_away():
    own, _ = apply_toml("[bounds]\n'test loss' = 0.5\n'Brier score' = 0.1", "x.toml", PUBLISHED)
    spec, _ = apply_toml("[bounds]\n'test loss' = 0.4\n'Brier score' = false", "x.toml", own)
    stated = {bound.name: bound.bound for bound in spec.bounds}
    assert stated == {"test accuracy": 0.97, "test loss": 0.4}


def test_a_range_of_images_need_not_be_promised():
    assert apply_toml("[spec]\nimage_range = false", "x.toml", Spec())[0].image_range is None


def test_layers_may_be_an_array_of_tables_or_not_be_promised():
    assert apply_toml("[[spec.layers]]\nkind = 'Flatten'", "x.toml", Spec())[0].layers == (
        Layer("Flatten"),
    )
    assert apply_toml("[spec]\nlayers = false", "x.toml", Spec())[0].layers is None


@pytest.mark.parametrize("left_out", ["units", "activation", "parameters"])
def test_what_a_layer_leaves_out_is_not_asked(left_out):
    stated = {
        "units": "units = 10",
        "activation": "activation = 'softmax'",
        "parameters": "parameters = 7850",
    }
    text = "\n".join(line for key, line in stated.items() if key != left_out)
    spec, _ = apply_toml(f"[[spec.layers]]\nkind = 'Dense'\n{text}", "x.toml", Spec())
    assert spec.parameters == (None if left_out == "parameters" else 7850)
    own = type("Dense", (), {"units": 10, "activation": SimpleNamespace(__name__="softmax")})()
    words = runpy.run_path(str(suite_folder() / "test_architecture.py"))["describe_own"](
        *spec.layers, own
    )
    assert words == {"units": "Dense softmax", "activation": "Dense 10"}.get(
        left_out, "Dense 10 softmax"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[spec", r"not TOML: "),
        ("[specs]", r"specs is unknown; allowed: spec, bounds, gate$"),
        ("spec = 1", r"spec = 1; required a table, \[spec\]$"),
        (
            "[spec]\nepoch = 1",
            r"spec\.epoch is unknown; allowed: dataset, layers, optimizer, .*, training$",
        ),
        ("[spec]\nepochs = 1.5", r"spec\.epochs = 1\.5; required a whole number from 1$"),
        ("[spec]\nepochs = false", r"spec\.epochs = False; required a whole number from 1$"),
        (
            "[spec]\nbatch_size = 1" + "0" * 400,
            r"spec\.batch_size = 10{58}\d?; required a whole number from 1$",
        ),
        (
            "[spec]\nbatch_size = 1" + "0" * 5000,
            r"(not TOML: Exceeds the limit|spec\.batch_size = 10)",
        ),
        ("[spec]\nbatch_size = 0", r"spec\.batch_size = 0; required a whole number from 1$"),
        (
            "[spec]\noptimizer = 1",
            r"spec\.optimizer = 1; required a string, or None \(in TOML false\)$",
        ),
        (
            "[spec]\nlearning_rate = -1",
            r"spec\.learning_rate = -1; required a number above 0, or None \(in TOML false\)",
        ),
        ("[spec]\nlearning_rate = nan", r"spec\.learning_rate = nan; required a number above 0"),
        (
            "[spec]\nvalidation_split = 1",
            r"spec\.validation_split = 1; required a number from 0, below 1$",
        ),
        (
            "[spec]\ndataset = ''",
            r"spec\.dataset = ''; required a name of letters, digits, - _ and",
        ),
        ("[spec]\nimage_range = 1", r"spec\.image_range = 1; required the least and the largest "),
        (
            "[spec]\ntraining = [[]]",
            r"spec\.training = \(\[\],\); required a tuple, in TOML a list",
        ),
        (
            "[spec]\nlayers = 3",
            r"spec\.layers = 3; required a tuple of Layer \(in TOML \[\[spec\.layers\]\]\), or",
        ),
        (
            "[[spec.layers]]\nunits = 3",
            r"spec\.layers, 1: {'units': 3}; required a table with the Keras class as kind",
        ),
        (
            "[[spec.layers]]\nkind = 'Dense'\nunit = 3",
            r"spec\.layers, 1: unit is unknown; allowed: kind, units, ",
        ),
        (
            "[[spec.layers]]\nkind = 'Dense'\nunits = '3'",
            r"spec\.layers, 1: units = '3'; required a whole number, or None",
        ),
        (
            "[bounds]\n'test accuracy' = true",
            r"bounds\.'test accuracy' = True; required a number, or False \(in TOML",
        ),
        ("[gate]\naccuracy = -1", r"spec\.gate = {'accuracy': -1}; required margins above 0"),
        ("[gate]\nmargin = 1", r"gate\.margin = 1; required a fraction such as 0\.001$"),
    ],
)
def test_what_a_promise_cannot_be_is_named_with_its_key(text, message):
    with pytest.raises(MnistlabError, match=f"^--spec x.toml: {message}") as caught:
        apply_toml(text, "x.toml", Spec())
    assert "\n" not in str(caught.value)
