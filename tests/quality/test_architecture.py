"""Whether the model is the one that was specified."""

import itertools

import numpy as np
import pytest

from mnistlab.errors import NotJudgedError, NotRequiredError
from mnistlab.probes import model as model_probes
from mnistlab.recipe import PUBLISHED, require_keras_model
from mnistlab.requirement import Requirement

SPEC = "the subject's spec"
# The standard deviation of n evenly drawn weights, whose kurtosis is 1.8, has a relative one of
# root(0.8 / 4n). The bounds are 5 of them.
SPREADS = {1: (0.0071, 784 * 128), 2: (0.063, 128 * 10)}
GLOROT = (
    "even within root(6 / (inputs + outputs)), Keras's default (Glorot and Bengio, 2010, "
    "equation 16); 5 sd of {} draws"
)


@pytest.fixture(scope="module")
def model(built):
    return built


@pytest.fixture(scope="module")
def layers(model, pipeline):
    """Return pairs of a promised layer and the model's own; None for a missing one."""
    promised = pipeline.spec.promised("layers")
    own = [
        layer
        for layer in require_keras_model(model, "its layers").layers
        if type(layer).__name__ != "InputLayer"
    ]
    return list(itertools.zip_longest(promised, own))


@pytest.fixture(scope="module")
def published(pipeline):
    """Return the pipeline if it promises the published model, whose settings are Keras's."""
    spec = pipeline.spec
    if (spec.layers, spec.optimizer) != (PUBLISHED.layers, PUBLISHED.optimizer):
        raise NotRequiredError("the spec does not promise the published model")
    return pipeline


@pytest.fixture(scope="module")
def counted(layers):
    """Return the pairs whose parameters the spec states, and the layers that it does not have."""
    if all(promised.parameters is None for promised, _ in layers if promised):
        raise NotRequiredError("the spec promises no layer's parameters")
    return [
        (promised, own)
        for promised, own in layers
        if promised is None or promised.parameters is not None
    ]


def describe(kind, units, activation):
    return " ".join(str(part) for part in (kind, units, activation) if part is not None)


def describe_own(promised, own):
    """Describe a model's layer, without what the spec leaves open."""
    kind, units = type(own).__name__, getattr(own, "units", getattr(own, "filters", None))
    activation = getattr(getattr(own, "activation", None), "__name__", None)
    if promised and promised.kind == kind:
        units = None if promised.units is None else units
        activation = None if promised.activation is None else activation
    return describe(kind, units, activation)


def name_of(part):
    """Return the name of a metric or a schedule in a Keras configuration."""
    return part if isinstance(part, str) else part["config"].get("name", part["class_name"])


def compiled(model, part):
    """Return the model if it is compiled, or raise NotJudgedError."""
    if not require_keras_model(model, f"its {part}").compiled:
        raise NotJudgedError(
            f"the file was saved without its {part}; compile the model before you save it"
        )
    return model


def test_layers_are_the_specified_ones(check, layers):
    promised = [layer for layer, _ in layers if layer]
    required = " > ".join(describe(each.kind, each.units, each.activation) for each in promised)
    got = " > ".join(describe_own(promised, own) for promised, own in layers if own)
    advice = "build another model, or change the layers of the spec"
    check(Requirement("layers", "architecture", required, "equal to", "", SPEC, advice), got)


def test_parameters_are_where_they_belong(check, counted):
    required = " + ".join(str(promised.parameters) for promised, _ in counted if promised)
    got = " + ".join(str(own.count_params()) for _, own in counted if own)
    name, advice = "parameters by layer", "look at the number of units, and for missing biases"
    check(Requirement(name, "architecture", required, "equal to", "", SPEC, advice), got)


def test_all_parameters_are_trained(check, counted):
    required = sum(promised.parameters - promised.untrained for promised, _ in counted if promised)
    weights = [weight for _, own in counted if own for weight in own.trainable_weights]
    trained = sum(int(np.prod(weight.shape)) for weight in weights)
    name, advice = "trained parameters", "look for frozen layers, and layers of another size"
    check(Requirement(name, "architecture", required, "equal to", "", SPEC, advice), trained)


