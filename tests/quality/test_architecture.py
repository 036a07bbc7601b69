"""Whether the model is the one that was specified."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mnistlab.evaluate import Evaluation
from mnistlab.requirement import Requirement

SPEC = "the subject's spec"
ROUNDING = 1e-5  # float32 sums of ten terms of at most 1 are exact to 10 * 2**-24 = 6e-7
examples = settings(max_examples=20, deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def model(pipeline, seed):
    return pipeline.build(seed)


def describe(kind, units, activation):
    return " ".join(str(part) for part in (kind, units, activation) if part is not None)


def name_of(part):
    """Return the name of a loss or metric, given as Keras keeps it in a compiled model's configuration."""
    return part if isinstance(part, str) else part["config"].get("name", part["class_name"])


def test_layers_are_the_specified_ones(judge, model, pipeline):
    required = " > ".join(describe(layer.kind, layer.units, layer.activation) for layer in pipeline.spec.layers)
    got = []
    for layer in model.layers:
        activation = getattr(getattr(layer, "activation", None), "__name__", None)
        got.append(describe(type(layer).__name__, getattr(layer, "units", None), activation))
    layers = [part for part in got if part != "InputLayer"]
    judge(Requirement("layers", "architecture", required, "equal to", source=SPEC), " > ".join(layers))


def test_parameters_are_where_they_belong(judge, model, pipeline):
    required = " + ".join(str(layer.parameters) for layer in pipeline.spec.layers)
    got = " + ".join(str(layer.count_params()) for layer in model.layers if type(layer).__name__ != "InputLayer")
    judge(Requirement("parameters by layer", "architecture", required, "equal to", source=SPEC), got)


def test_all_parameters_are_trained(judge, model, pipeline):
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    advice = "is a layer frozen, or of another size?"
    required = pipeline.spec.parameters
    judge(Requirement("trained parameters", "architecture", required, "equal to", source=SPEC, advice=advice), trained)


@pytest.mark.parametrize("part", ["optimizer", "learning rate", "loss", "metric"])
def test_model_is_compiled_as_specified(judge, model, pipeline, part):
    compiled = model.get_compile_config()
    got = {
        "optimizer": type(model.optimizer).__name__.lower(),
        "learning rate": round(float(model.optimizer.learning_rate), 9),
        "loss": name_of(compiled["loss"]),
        "metric": " ".join(name_of(metric) for metric in compiled["metrics"] or ()),
    }
    required = getattr(pipeline.spec, part.replace(" ", "_"))
    judge(Requirement(part, "architecture", required, "equal to", source=SPEC), got[part])


@examples
@given(seed=st.integers(0, 2**32 - 1), scale=st.sampled_from([0.0, 1e-3, 1.0, 1.0, 1.0]), count=st.integers(1, 8))
def test_output_rows_are_probabilities_for_any_input(pipeline, model, seed, scale, count):
    images = (scale * np.random.default_rng(seed).random((count, 28, 28))).astype(np.float32)
    rows = pipeline.predict(model, images)
    assert rows.shape == (count, 10), f"predict returns shape {rows.shape} for {count} images, required {(count, 10)}"
    assert rows.dtype == np.float32, f"predict returns {rows.dtype}, required float32"
    assert (rows >= 0).all(), f"predict returns {rows.min()}, required at least 0: logits, not probabilities?"
    far = np.abs(rows.sum(axis=1) - 1).max()
    assert far <= ROUNDING, f"a row sums to 1 but for {far:.2g}, required {ROUNDING:g}: is the output a softmax?"


def test_an_untrained_model_knows_nothing(judge, pipeline, model, prepared, dataset):
    start = Evaluation(pipeline.predict(model, prepared.train_images), dataset.train_labels)
    judge("distance of the initial loss from ln 10", abs(start.loss - float(np.log(10))))


def test_one_seed_gives_the_same_weights_and_two_give_others(pipeline, model, seed):
    again, other = pipeline.build(seed), pipeline.build(seed + 1)
    same = [np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True)]
    assert all(same), f"{same.count(False)} of {len(same)} arrays of weights differ between two builds of one seed"
    differ = [not np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True)]
    assert any(differ), f"seeds {seed} and {seed + 1} give the same weights: is the seed used?"
