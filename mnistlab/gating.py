"""The gates inside pytest: their options, and the fixtures that hold the subject against what was accepted."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mnistlab import artifact, gate, rates
from mnistlab.baseline import Baseline, NoBaselineError, check, load, path_of
from mnistlab.commands import add_gate_options, baseline_folder
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.evaluate import Evaluation
from mnistlab.margins import DEFAULT, margins_for
from mnistlab.pipeline import Pipeline
from mnistlab.seeds import train_seeds

SPACING = 1000
"""Between the seeds of two runs, ``--seed`` 0 and 1: their draws are disjoint up to this budget."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what the gates can be told."""
    add_gate_options(parser.getgroup("mnistlab").addoption)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the one gate that fits the subject: a file or a recipe."""
    other = "recipe_gate" if config.option.model else "file_comparison"
    items[:] = [item for item in items if other not in getattr(item, "fixturenames", ())]


@pytest.fixture(scope="session")
def baselines(pytestconfig: pytest.Config) -> Path:
    """Return the folder of accepted results."""
    return baseline_folder(pytestconfig.option.baselines)


@pytest.fixture(scope="session")
def baseline(baselines: Path, pipeline: Pipeline, dataset: Dataset) -> Baseline:
    """Read what was last accepted; without it nothing is judged, and what does not fit fails."""
    try:
        found = load(path_of(baselines, pipeline.name, dataset.name))
        check(found, pipeline, dataset)
    except NoBaselineError as error:
        pytest.skip(f"{error} --dataset {dataset.name}")
    except MnistlabError as error:
        pytest.fail(str(error), pytrace=False)
    return found


@pytest.fixture(scope="session")
def recipe_gate(
    pytestconfig: pytest.Config, pipeline: Pipeline, dataset: Dataset, baseline: Baseline, seed: int
) -> gate.Result:
    """Train fresh seeds until the gate has decided: once a run."""
    option = pytestconfig.option
    try:
        margins = margins_for(dataset.name, set(baseline.columns), option.margin)
        plan = gate.plan(margins, option.seeds, baseline.seeds)
        train = functools.partial(train_seeds, pipeline, dataset)
        return gate.run(train, SPACING * (seed + 1), baseline.columns, plan, _progress(pytestconfig))
    except MnistlabError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def gate_rates(pytestconfig: pytest.Config, baselines: Path, dataset: Dataset, baseline: Baseline) -> rates.Rates:
    """Return the measured error rates of this gate, or a mapping with the reason why there are none."""
    margin = pytestconfig.option.margin or DEFAULT
    if dataset.name != rates.DATASET:
        return {"unknown": f"of the gate on {dataset.name} not measured; those of MNIST are"}
    try:
        return rates.load(baselines, dataset.name, (margin, pytestconfig.option.seeds, baseline.seeds))
    except MnistlabError as error:
        return {"unknown": str(error)}


@pytest.fixture(scope="session")
def file_comparison(pytestconfig: pytest.Config, baseline: Baseline, evaluation: Evaluation) -> artifact.Comparison:
    """Pair the file's predictions with the accepted ones."""
    usual = artifact.MARGIN if baseline.dataset == "mnist" else artifact.SMALL_MARGIN
    try:
        return artifact.compare(evaluation, baseline, pytestconfig.option.margin or usual)
    except MnistlabError as error:
        pytest.fail(str(error), pytrace=False)


def drop_of(result: gate.Result) -> float:
    """Return the estimated loss of accuracy of the leading metric, a fraction; NaN if there is none."""
    harm = result.readings[0].harm
    return harm if math.isfinite(harm) else math.nan


def _progress(config: pytest.Config) -> Callable[[str], None]:
    """Return what shows a line in place of the last on a terminal; elsewhere progress is noise."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    if hasattr(config, "workerinput") or capture is None or not sys.__stderr__ or not sys.__stderr__.isatty():
        return lambda line: None

    def show(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

    return show
