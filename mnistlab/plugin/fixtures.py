"""The fixtures of quality tests: data, pipeline, training, evaluation, and the checker."""

import contextlib
import dataclasses
import functools
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import numpy as np
import pytest

from mnistlab import loading
from mnistlab.arrays import Bytes, Floats
from mnistlab.data import Dataset, corrupt_all, load_dataset
from mnistlab.errors import MnistlabError, NotJudgedError, NotRequiredError
from mnistlab.execution import WorkerDiedError, WorkerProcess
from mnistlab.gate import Baseline
from mnistlab.loading import CheckedPipeline, ModelFilePipeline
from mnistlab.metrics import Evaluation
from mnistlab.plugin.checker import MEASUREMENTS, RUN_CONTEXT, AcceptedRanges, Checker, Measurements
from mnistlab.plugin.suite import FIGURES, PIPELINE, SESSION_CACHE, calls_in, check_name
from mnistlab.recipe import is_keras


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A dataset as the pipeline prepared it; read-only arrays."""

    train_images: Floats
    train_labels: Floats
    test_images: Floats
    test_labels: Floats


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A trained model, its weights before training, and what ``fit`` returned; None of a file."""

    model: Any
    initial_weights: list[Floats] | None
    history: dict[str, Any] | None
    seconds: float

    def history_of(self, key: str) -> Any:
        """Return a list of the history; NotJudgedError if there is none."""
        history = self.required("history")
        if key not in history:
            raise NotJudgedError(f"the history that fit returned has no {key!r}")
        return history[key]

    def required(self, field: Literal["history", "initial_weights"]) -> Any:
        """Return what is known of the training; NotRequiredError if the model is from a file."""
        value = getattr(self, field)
        if value is None:
            raise NotRequiredError(loading.UNTRAINED)
        return value


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """Return the seed of the run."""
    return int(pytestconfig.option.seed)


@pytest.fixture(scope="session")
def dataset(pytestconfig: pytest.Config) -> Dataset:
    """Load the raw data."""
    if SESSION_CACHE in pytestconfig.stash:
        return pytestconfig.stash[SESSION_CACHE].dataset
    with _errors_end_run(pytestconfig):
        return load_dataset(pytestconfig.option.dataset, pytestconfig.option.mnist_data)


@pytest.fixture(scope="session")
def subject() -> Any:
    """Return the pipeline, or its class, to judge without ``--pipeline``; None: the published one.

    Override it in a conftest.py.
    """
    return None


@pytest.fixture(scope="session")
def pipeline(pytestconfig: pytest.Config, dataset: Dataset, subject: Any) -> CheckedPipeline:
    """Load the pipeline or the model file that is judged."""
    option = pytestconfig.option
    with _errors_end_run(pytestconfig):
        given = pytestconfig.stash.get(PIPELINE, None)
        given = subject if given is None and option.pipeline is None else given
        if isinstance(given, CheckedPipeline):
            recipe = given
        elif given is not None:
            recipe = loading.check_pipeline(given, option.spec, dataset.name)
        else:
            recipe = loading.load_pipeline(option.pipeline, option.spec, dataset.name)
        if option.model:
            return ModelFilePipeline(recipe, loading.load_model(option.model))
        return recipe


@contextlib.contextmanager
def _errors_end_run(config: pytest.Config) -> Iterator[None]:
    """End the run with one line: without data or pipeline there is nothing to judge."""
    try:
        yield
    except MnistlabError as error:
        if hasattr(config, "workerinput"):  # pytest-xdist takes a worker's exit for a crash
            pytest.fail(str(error), pytrace=False)
        pytest.exit(str(error), returncode=1)


@pytest.fixture(scope="session")
def corrupted(
    pytestconfig: pytest.Config, dataset: Dataset
) -> Callable[[], Iterable[tuple[str, int, Bytes]]]:
    """Return a function that yields (name, severity, images) of each corruption of the test set."""
    if SESSION_CACHE in pytestconfig.stash:
        return pytestconfig.stash[SESSION_CACHE].corrupted
    return functools.partial(corrupt_all, dataset.test_images)


