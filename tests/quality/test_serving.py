"""Whether the model predicts the same in another process, batch size, order or call."""

from dataclasses import replace

import numpy as np
import pytest

from mnistlab.metrics import robustness
from mnistlab.probes import model as model_probes
from mnistlab.requirement import Requirement

# A logit is a float32 sum of 784 products. Another order of addition changes it by 784 * 2**-24 =
# 5e-5 at most.
ROUNDING = Requirement(
    "largest difference of a probability",
    "serving",
    5e-5,
    "at most",
    source="float32: 784 additions of 2**-24 each",
)
ADVICE = {
    "saved and loaded": "look at layers and weights that Keras does not save",
    "another order": "look for values of the whole batch, such as batch normalisation in training",
    "a second time": "look for random layers and for state that predict changes",
    "one raw image at a time": "look at preparation, for values of the whole batch",
}
COUNT = 1000


@pytest.fixture(scope="module")
def images(prepared):
    return prepared.test_images[:COUNT]


@pytest.fixture(scope="module")
def expected(pipeline, trained, images):
    return pipeline.predict(trained.model, images)


def named(case):
    advice = ADVICE.get(case, "look for values of the whole batch, and for a last batch left out")
    return replace(ROUNDING, name=f"{ROUNDING.name}, {case}", advice=advice)


def difference(probabilities, others):
    return float(np.abs(probabilities - others).max())


def test_saved_model_predicts_the_same_in_another_process(
    check, run_in_subprocess, pipeline, trained, images, expected, tmp_path
):
    path = tmp_path / "model.keras"
    model_probes.save(trained.model, path)
    there = run_in_subprocess(model_probes.predictions_of_file, pipeline, path, images)
    check(named("saved and loaded"), difference(there, expected))


@pytest.mark.parametrize("size", [1, 7, 333])
def test_predictions_do_not_depend_on_the_batch_size(
    check, pipeline, trained, images, expected, size
):
    few = images[: 50 * size]
    parts = [pipeline.predict(trained.model, few[i : i + size]) for i in range(0, len(few), size)]
    check(named(f"batches of {size}"), difference(np.concatenate(parts), expected[: len(few)]))


def test_predictions_do_not_depend_on_the_order_of_the_images(
    check, pipeline, trained, images, expected
):
    order = np.random.default_rng(0).permutation(len(images))
    shuffled = pipeline.predict(trained.model, images[order])
    check(named("another order"), difference(shuffled, expected[order]))


def test_a_second_time_the_predictions_are_the_same(check, pipeline, trained, images, expected):
    again = pipeline.predict(trained.model, images)
    check(named("a second time"), difference(again, expected))


@pytest.mark.depends_on("images")
def test_one_image_is_served_as_in_a_batch(check, pipeline, trained, dataset, expected):
    alone = [
        robustness.predict_raw(pipeline, trained.model, image[None])
        for image in dataset.test_images[:50]
    ]
    check(named("one raw image at a time"), difference(np.concatenate(alone), expected[:50]))
