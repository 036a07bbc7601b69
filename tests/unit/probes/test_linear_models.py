"""Linear models tell a broken pipeline from a healthy one, whatever else differs."""

import dataclasses

import numpy as np
import pytest

from mnistlab.errors import NotJudgedError
from mnistlab.faults import CATALOGUE
from mnistlab.faults.catalogue.training_steps import TrainingSteps
from mnistlab.probes import linear_models
from mnistlab.recipe.pipeline import Pipeline
from mnistlab.recipe.spec import Spec

SMALL = Spec(batch_size=4, epochs=3)
IMAGE = np.random.default_rng(0).uniform(0.1, 0.9, (28, 28)).astype(np.float32)


def small(name):
    """Return a pipeline of the catalogue, or the published one, with small batches."""
    pipeline = CATALOGUE[name].pipeline() if name else TrainingSteps()
    pipeline.spec = SMALL
    return pipeline


@pytest.fixture
def eager():
    """Do steps one by one: to do a few takes less time than to trace them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def distance(name):
    return np.abs(linear_models.image_seen(small(name), IMAGE, seed=0) - IMAGE).max()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "name", [None, "batch-doubled", "rate-overridden", "labels-smoothed-by-hand"]
)
def test_an_image_that_is_trained_on_as_it_is_is_seen_as_it_is(name):
    assert distance(name) < 1e-5


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "name", ["slight-noise", "scaled-again-in-training", "transposed-in-training"]
)
def test_an_image_that_training_changes_is_seen_changed(name):
    assert distance(name) > 1e-3


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("name", "size"),
    [(None, 4), ("75-percent-of-images-removed", 4), ("batch-doubled", 8), ("no-batches", 72)],
)
def test_the_size_of_a_batch_is_that_of_training_however_many_images_there_are(name, size):
    assert linear_models.batch_size_seen(small(name), seed=0) == pytest.approx(size, rel=1e-4)


def test_batches_that_are_too_large_to_be_measured_are_not_judged():
    pipeline = Pipeline()
    pipeline.spec = dataclasses.replace(SMALL, batch_size=700)
    with pytest.raises(NotJudgedError, match="batches of 700 cannot be measured with 784 images"):
        linear_models.batch_size_seen(pipeline, seed=0)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [(None, 0), ("no-shuffling", 0), ("first-1000-images-only", 0.37), ("shard-read-twice", 0.4)],
)
def test_parts_of_a_large_set_that_are_left_out_or_read_twice_are_seen(name, wrong):
    assert linear_models.coverage_error(small(name), seed=0, count=2000) == pytest.approx(
        wrong, abs=0.02
    )


def test_a_shard_with_the_labels_of_another_is_seen():
    assert (
        linear_models.coverage_error(small("shard-of-labels-written-twice"), seed=0, count=2000)
        > 0.02
    )
