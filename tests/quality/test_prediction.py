"""Whether predict says what the model says, of these images and no others."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mnistlab.metrics import Evaluation
from mnistlab.probes import model as model_probes
from mnistlab.probes import updates
from mnistlab.recipe import is_keras, require_keras_model
from mnistlab.requirement import Requirement

ROUNDING = 1e-5  # float32 sums of ten terms of at most 1 are exact to 10 * 2**-24 = 6e-7
SERVED = 5e-5
FLOATS = "float32: 784 additions of 2**-24 each"
FEW = 64
examples = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    report_multiple_bugs=False,
)


@pytest.fixture(scope="module")
def model(built, pipeline, prepared, seed):
    if not is_keras(built):  # others may not predict before they are trained
        few = slice(pipeline.spec.total_of(pipeline.spec.batch_size))
        built = pipeline.build(seed)
        pipeline.fit(
            built, prepared.train_images[few], prepared.train_labels[few], seed=seed, epochs=1
        )
    return built


@pytest.fixture(scope="module")
def few(prepared):
    return prepared.test_images[:FEW]


@examples
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1.0, 1.0, 1.0, 1e-3, 0.0]),
    count=st.integers(1, 8),
)
def test_output_rows_are_probabilities_for_any_input(pipeline, model, seed, scale, count):
    images = (scale * np.random.default_rng(seed).random((count, 28, 28))).astype(np.float32)
    rows = pipeline.predict(model, images)
    assert rows.shape == (count, 10), (
        f"predict returns shape {rows.shape} for {count} images, required {(count, 10)}"
    )
    assert rows.dtype == np.float32, f"predict returns {rows.dtype}, required float32"
    assert (rows >= 0).all(), (
        f"predict returns {rows.min()}, required at least 0: logits, not probabilities?"
    )
    far = np.abs(rows.sum(axis=1) - 1).max()
    assert far <= ROUNDING, (
        f"a row sums to 1 but for {far:.2g}, required {ROUNDING:g}: is the output a softmax?"
    )


def test_the_same_images_get_the_same_predictions_again(check, pipeline, model, few):
    advice = "is something random left on, a dropout for instance?"
    name = "largest difference of a probability, asked twice"
    same = Requirement(name, "prediction", SERVED, "at most", "", FLOATS, advice)
    check(same, float(np.abs(pipeline.predict(model, few) - pipeline.predict(model, few)).max()))


def test_other_images_get_other_predictions(pipeline, model, few, prepared):
    others = pipeline.predict(model, prepared.test_images[FEW : 2 * FEW])
    same = int((pipeline.predict(model, few) == others).all(axis=1).sum())
    assert same < FEW, (
        f"{FEW} other images get the same predictions, one by one: is a result kept from before?"
    )


def test_probabilities_come_in_the_order_of_the_models_outputs(check, pipeline):
    got = " ".join(map(str, updates.output_columns(pipeline)))
    advice = "does predict sort the classes in another way?"
    order = Requirement(
        "column of each output", "prediction", "0 1 2 3 4 5 6 7 8 9", "equal to", advice=advice
    )
    check(order, got)


def test_predictions_are_what_the_model_itself_says(check, pipeline, model, few):
    far = np.abs(pipeline.predict(model, few) - model_probes.direct_predictions(model, few)).max()
    advice = "does predict scale, turn or mirror the images, or change the probabilities: a temperature, a rounding?"
    name = "largest difference of a probability, model to predict"
    check(Requirement(name, "prediction", SERVED, "at most", "", FLOATS, advice), float(far))


def test_an_untrained_model_knows_nothing(check, pipeline, seed, prepared, dataset):
    untrained = require_keras_model(pipeline.build(seed), "what it predicts before it is trained")
    start = Evaluation(pipeline.predict(untrained, prepared.train_images), dataset.train_labels)
    check("distance of the initial loss from ln 10", abs(start.loss - float(np.log(10))))
