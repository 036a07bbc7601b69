"""The gates inside pytest: the fixtures that compare with the accepted state."""

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mnistlab import gate
from mnistlab.data import Dataset
from mnistlab.environment import baseline_folder
from mnistlab.errors import MnistlabError, NotJudgedError
from mnistlab.execution import Backend
from mnistlab.loading import CheckedPipeline
from mnistlab.metrics import Evaluation
from mnistlab.options import BUDGET
from mnistlab.plugin.checker import AcceptedRanges
from mnistlab.plugin.fixtures import Trained
from mnistlab.plugin.suite import FIGURES
from mnistlab.recipe import Pipeline
from mnistlab.requirement import Requirement, Verdict


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of the gate that fits: a file's or a recipe's; none in a measuring run."""
    others = {"recipe_gate" if config.option.model else "file_comparison"}
    others |= {"recipe_gate"} if FIGURES in config.stash else set()
    items[:] = [item for item in items if others.isdisjoint(getattr(item, "fixturenames", ()))]


@pytest.fixture(scope="session")
def accepted_path(pytestconfig: pytest.Config, pipeline: CheckedPipeline, dataset: Dataset) -> Path:
    """Return the file of the accepted state."""
    name = gate.baseline_path(Path(), pipeline.name, dataset.name).name
    return baseline_folder(pytestconfig.option.baselines, name) / name


@pytest.fixture(scope="session")
def accept_options(pytestconfig: pytest.Config, dataset: Dataset, pipeline: CheckedPipeline) -> str:
    """Return the options of ``mnistlab baseline accept`` that accept what this run judges."""
    option, kind = pytestconfig.option, type(pipeline.pipeline)
    reference = option.pipeline
    file = getattr(sys.modules.get(kind.__module__), "__file__", None)
    # None names a class in a notebook or in a function.
    if not reference and kind is not Pipeline and file and kind.__name__ == kind.__qualname__:
        reference = f"{os.path.relpath(file)}:{kind.__name__}"
    # With --model alone, --spec describes the file and not the accepted recipe.
    spec = option.spec if option.pipeline or not option.model else None
    given = {"data": option.mnist_data, "dataset": dataset.name, "pipeline": reference}
    given |= {"spec": spec, "baselines": option.baselines}
    return " ".join(f"--{name} {shlex.quote(value)}" for name, value in given.items() if value)


@pytest.fixture(scope="session")
def accepted_state(
    pytestconfig: pytest.Config,
    accepted_path: Path,
    pipeline: CheckedPipeline,
    dataset: Dataset,
    accept_options: str,
) -> gate.Baseline | MnistlabError:
    """Read the accepted state; an error if there is none, or if it is of something else."""
    required = gate.identity(pipeline, dataset)
    if pytestconfig.option.model:  # a file may come from any recipe
        del required["spec"]
    try:
        accepted = gate.Baseline.load(accepted_path)
        accepted.require_identity(required)
    except MnistlabError as error:
        return type(error)(f"{error} {accept_options}")
    return accepted


@pytest.fixture(scope="session")
def baseline(accepted_state: gate.Baseline | MnistlabError) -> gate.Baseline:
    """Return the accepted state; NOT RUN if there is none, failed if it is of something else."""
    if isinstance(accepted_state, gate.NoBaselineError):
        raise NotJudgedError(str(accepted_state))
    if isinstance(accepted_state, MnistlabError):
        raise accepted_state
    return accepted_state


@pytest.fixture(scope="session")
def accepted_ranges(
    pytestconfig: pytest.Config, accepted_state: gate.Baseline | MnistlabError
) -> AcceptedRanges:
    """Return the healthy ranges that numbers are held against."""
    option = pytestconfig.option
    if option.model and option.spec and not option.pipeline:  # a file of another recipe
        return AcceptedRanges(missing="--spec states no bound for it")
    if isinstance(accepted_state, MnistlabError):
        return AcceptedRanges(missing=str(accepted_state), asked=True)
    return AcceptedRanges(accepted_state.figures)


@pytest.fixture(scope="session")
def accepted_seeds(trained: Trained, baseline: gate.Baseline) -> gate.AcceptedSeeds:
    """Return the accepted seeds, measured with the weights that ``fit`` returns now."""
    accepted = baseline.accepted_seeds
    has_averaged = "averaged_weights" in (trained.history or ())
    return accepted if has_averaged else accepted.of_final_weights()


@pytest.fixture
def not_judged(trained: Trained, baseline: gate.Baseline, accept_options: str) -> list[Verdict]:
    """Return NOT RUN verdicts for the weights that the baseline lacks."""
    if "averaged_weights" not in (trained.history or ()) or "averaged accuracy" in baseline.columns:
        return []
    claim = Requirement("harm to accuracy (averaged weights)", gate.GROUP)
    why = f"averaged weights were not accepted; {gate.ACCEPT_AGAIN} {accept_options}"
    return [claim.not_run(why)]


@pytest.fixture(scope="session")
def recipe_gate(
    pytestconfig: pytest.Config,
    pipeline: CheckedPipeline,
    dataset: Dataset,
    accepted_seeds: gate.AcceptedSeeds,
) -> gate.sequential.Result:
    """Train accepted seeds until the gate has decided: once a run."""
    option = pytestconfig.option
    leading, images = option.margin or pipeline.margin, len(dataset.test_labels)
    metrics = gate.gate_metrics(accepted_seeds.columns, images, pipeline.spec.gate, leading)
    plan = gate.make_plan(metrics, option.seeds, accepted_seeds)
    runner, backend = gate.SeedRunner(pipeline, dataset), Backend(option.scheduler)
    with gate.open_runner(runner, backend) as train, progress(pytestconfig) as show:
        first = option.seed * plan.looks[-1]
        return gate.sequential.run(train, accepted_seeds, first, plan, show)


@pytest.fixture(scope="session")
def gate_rates(
    pytestconfig: pytest.Config,
    baseline: gate.Baseline,
    accepted_seeds: gate.AcceptedSeeds,
    recipe_gate: gate.sequential.Result,
) -> dict[str, Any]:
    """Return the error rates of the recipe gate: the accepted ones, or simulated for this plan."""
    plan, rates = recipe_gate.plan, baseline.error_rates
    usual = pytestconfig.option.seeds == BUDGET and rates.get("margin") == plan.metrics[0].margin
    if usual and rates.get("metrics") == [metric.name for metric in plan.metrics]:
        return rates
    return gate.error_rates.error_rates(plan, accepted_seeds)


@pytest.fixture(scope="session")
def file_comparison(
    pytestconfig: pytest.Config,
    pipeline: CheckedPipeline,
    baseline: gate.Baseline,
    evaluation: Evaluation,
) -> gate.paired.PairedComparison:
    """Pair the file's predictions with the accepted ones."""
    margin = pytestconfig.option.margin or pipeline.margin
    return gate.paired.compare(evaluation, baseline, margin)


@contextmanager
def progress(config: pytest.Config) -> Iterator[Callable[[str], None]]:
    """Provide a function that shows a line in place of the last one; on a terminal only."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if not (reporter and capture and reporter.isatty):
        yield lambda line: None
        return

    def show(line: str) -> None:
        # While pytest captures output, the terminal can only be reached from in here.
        with capture.global_and_fixture_disabled():
            reporter.rewrite(line[: reporter._tw.fullwidth - 1], erase=True)
            reporter.flush()

    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()  # keeps the dots of the tests before
    yield show
    show("\r")
