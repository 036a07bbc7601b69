"""The gates inside pytest: their options, and the fixtures that compare with the accepted state."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from mnistlab.data import Dataset
from mnistlab.environment import baseline_folder
from mnistlab.errors import MnistlabError, NotJudgedError
from mnistlab.execution import Backend
from mnistlab.gate import (
    ACCEPT_AGAIN,
    GROUP,
    AcceptedSeeds,
    Baseline,
    NoBaselineError,
    Plan,
    SeedRunner,
    baseline_path,
    error_rates,
    gate_metrics,
    identity,
    make_plan,
    open_runner,
    paired,
    sequential,
)
from mnistlab.loading import CheckedPipeline
from mnistlab.metrics import Evaluation
from mnistlab.options import BUDGET, accept_command, add_gate_options
from mnistlab.plugin.checker import AcceptedRanges
from mnistlab.plugin.fixtures import Trained
from mnistlab.plugin.progress import progress
from mnistlab.plugin.suite import FIGURES
from mnistlab.recipe import Pipeline
from mnistlab.requirement import Requirement, Verdict


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the gates."""
    add_gate_options(parser.getgroup("mnistlab").addoption)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the gate that fits: a file's or a recipe's; none in a measuring run."""
    others = {"recipe_gate" if config.option.model else "file_comparison"}
    others |= {"recipe_gate"} if FIGURES in config.stash else set()
    items[:] = [item for item in items if others.isdisjoint(getattr(item, "fixturenames", ()))]


@pytest.fixture(scope="session")
def accepted_path(pytestconfig: pytest.Config, pipeline: CheckedPipeline, dataset: Dataset) -> Path:
    """Return the file of the accepted state."""
    name = baseline_path(Path(), pipeline.name, dataset.name).name
    return baseline_folder(pytestconfig.option.baselines, name) / name


@pytest.fixture(scope="session")
def accept_options(pytestconfig: pytest.Config, dataset: Dataset, pipeline: CheckedPipeline) -> str:
    """Return the options of ``mnistlab baseline accept`` that accept what this run judges."""
    option = pytestconfig.option
    # With --model alone, --spec describes the file and not the accepted recipe.
    spec = option.spec if option.pipeline or not option.model else None
    reference = option.pipeline or _reference(type(pipeline.pipeline))
    return accept_command(dataset.name, reference, spec, option.baselines)


def _reference(kind: type) -> str | None:
    """Return what ``--pipeline`` may be to name a class; None for the published recipe."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    return f"{os.path.relpath(file)}:{kind.__name__}" if file and kind is not Pipeline else None


@pytest.fixture(scope="session")
def accepted_state(
    pytestconfig: pytest.Config,
    accepted_path: Path,
    pipeline: CheckedPipeline,
    dataset: Dataset,
    accept_options: str,
) -> Baseline | MnistlabError:
    """Read the accepted state; an error if there is none, or if it is of something else."""
    required = identity(pipeline, dataset)
    if pytestconfig.option.model:  # a file may come from any recipe
        del required["spec"]
    try:
        accepted = Baseline.load(accepted_path)
        accepted.require_identity(required)
    except MnistlabError as error:
        return type(error)(f"{error} {accept_options}")
    return accepted


@pytest.fixture(scope="session")
def baseline(accepted_state: Baseline | MnistlabError) -> Baseline:
    """Return the accepted state; NOT RUN if there is none, failed if it is of something else."""
    if isinstance(accepted_state, NoBaselineError):
        raise NotJudgedError(str(accepted_state))
    if isinstance(accepted_state, MnistlabError):
        raise accepted_state
    return accepted_state


@pytest.fixture(scope="session")
def accepted_ranges(
    pytestconfig: pytest.Config, accepted_state: Baseline | MnistlabError
) -> AcceptedRanges:
    """Return the healthy ranges that numbers are held against."""
    option = pytestconfig.option
    if option.model and option.spec and not option.pipeline:  # a file of another recipe
        return AcceptedRanges(missing="--spec states no bound for it")
    if isinstance(accepted_state, MnistlabError):
        return AcceptedRanges(missing=str(accepted_state), asked=True)
    return AcceptedRanges(accepted_state.figures)


@pytest.fixture(scope="session")
def accepted_seeds(trained: Trained, baseline: Baseline) -> AcceptedSeeds:
    """Return the accepted seeds, measured with the weights that ``fit`` returns now."""
    accepted = baseline.accepted_seeds
    has_averaged = "averaged_weights" in (trained.history or ())
    return accepted if has_averaged else accepted.of_final_weights()


@pytest.fixture(scope="session")
def gate_plan(
    pytestconfig: pytest.Config,
    pipeline: CheckedPipeline,
    dataset: Dataset,
    accepted_seeds: AcceptedSeeds,
) -> Plan:
    """Plan the recipe gate: its metrics with their margins, and when it looks."""
    leading, images = pytestconfig.option.margin or pipeline.margin, len(dataset.test_labels)
    metrics = gate_metrics(accepted_seeds.columns, images, pipeline.spec.gate, leading)
    return make_plan(metrics, pytestconfig.option.seeds, accepted_seeds)


@pytest.fixture
def not_judged(trained: Trained, baseline: Baseline, accept_options: str) -> list[Verdict]:
    """Return NOT RUN verdicts for the weights that the baseline lacks."""
    if "averaged_weights" not in (trained.history or ()) or "averaged accuracy" in baseline.columns:
        return []
    claim = Requirement("harm to accuracy (averaged weights)", GROUP)
    return [claim.not_run(f"averaged weights were not accepted; {ACCEPT_AGAIN} {accept_options}")]


@pytest.fixture(scope="session")
def recipe_gate(
    pytestconfig: pytest.Config,
    pipeline: CheckedPipeline,
    dataset: Dataset,
    accepted_seeds: AcceptedSeeds,
    gate_plan: Plan,
) -> sequential.Result:
    """Train accepted seeds until the gate has decided: once a run."""
    option = pytestconfig.option
    first = option.seed * gate_plan.looks[-1]
    runner, backend = SeedRunner(pipeline, dataset), Backend(option.scheduler)
    with open_runner(runner, backend) as train, progress(pytestconfig) as show:
        return sequential.run(train, accepted_seeds, first, gate_plan, show)


@pytest.fixture(scope="session")
def gate_rates(
    pytestconfig: pytest.Config,
    baseline: Baseline,
    accepted_seeds: AcceptedSeeds,
    gate_plan: Plan,
) -> dict[str, Any]:
    """Return the error rates of the recipe gate: the accepted ones, or simulated for this plan."""
    lead, rates = gate_plan.metrics[0], baseline.error_rates
    usual = pytestconfig.option.seeds == BUDGET and rates.get("margin") == lead.margin
    if usual and rates.get("metrics") == [metric.name for metric in gate_plan.metrics]:
        return rates
    return error_rates.error_rates(gate_plan, accepted_seeds)


@pytest.fixture(scope="session")
def file_comparison(
    pytestconfig: pytest.Config,
    pipeline: CheckedPipeline,
    baseline: Baseline,
    evaluation: Evaluation,
) -> paired.PairedComparison:
    """Pair the file's predictions with the accepted ones."""
    return paired.compare(evaluation, baseline, pytestconfig.option.margin or pipeline.margin)
