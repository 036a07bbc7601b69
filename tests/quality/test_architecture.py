"""Whether the model is the one that was specified."""

import numpy as np
import pytest

from mnistlab import probe
from mnistlab.contract import keras_model
from mnistlab.errors import NotAskedError, NotJudgedError
from mnistlab.requirement import Requirement

SPEC = "the subject's spec"


@pytest.fixture(scope="module")
def model(built):
    return built


def size_of(layer):
    """Return a layer's units, or filters."""
    return getattr(layer, "units", getattr(layer, "filters", None))


def describe(kind, units, activation):
    return " ".join(str(part) for part in (kind, units, activation) if part is not None)


def name_of(part):
    """Return the name of a metric or a schedule, given as Keras keeps it in a configuration."""
    return part if isinstance(part, str) else part["config"].get("name", part["class_name"])


def compiled(model, part):
    """Return a model that tells of a part that it is compiled with."""
    if not keras_model(model, f"its {part}").compiled:
        raise NotJudgedError(f"the file was saved without its {part}: compile the model before it is saved")
    return model


def test_layers_are_the_specified_ones(judge, model, pipeline):
    promised = pipeline.spec.promised("layers")
    required = " > ".join(describe(layer.kind, layer.units, layer.activation) for layer in promised)
    got = []
    for layer in keras_model(model, "its layers").layers:
        activation = getattr(getattr(layer, "activation", None), "__name__", None)
        got.append(describe(type(layer).__name__, size_of(layer), activation))
    layers = [part for part in got if part != "InputLayer"]
    judge(Requirement("layers", "architecture", required, "equal to", source=SPEC), " > ".join(layers))


def test_parameters_are_where_they_belong(judge, model, pipeline):
    required = " + ".join(str(layer.parameters) for layer in pipeline.spec.promised("layers"))
    layers = keras_model(model, "its layers").layers
    got = " + ".join(str(layer.count_params()) for layer in layers if type(layer).__name__ != "InputLayer")
    judge(Requirement("parameters by layer", "architecture", required, "equal to", source=SPEC), got)


def test_all_parameters_are_trained(judge, model, pipeline):
    required = sum(layer.parameters - layer.untrained for layer in pipeline.spec.promised("layers"))
    trained = sum(int(np.prod(weight.shape)) for weight in keras_model(model, "its parameters").trainable_weights)
    advice = "is a layer frozen, or of another size?"
    judge(Requirement("trained parameters", "architecture", required, "equal to", source=SPEC, advice=advice), trained)


@pytest.mark.parametrize("part", ["optimizer", "learning rate", "metric"])
def test_model_is_compiled_as_specified(judge, model, pipeline, part):
    required = pipeline.spec.promised(part.replace(" ", "_"))
    model = compiled(model, part)
    config, rate = model.get_compile_config(), model.optimizer.get_config()["learning_rate"]
    got = {
        "optimizer": type(model.optimizer).__name__.lower(),
        "learning rate": name_of(rate) if isinstance(rate, dict) else round(float(rate), 9),
        "metric": " ".join(name_of(metric) for metric in config["metrics"] or ()),
    }
    judge(Requirement(part, "architecture", required, "equal to", source=SPEC), got[part])


@pytest.mark.parametrize("layer", [1, 2])
def test_initial_weights_spread_as_they_should(judge, pipeline, seed, layer):
    name = f"initial spread of the weights of layer {layer} off Glorot's"
    judge.asked(name)
    spread = probe.initial_spread(keras_model(pipeline.build(seed), "its initial weights"), layer)
    judge(name, abs(spread), f"{100 * spread:+.1f} %")


def test_one_seed_gives_the_same_weights_and_two_give_others(pipeline, seed):
    model, again, other = (keras_model(pipeline.build(each), "its weights") for each in (seed, seed, seed + 1))
    same = [np.array_equal(a, b) for a, b in zip(model.get_weights(), again.get_weights(), strict=True)]
    assert all(same), f"{same.count(False)} of {len(same)} arrays of weights differ between two builds of one seed"
    differ = [not np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True)]
    assert any(differ), f"seeds {seed} and {seed + 1} give the same weights: is the seed used?"


def test_optimizer_has_no_other_settings(judge, model):
    judge.asked("settings of the optimizer")
    judge("settings of the optimizer", probe.unusual_settings(keras_model(model, "its optimizer").optimizer))


def test_loss_is_the_specified_one(judge, model, pipeline):
    required = pipeline.spec.promised("loss")
    apart = probe.loss_apart(compiled(model, "loss"), required)
    source = "the subject's spec; Keras cuts probabilities off at 1e-7"
    advice = "another loss, smoothed labels, or logits?"
    same = Requirement(f"distance from {required}", "architecture", 1e-4, "at most", "nats", source, advice)
    judge(same, apart, f"compiled with {probe.compiled_with(model)}")


def test_accuracy_is_the_share_of_images_read_right(judge, model, pipeline):
    if pipeline.spec.promised("metric") != "accuracy":
        raise NotAskedError("the spec promises another metric than accuracy")
    source, advice = "64 random predictions", "does its metric count each of the ten outputs by itself?"
    name = "distance of the model's accuracy from the share of the right"
    same = Requirement(name, "architecture", 1e-6, "at most", "", source, advice)
    judge(same, probe.accuracy_apart(compiled(model, "metric")))


def test_loss_has_no_other_terms(judge, model):
    judge.asked("what regularisation adds to the loss")
    judge("what regularisation adds to the loss", probe.penalty(keras_model(model, "its loss")))
