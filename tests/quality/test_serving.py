"""Whether the model predicts the same wherever and however it is used."""

import numpy as np
import pytest

from mnistlab.probes import model as model_probes
from mnistlab.requirement import Requirement

# float32 sums of 784 products, added up in another order: 784 * 2**-24 = 5e-5 at the very worst of a logit.
ROUNDING = Requirement(
    "largest difference of a probability",
    "serving",
    5e-5,
    "at most",
    "",
    "float32: 784 additions of 2**-24 each",
)
COUNT = 1000


@pytest.fixture(scope="module")
def images(prepared):
    return prepared.test_images[:COUNT]


@pytest.fixture(scope="module")
def expected(pipeline, trained, images):
    return pipeline.predict(trained.model, images)


def named(what):
    from dataclasses import replace

    return replace(ROUNDING, name=f"{ROUNDING.name}, {what}")


def test_saved_model_predicts_the_same_in_another_process(
    check, run_in_subprocess, pipeline, trained, images, expected, tmp_path
):
    path = tmp_path / "model.keras"
    model_probes.save(trained.model, path)
    there = run_in_subprocess(model_probes.predictions_of_file, pipeline, path, images)
    check(named("saved and loaded"), float(np.abs(there - expected).max()))


@pytest.mark.parametrize("size", [1, 7, 333])
def test_predictions_do_not_depend_on_the_batch_size(
    check, pipeline, trained, images, expected, size
):
    few = images[: 50 * size]
    parts = [pipeline.predict(trained.model, few[i : i + size]) for i in range(0, len(few), size)]
    far = np.abs(np.concatenate(parts) - expected[: len(few)]).max()
    check(named(f"batches of {size}"), float(far))


def test_predictions_do_not_depend_on_the_order_of_the_images(
    check, pipeline, trained, images, expected
):
    order = np.random.default_rng(0).permutation(len(images))
    far = np.abs(pipeline.predict(trained.model, images[order]) - expected[order]).max()
    check(named("another order"), float(far))


def test_a_second_time_the_predictions_are_the_same(check, pipeline, trained, images, expected):
    check(
        named("a second time"),
        float(np.abs(pipeline.predict(trained.model, images) - expected).max()),
    )


def test_one_image_is_served_as_in_a_batch(check, pipeline, trained, dataset, expected):
    raw = dataset.test_images[:50]
    alone = [
        pipeline.predict(trained.model, pipeline.prepare_images(raw[i : i + 1]))
        for i in range(len(raw))
    ]
    check(
        named("one raw image at a time"),
        float(np.abs(np.concatenate(alone) - expected[: len(raw)]).max()),
    )
