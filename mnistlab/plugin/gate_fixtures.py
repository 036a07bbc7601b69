"""The gates inside pytest: their options, and the fixtures that hold the subject against what was accepted."""

from pathlib import Path
from typing import TypeAlias

import pytest

from mnistlab.data import Dataset
from mnistlab.environment import baseline_folder
from mnistlab.errors import ContractError, MnistlabError, NotJudgedError
from mnistlab.execution import Backend
from mnistlab.gate import (
    GROUP,
    Baseline,
    Margin,
    NoBaselineError,
    SeedRunner,
    margins_for,
    trainings,
)
from mnistlab.gate import error_rates as rates
from mnistlab.gate import paired as artifact
from mnistlab.gate import sequential as gate
from mnistlab.gate.baseline import AGAIN, check, identity, load, path_of
from mnistlab.loading import CheckedPipeline
from mnistlab.metrics import Evaluation
from mnistlab.options import accept_command, add_gate_options
from mnistlab.plugin.fixtures import Trained
from mnistlab.plugin.progress import progress
from mnistlab.recipe import Pipeline
from mnistlab.requirement import Requirement, Verdict

Margins: TypeAlias = tuple[Margin, ...]
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
def baselines(pytestconfig: pytest.Config, pipeline: CheckedPipeline, dataset: Dataset) -> Path:
    """Return the folder of accepted results."""
    return baseline_folder(
        pytestconfig.option.baselines, path_of(Path(), pipeline.name, dataset.name).name
    )


@pytest.fixture(scope="session")
def accept_options(pytestconfig: pytest.Config, dataset: Dataset) -> str:
    """Return the options behind ``mnistlab baseline accept`` that accept what this run judges."""
    option = pytestconfig.option
    spec = (
        option.spec if option.pipeline or not option.model else None
    )  # else it is the file's, not the accepted one's
    return accept_command(dataset.name, option.pipeline, spec, option.baselines)


@pytest.fixture(scope="session")
def baseline(
    pytestconfig: pytest.Config,
    baselines: Path,
    pipeline: CheckedPipeline,
    dataset: Dataset,
    accept_options: str,
) -> Baseline:
    """Read what was last accepted; without it nothing is judged, and what does not fit fails."""
    wanted = identity(pipeline, dataset)
    if (
        pytestconfig.option.model
    ):  # is held against the accepted predictions, whatever the recipe that it comes from
        del wanted["spec"]
    try:
        found = load(path_of(baselines, pipeline.name, dataset.name))
        check(found, wanted)
    except NoBaselineError as error:
        raise NotJudgedError(f"{error} {accept_options}") from error
    except MnistlabError as error:
        pytest.fail(f"{error} {accept_options}", pytrace=False)
    return found


@pytest.fixture(scope="session")
def wanted_margins(
    pytestconfig: pytest.Config, pipeline: CheckedPipeline, baseline: Baseline, trained: Trained
) -> Margins:
    """Return the margins of the weights that ``fit`` returns: first of those that were accepted as well."""
    margin = pytestconfig.option.margin or pipeline.margin
    probes = {"final", "averaged"} if "averaged_weights" in (trained.history or ()) else {"final"}
    shared = margins_for(baseline.dataset, probes & set(baseline.columns), margin)
    others = (
        each
        for each in margins_for(baseline.dataset, probes)
        if each.weights not in baseline.columns
    )
    return (*shared, *others)


@pytest.fixture(scope="session")
def gate_margins(wanted_margins: Margins, baseline: Baseline) -> Margins:
    """Return those of them whose metrics were accepted."""
    return tuple(
        each for each in wanted_margins if each.metric in baseline.columns.get(each.weights, ())
    )


@pytest.fixture
def not_judged(
    wanted_margins: Margins, gate_margins: Margins, baseline: Baseline, accept_options: str
) -> list[Verdict]:
    """Return that the others are not run: what was never accepted has nothing to be held against."""
    verdicts = []
    for margin in (each for each in wanted_margins if each not in gate_margins):
        claim = Requirement(f"harm to {margin.name}", GROUP, source=margin.source)
        if margin.metric in baseline.columns.get("averaged", ()):
            verdicts.append(
                claim.not_required(
                    "it was accepted of averaged weights alone, of which fit returns none"
                )
            )
        else:
            verdicts.append(
                claim.not_run(f"it is not among what was accepted; {AGAIN} {accept_options}")
            )
    return verdicts


@pytest.fixture(scope="session")
def recipe_gate(
    pytestconfig: pytest.Config,
    pipeline: CheckedPipeline,
    dataset: Dataset,
    baseline: Baseline,
    gate_margins: Margins,
) -> gate.Result:
    """Train fresh seeds until the gate has decided: once a run."""
    option = pytestconfig.option
    try:
        plan = gate.plan(gate_margins, option.seeds, baseline.seeds)
        runner = SeedRunner(pipeline, dataset, corrupts=False)
        first_seed = SPACING * (option.seed + 1)
        with (
            trainings(runner, Backend(option.scheduler)) as train,
            progress(pytestconfig) as show,
        ):
            return gate.run(train, first_seed, baseline.columns, plan, show)
    except (ContractError, NotJudgedError):
        raise  # is told once a run
    except MnistlabError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def gate_rates(
    pytestconfig: pytest.Config,
    baselines: Path,
    baseline: Baseline,
    gate_margins: tuple[Margin, ...],
) -> rates.Rates:
    """Return the measured error rates of this gate and of others, or a mapping with the reason why there are none."""
    if gate_margins[0].weights != "averaged":
        return {
            "unknown": "not measured of a gate on final weights alone, as fit returns no averaged_weights"
        }
    if baseline.pipeline != Pipeline.name:
        return {
            "unknown": f"of the gate on {baseline.pipeline} not measured; those of the published recipe are"
        }
    try:
        found = rates.load(baselines, baseline.dataset)
        plan = gate.plan(gate_margins, pytestconfig.option.seeds, baseline.seeds)
        return {**rates.of_gate(found, plan, baseline.columns), "others": found["others"]}
    except MnistlabError as error:
        return {"unknown": str(error)}


@pytest.fixture(scope="session")
def file_comparison(
    pytestconfig: pytest.Config,
    pipeline: CheckedPipeline,
    baseline: Baseline,
    evaluation: Evaluation,
) -> artifact.Comparison:
    """Pair the file's predictions with the accepted ones."""
    usual = artifact.MARGIN if baseline.dataset == "mnist" else artifact.SMALL_MARGIN
    try:
        return artifact.compare(
            evaluation, baseline, pytestconfig.option.margin or pipeline.margin or usual
        )
    except MnistlabError as error:
        pytest.fail(str(error), pytrace=False)
