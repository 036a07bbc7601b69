"""The fixtures that quality tests are written with: data, subject, its training and evaluation, and the checker."""

import contextlib
import dataclasses
import functools
import importlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mnistlab.data import Dataset, corrupt_all, load_dataset
from mnistlab.errors import MnistlabError, NotJudgedError, NotRequiredError
from mnistlab.loading import (
    UNTRAINED,
    CheckedPipeline,
    History,
    ModelFilePipeline,
    Unknown,
    as_file_pipeline,
    load_model,
    load_pipeline,
    mnist_bounds,
)
from mnistlab.metrics import Evaluation
from mnistlab.plugin.checker import Checker
from mnistlab.recipe import is_keras

SUBPROCESS = pytest.StashKey[ProcessPoolExecutor]()


@dataclasses.dataclass(frozen=True, eq=False)
class SessionCache:
    """What a process that runs the suite many times keeps from run to run, as no pipeline has part in it."""

    dataset: Dataset
    corrupted: Callable[[], Iterable[tuple[str, int, Any]]]
    run_in_subprocess: Callable[..., Any]  # calls a function in another process


SESSION_CACHE = pytest.StashKey[SessionCache]()
"""Where a run finds it; an ordinary run makes its own."""


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
    if SESSION_CACHE in pytestconfig.stash:
        return pytestconfig.stash[SESSION_CACHE].dataset
    with _or_end(pytestconfig):
        return load_dataset(pytestconfig.option.dataset, pytestconfig.option.mnist_data)


@contextlib.contextmanager
def _or_end(config: pytest.Config) -> Iterator[None]:
    """End the run with one line where there is nothing to judge."""
    try:
        yield
    except MnistlabError as error:
        if hasattr(
            config, "workerinput"
        ):  # of pytest-xdist, which takes a worker's exit for a crash
            pytest.fail(str(error), pytrace=False)
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def pipeline(pytestconfig: pytest.Config, dataset: Dataset) -> CheckedPipeline:
    """Find the subject."""
    option = pytestconfig.option
    with _or_end(pytestconfig):
        subject = load_pipeline(option.pipeline, option.spec, dataset.name)
        return as_file_pipeline(subject, load_model(option.model)) if option.model else subject


@pytest.fixture(scope="session")
def corrupted(
    pytestconfig: pytest.Config, dataset: Dataset
) -> Callable[[], Iterable[tuple[str, int, NDArray[np.uint8]]]]:
    """Return a function that yields the corrupted test images, see `mnistlab.data.corruptions.corruptions`."""
    if SESSION_CACHE in pytestconfig.stash:
        return pytestconfig.stash[SESSION_CACHE].corrupted
    return functools.partial(corrupt_all, dataset.test_images)


@pytest.fixture(scope="session")
def prepared(pipeline: CheckedPipeline, dataset: Dataset) -> Prepared:
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
def trained(pipeline: CheckedPipeline, prepared: Prepared, seed: int) -> Trained:
    """Train the model in full: once a run. Or take that of the file that ``--model`` names."""
    if isinstance(pipeline, ModelFilePipeline):
        unknown = Unknown(NotRequiredError(UNTRAINED))
        return Trained(pipeline.model, unknown, unknown, 0.0)
    model = pipeline.build(seed)
    initial: Any = Unknown(
        NotJudgedError("build returns no Keras model, whose weights could be looked at")
    )
    if is_keras(model):
        initial = [np.array(weight) for weight in model.get_weights()]
    start = time.perf_counter()
    history = pipeline.fit(model, prepared.train_images, prepared.train_labels, seed=seed)
    return Trained(model, initial, History(history), time.perf_counter() - start)


@pytest.fixture(scope="session")
def built(pipeline: CheckedPipeline, seed: int) -> Any:
    """Build the model, untrained; of a file there is only the one in it."""
    return pipeline.model if isinstance(pipeline, ModelFilePipeline) else pipeline.build(seed)


@pytest.fixture(scope="session")
def evaluation(
    pipeline: CheckedPipeline, prepared: Prepared, trained: Trained, dataset: Dataset
) -> Evaluation:
    """Evaluate the trained model on the test images."""
    return Evaluation(pipeline.predict(trained.model, prepared.test_images), dataset.test_labels)


@pytest.fixture(scope="session")
def run_in_subprocess(pytestconfig: pytest.Config) -> Callable[..., Any]:
    """Return a function that calls another in a process of its own."""
    if SESSION_CACHE in pytestconfig.stash:
        return pytestconfig.stash[SESSION_CACHE].run_in_subprocess
    executor = pytestconfig.stash[SUBPROCESS]
    return lambda function, *args, **kwargs: executor.submit(function, *args, **kwargs).result()


@pytest.fixture
def check(
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
    dataset: Dataset,
    pipeline: CheckedPipeline,
    seed: int,
) -> Checker:
    """Return what a test records its measurements with, and is failed by."""
    facts = {
        "name": dataset.name,
        "source": dataset.source,
        "sha256": dataset.sha256,
        "note": dataset.note,
    }
    subject = {"name": pipeline.name, "seed": seed, "parameters": pipeline.spec.parameters}
    if pytestconfig.option.model:
        subject["file"] = pytestconfig.option.model
    bounds = [dataclasses.asdict(bound) for bound in pipeline.spec.bounds]
    if dataset.note:  # The promise was about MNIST; that it was not judged must be seen.
        mnist = (
            dataclasses.replace(bound, name=f"{bound.name} on MNIST")
            for bound in mnist_bounds(pipeline)
        )
        bounds += [dataclasses.asdict(bound) for bound in mnist]
    context = {"dataset": facts, "subject": subject, "expected": bounds}
    record_property("mnistlab.context", json.dumps(context))
    return Checker(record_property, pipeline)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the other process, if a test needs it, early: it takes seconds, while the first tests run."""
    needed = any("run_in_subprocess" in getattr(item, "fixturenames", ()) for item in session.items)
    if needed and SESSION_CACHE not in session.config.stash:
        context = multiprocessing.get_context("spawn")
        executor = ProcessPoolExecutor(1, mp_context=context, initializer=_silence)
        executor.submit(importlib.import_module, "tensorflow")
        session.config.stash[SUBPROCESS] = executor


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let the other process go."""
    if SUBPROCESS in session.config.stash:
        session.config.stash[SUBPROCESS].shutdown(wait=False, cancel_futures=True)


def _silence() -> None:
    """Keep what TensorFlow's C++ side writes out of the terminal; Python's errors travel by another way."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