@pytest.mark.parametrize("part", ["optimizer", "learning rate", "metric"])
def test_model_is_compiled_as_specified(check, model, pipeline, part):
    required = pipeline.spec.promised(part.replace(" ", "_"))
    model = compiled(model, part)
    config, rate = model.get_compile_config(), model.optimizer.get_config()["learning_rate"]
    got = {
        "optimizer": type(model.optimizer).__name__.lower(),
        "learning rate": name_of(rate) if isinstance(rate, dict) else round(float(rate), 9),
        "metric": " ".join(name_of(metric) for metric in config["metrics"] or ()),
    }
    advice = "change model.compile in build, or the spec"
    check(Requirement(part, "architecture", required, "equal to", "", SPEC, advice), got[part])


@pytest.mark.parametrize("layer", SPREADS)
def test_initial_weights_spread_as_they_should(check, published, seed, layer):
    model = require_keras_model(published.build(seed), "its initial weights")
    spread = model_probes.initial_spread(model, layer)
    bound, draws = SPREADS[layer]
    name = f"initial spread of the weights of layer {layer} off Glorot's"
    source, advice = GLOROT.format(draws), "look at the initialisation"
    small = Requirement(name, "architecture", bound, "at most", "fraction", source, advice)
    check(small, abs(spread), f"{100 * spread:+.1f} %")


@pytest.mark.provides("deterministic")
def test_one_seed_gives_the_same_weights_and_two_give_others(pipeline, seed):
    models = [pipeline.build(number) for number in (seed, seed, seed + 1)]
    first, again, other = (require_keras_model(m, "its weights").get_weights() for m in models)
    same = [np.array_equal(a, b) for a, b in zip(first, again, strict=True)]
    assert all(same), (
        f"{same.count(False)} of {len(same)} weight arrays differ between two builds with one "
        "seed; set the seed before each build"
    )
    same = [np.array_equal(a, b) for a, b in zip(first, other, strict=True)]
    seeds = f"seeds {seed} and {seed + 1}"
    assert not all(same), f"{seeds} give the same weights; build must use its seed"


@pytest.mark.usefixtures("published")
def test_optimizer_has_no_other_settings(check, model):
    settings = model_probes.unusual_settings(compiled(model, "optimizer").optimizer)
    name, required = "settings of the optimizer", "Keras's defaults"
    source = "the recipe sets its learning rate alone"
    advice = "are gradients clipped, weights decayed or averaged?"
    check(Requirement(name, "architecture", required, "equal to", "", source, advice), settings)


def test_loss_is_the_specified_one(check, model, pipeline):
    required = pipeline.spec.promised("loss")
    difference = model_probes.loss_difference(compiled(model, "loss"), required)
    source = "the subject's spec; Keras clips probabilities at 1e-7"
    advice = "the model is compiled with another loss, label smoothing, or a wrong from_logits"
    name = f"distance from {required}"
    same = Requirement(name, "architecture", 1e-4, "at most", "nats", source, advice)
    check(same, difference, f"compiled with {model_probes.compiled_with(model)}")


def test_accuracy_is_the_share_of_images_read_right(check, model, pipeline):
    if pipeline.spec.promised("metric") != "accuracy":
        raise NotRequiredError("the metric of the spec is not accuracy")
    source = "64 random predictions"
    advice = "the metric counts each of the ten outputs on its own; use categorical accuracy"
    name = "distance of the model's accuracy from the share of the right"
    same = Requirement(name, "architecture", 1e-6, "at most", "", source, advice)
    check(same, model_probes.accuracy_difference(compiled(model, "metric")))


@pytest.mark.usefixtures("published")
def test_loss_has_no_other_terms(check, model):
    added = model_probes.regularisation_loss(require_keras_model(model, "its loss"))
    name, advice = "what regularisation adds to the loss", "has a layer a regularizer?"
    source = "the recipe has none"
    check(Requirement(name, "architecture", 0.0, "at most", "nats", source, advice), added)
