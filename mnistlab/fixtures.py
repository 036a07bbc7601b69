"""The fixtures that quality tests are written with: data, subject, its training and evaluation, and the judge."""

from __future__ import annotations

import dataclasses
import importlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnistlab.data import Dataset, load_dataset
from mnistlab.errors import MnistlabError
from mnistlab.evaluate import Evaluation
from mnistlab.loaded import Unknown, load_model
from mnistlab.pipeline import Pipeline, pipeline_for
from mnistlab.record import Judge

ELSEWHERE = pytest.StashKey[ProcessPoolExecutor]()


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A dataset as the pipeline prepared it; read-only arrays."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.float32]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.float32]


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A fully trained model with the weights that it started from and the history of its training."""

    model: Any
    initial_weights: Sequence[NDArray[np.float32]] | Unknown
    history: dict[str, Any]
    seconds: float


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """Return the seed of the run."""
    return int(pytestconfig.option.seed)


@pytest.fixture(scope="session")
def dataset(pytestconfig: pytest.Config) -> Dataset:
    """Load the raw data; without it there is nothing to judge, so an error ends the run."""
    try:
        return load_dataset(pytestconfig.option.dataset, pytestconfig.option.mnist_data)
    except MnistlabError as error:
        if hasattr(pytestconfig, "workerinput"):  # of pytest-xdist, which takes a worker's exit for a crash
            pytest.fail(str(error), pytrace=False)
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def pipeline(dataset: Dataset) -> Pipeline:
    """Return the subject."""
    return pipeline_for(dataset.name)


@pytest.fixture(scope="session")
def prepared(pipeline: Pipeline, dataset: Dataset) -> Prepared:
    """Prepare the data as the pipeline does; read-only."""
    arrays = (
        pipeline.prepare_images(dataset.train_images),
        pipeline.prepare_labels(dataset.train_labels),
        pipeline.prepare_images(dataset.test_images),
        pipeline.prepare_labels(dataset.test_labels),
    )
    for array in arrays:
        array.setflags(write=False)
    return Prepared(*arrays)


@pytest.fixture(scope="session")
def trained(pytestconfig: pytest.Config, pipeline: Pipeline, prepared: Prepared, seed: int) -> Trained:
    """Train the model in full: once a run. Or load the file that ``--model`` names."""
    if pytestconfig.option.model:
        return Trained(load_model(pytestconfig.option.model), Unknown(), Unknown(), 0.0)
    model = pipeline.build(seed)
    initial = [np.array(weight) for weight in model.get_weights()]
    start = time.perf_counter()
    history = pipeline.fit(model, prepared.train_images, prepared.train_labels, seed=seed)
    return Trained(model, initial, history, time.perf_counter() - start)


@pytest.fixture(scope="session")
def evaluation(pipeline: Pipeline, prepared: Prepared, trained: Trained, dataset: Dataset) -> Evaluation:
    """Evaluate the trained model on the test images."""
    return Evaluation(pipeline.predict(trained.model, prepared.test_images), dataset.test_labels)


@pytest.fixture(scope="session")
def elsewhere(pytestconfig: pytest.Config) -> Callable[..., Any]:
    """Return a function that calls another in a process of its own."""
    executor = pytestconfig.stash[ELSEWHERE]
    return lambda function, *args, **kwargs: executor.submit(function, *args, **kwargs).result()


@pytest.fixture
def judge(
    record_property: Callable[[str, object], None],
    dataset: Dataset,
    pipeline: Pipeline,
    seed: int,
) -> Judge:
    """Return what a test records its measurements with, and is failed by."""
    facts = {"name": dataset.name, "source": dataset.source, "sha256": dataset.sha256, "note": dataset.note}
    subject = {"name": pipeline.name, "seed": seed, "parameters": pipeline.spec.parameters}
    bounds = [dataclasses.asdict(bound) for bound in pipeline.spec.bounds]
    if dataset.note:  # The promise was about MNIST; that it was not judged must be seen.
        mnist = (dataclasses.replace(bound, name=f"{bound.name} on MNIST") for bound in Pipeline.spec.bounds)
        bounds += [dataclasses.asdict(bound) for bound in mnist]
    context = {"dataset": facts, "subject": subject, "expected": bounds}
    record_property("mnistlab.context", json.dumps(context))
    return Judge(record_property, pipeline)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the other process, if a test needs it, early: it takes seconds, while the first tests run."""
    if any("elsewhere" in getattr(item, "fixturenames", ()) for item in session.items):
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(1, mp_context=context, initializer=_silence)
        executor.submit(importlib.import_module, "tensorflow")
        session.config.stash[ELSEWHERE] = executor


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the other process go."""
    if ELSEWHERE in session.config.stash:
        session.config.stash[ELSEWHERE].shutdown(wait=False, cancel_futures=True)


def _silence() -> None:
    """Keep what TensorFlow's C++ side writes out of the terminal; Python's errors travel by another way."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
