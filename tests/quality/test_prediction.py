"""Whether predict returns the model's probabilities for the images that it is given."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mnistlab.arrays import CLASSES, IMAGE_SHAPE
from mnistlab.errors import ContractError, NotJudgedError
from mnistlab.metrics import Evaluation
from mnistlab.probes import leaks
from mnistlab.probes import model as model_probes
from mnistlab.recipe import is_keras
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
def small_trained(pipeline, prepared, seed):
    """Return a model after a small training, on copies, as another check tells if fit writes."""
    images, labels = prepared.train_images, prepared.train_labels
    model = pipeline.build(seed)
    data = (part.copy() for part in leaks.small_part(pipeline.spec, images, labels)[:2])
    pipeline.fit(model, *data, seed=seed)
    return model


@pytest.fixture(scope="module")
def model(request, built):
    # Models that are not Keras's may not predict before they are trained.
    return built if is_keras(built) else request.getfixturevalue("small_trained")


@pytest.fixture(scope="module")
def few(prepared):
    return prepared.test_images[:FEW]


@pytest.mark.provides("predict")
@examples
@given(
    seed=st.integers(0, 2**32 - 1),
    scale=st.sampled_from([1.0, 1.0, 1.0, 1e-3, 0.0]),
    count=st.integers(1, 8),
)
def test_output_rows_are_probabilities_for_any_input(pipeline, model, seed, scale, count):
    low, high = pipeline.spec.image_range or (0, 1)
    noise = scale * np.random.default_rng(seed).random((count, *IMAGE_SHAPE))
    images = (low + (high - low) * noise).astype(np.float32)
    rows = pipeline.predict(model, images)
    required = (count, CLASSES)
    got = f"predict returns shape {rows.shape} for {count} images"
    assert rows.shape == required, f"{got}, required {required}"
    assert rows.dtype == np.float32, f"predict returns {rows.dtype}, required float32"
    advice = "these look like logits; apply a softmax"
    assert (rows >= 0).all(), f"predict returns {rows.min()}, required at least 0; {advice}"
    error = np.abs(rows.sum(axis=1) - 1).max()
    got = f"the sum of a row differs from 1 by {error:.2g}"
    assert error <= ROUNDING, f"{got}, required at most {ROUNDING:g}; end the model with a softmax"


@pytest.mark.provides("predict")
def test_the_same_images_get_the_same_predictions_again(check, pipeline, model, few):
    advice = "something random is active when predicting; call the model with training=False"
    name = "largest difference of a probability, asked twice"
    same = Requirement(name, "prediction", SERVED, "at most", "", FLOATS, advice)
    check(same, float(np.abs(pipeline.predict(model, few) - pipeline.predict(model, few)).max()))


@pytest.mark.provides("predict")
def test_other_images_get_other_predictions(pipeline, model, few, prepared):
    others = pipeline.predict(model, prepared.test_images[FEW : 2 * FEW])
    same = int((pipeline.predict(model, few) == others).all(axis=1).sum())
    assert same < FEW, (
        f"{FEW} other images get exactly the predictions of the first {FEW}; predict ignores its "
        "images, or returns a cached result"
    )


@pytest.mark.provides("predict")
def test_probabilities_come_in_the_order_of_the_digits(
    check, request, pipeline, small_trained, prepared
):
    images, labels = prepared.train_images[:2000], prepared.train_labels[:2000]
    try:
        columns = model_probes.columns_of_digits(pipeline.predict(small_trained, images), labels)
    except NotJudgedError:  # it knows too little
        model = request.getfixturevalue("trained").model
        columns = model_probes.columns_of_digits(pipeline.predict(model, images), labels)
    got = " ".join(map(str, columns))
    advice = "predict returns the classes in another order; column i must be digit i"
    name, required = "column of each digit", "0 1 2 3 4 5 6 7 8 9"
    check(Requirement(name, "prediction", required, "equal to", advice=advice), got)


@pytest.mark.provides("predict")
def test_predictions_are_what_the_model_itself_says(check, pipeline, model, few):
    own = model_probes.direct_predictions(model, few)
    error = np.abs(pipeline.predict(model, few) - own).max()
    advice = (
        "predict changes images (scaling, rotation, mirroring) or probabilities (temperature, "
        "rounding, only the likeliest classes kept); leave both to the model"
    )
    name = "largest difference of a probability, model to predict"
    check(Requirement(name, "prediction", SERVED, "at most", "", FLOATS, advice), float(error))


@pytest.mark.depends_on("predict")
def test_an_untrained_model_knows_nothing(check, pipeline, seed, prepared, dataset):
    untrained = pipeline.build(seed)
    try:
        probabilities = pipeline.predict(untrained, prepared.train_images)
    except ContractError as error:
        if is_keras(untrained):
            raise
        raise NotJudgedError(f"the model cannot predict before it is trained: {error}") from error
    start = Evaluation(probabilities, dataset.train_labels)
    check.within_healthy_range(
        "distance of the initial loss from ln 10",
        abs(start.loss - float(np.log(10))),
        worse="higher",
        unit="nats",
        advice="look at the initialisation, the activation of the output and the loss",
    )