@pytest.fixture(scope="session")
def prepared(pipeline: CheckedPipeline, dataset: Dataset) -> Prepared:
    """Prepare the data with the pipeline; the arrays are read-only."""
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
    """Train the model once a run; or return the model of the file that ``--model`` names."""
    if isinstance(pipeline, ModelFilePipeline):
        return Trained(pipeline.model, initial_weights=None, history=None, seconds=0.0)
    model = pipeline.build(seed)
    initial = [np.array(weight) for weight in model.get_weights()] if is_keras(model) else []
    start = time.perf_counter()
    history = pipeline.fit(model, prepared.train_images, prepared.train_labels, seed=seed)
    return Trained(model, initial, history, time.perf_counter() - start)


@pytest.fixture(scope="session")
def built(pipeline: CheckedPipeline, seed: int) -> Any:
    """Build the untrained model; of a model file, return the model in it."""
    return pipeline.model if isinstance(pipeline, ModelFilePipeline) else pipeline.build(seed)


@pytest.fixture(scope="session")
def evaluation(
    pipeline: CheckedPipeline, prepared: Prepared, trained: Trained, dataset: Dataset
) -> Evaluation:
    """Evaluate the trained model on the test images."""
    return Evaluation(pipeline.predict(trained.model, prepared.test_images), dataset.test_labels)


@pytest.fixture(scope="session")
def run_in_subprocess(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Provide a function that calls a function in another process; load TensorFlow there early."""
    if SESSION_CACHE in request.config.stash:
        yield request.config.stash[SESSION_CACHE].run_in_subprocess
        return
    worker = WorkerProcess({"TF_CPP_MIN_LOG_LEVEL": "3"})

    def load_tensorflow() -> None:
        with contextlib.suppress(WorkerDiedError):  # the run ended first
            worker(pickle.dumps(exec), pickle.dumps("import tensorflow"))

    used = {name for it in request.session.items for name in getattr(it, "fixturenames", ())}
    if "run_in_subprocess" in used:  # by a test, and not only by `run_context`
        threading.Thread(target=load_tensorflow, daemon=True).start()
    yield calls_in(worker)
    worker.end()


@pytest.fixture
def check(
    request: pytest.FixtureRequest, pipeline: CheckedPipeline, accepted_ranges: AcceptedRanges
) -> Checker:
    """Return what judges and records a test's measurements."""
    measurements = request.node.stash.setdefault(MEASUREMENTS, Measurements())
    figures = request.config.stash.get(FIGURES, None)
    test = check_name(request.node.nodeid)
    return Checker(measurements, pipeline, accepted_ranges, test, figures)


@pytest.fixture(scope="session")
def run_context(
    pytestconfig: pytest.Config,
    run_in_subprocess: Callable[..., Any],  # so that the other process starts early
    dataset: Dataset,
    pipeline: CheckedPipeline,
    seed: int,
    accepted_state: Baseline | MnistlabError,
) -> None:
    """Say what the run judges and by which bounds; every quality test uses this fixture."""
    subject = {"name": pipeline.name, "seed": seed, "parameters": pipeline.spec.parameters}
    if pytestconfig.option.model:
        subject["file"] = pytestconfig.option.model
    bounds = list(pipeline.spec.bounds)
    if dataset.note:  # MNIST was wanted and is not there: show what was not judged.
        bounds += pipeline.mnist_bounds
    data_facts = ("name", "source", "sha256", "note")
    pytestconfig.stash[RUN_CONTEXT] = {
        "dataset": {name: getattr(dataset, name) for name in data_facts},
        "subject": subject,
        "expected": [dataclasses.asdict(bound) for bound in bounds],
        "not_judged": getattr(accepted_state, "not_judged", ()),
    }
