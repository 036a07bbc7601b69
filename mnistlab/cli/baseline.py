"""``mnistlab baseline``: accept a result, show what was accepted, compare two accepted states."""

import argparse
import difflib
import platform
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab import gate
from mnistlab.cli.run_log import RunLog
from mnistlab.cli.shared import import_keras, load_accepted, load_data, require_writable
from mnistlab.environment import environment, versions
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend
from mnistlab.gate.baseline import FIRST_SEED, SHOWN
from mnistlab.loading import CheckedPipeline, load_pipeline
from mnistlab.options import BUDGET
from mnistlab.plugin import Measured, SeedMeasurer
from mnistlab.recipe import Pipeline
from mnistlab.report import table
from mnistlab.requirement import Requirement

REPEATS = 16
"""Accepted seeds that are trained again with other rounding, to measure how well seeds match."""
WORDS = {
    "PASSED": "no metric is worse by its margin",
    "FAILED": "it is worse",
    "UNDECIDED": "it may be worse",
}


def run(options: argparse.Namespace) -> int:
    """Run an action; 0 if all went well, and for ``compare`` if B is no worse than A."""
    return {"accept": accept, "show": show, "compare": compare}[options.action](options)


def show(options: argparse.Namespace) -> int:
    """Print the accepted state of a pipeline on a dataset."""
    _, path, baseline = load_accepted(options)
    print(describe_baseline(baseline, str(path)))
    return 0


def compare(options: argparse.Namespace) -> int:
    """Compare B with A; 0 if B is no worse. MnistlabError if they are of two things."""
    old, new = gate.Baseline.load(options.old), gate.Baseline.load(options.new)
    margin = options.margin or load_pipeline(None, options.spec, old.dataset).margin
    text, decision = compare_baselines(old, new, margin)
    print(describe_baseline(new, str(options.new)), text, sep="\n")
    return 0 if decision == "PASSED" else 1


def accept(options: argparse.Namespace) -> int:
    """Train seeds, show them against the accepted ones, and make them the accepted state."""
    dataset = load_data(options)
    pipeline = load_pipeline(options.pipeline, options.spec, dataset.name)
    _refuse_published_name(pipeline, options.pipeline)
    path = gate.baseline_path(Path(options.baselines or "baselines"), pipeline.name, dataset.name)
    require_writable("--baselines", path.parent, [path.name])
    tests = _read_suites(options.suite)
    old = _old_baseline(path)
    first = old.first_seed if old else FIRST_SEED
    identity = gate.identity(pipeline, dataset)
    log = RunLog(path, [versions(), dataset.sha256, identity, first, tests])
    import_keras()
    seeds, backend = range(first, first + options.seeds), Backend(options.scheduler)
    measurer = SeedMeasurer(pipeline, dataset, tuple(options.suite))
    measured = log.run("figures of seed", measurer, seeds[: options.figures], backend)
    figures, not_judged = measured_figures(measured)
    refuse_broken_promises(pipeline, measured)
    runs = log.run("seed", gate.SeedRunner(pipeline, dataset), seeds, backend)
    if not pipeline.spec.allows("deterministic"):
        refuse_one_result(runs)
    repeat = gate.SeedRunner(pipeline, dataset, perturbed=True)
    repeats = log.run("repeated with other rounding", repeat, seeds[:REPEATS], backend)
    machine = {"platform": f"{platform.system()} {platform.machine()}"}
    new = gate.Baseline.from_runs(pipeline, dataset, runs, repeats, {**environment(), **machine})
    rates, advice = rate_errors(new, pipeline, pipeline.margin, BUDGET)
    print(f"The gate: {gate.error_rates.sentence(rates)}", *advice, sep="\n")
    new = replace(new, figures=figures, not_judged=not_judged, error_rates=rates)
    print(describe_baseline(new, str(path)))
    try:
        compared = compare_baselines(old, new, pipeline.margin)[0] if old else ""
        print(compared or "Nothing to compare with.")
    except MnistlabError as error:
        print(f"The old accepted state is of something else: {error}")
    new.save(path)
    log.remove()
    print(f"Accepted: {path}. Commit it, so that a reviewer sees what changed.")
    return 0


def _refuse_published_name(pipeline: CheckedPipeline, reference: str | None) -> None:
    if pipeline.name == Pipeline.name and type(pipeline.pipeline) is not Pipeline:
        what = f"has the published recipe's name {pipeline.name!r} and would replace its result"
        advice = "give the class a name: name = 'mine'"
        raise MnistlabError(f"--pipeline {reference}: {what}; {advice}")


def _read_suites(folders: Sequence[str]) -> dict[str, str]:
    """Return the text of each file of further suites."""
    tests: dict[str, str] = {}
    for folder in folders:
        found = {str(path): path.read_text("utf-8") for path in sorted(Path(folder).rglob("*.py"))}
        if not found:
            raise MnistlabError(f"--suite {folder}: no Python files here; name a folder of tests")
        tests |= found
    return tests


def _old_baseline(path: Path) -> gate.Baseline | None:
    """Read the accepted state; print why if there is none to compare with."""
    try:
        return gate.Baseline.load(path)
    except gate.NoBaselineError:
        print("Nothing was accepted before.")
    except MnistlabError as error:
        print(f"The old accepted state cannot be read and will be replaced: {error}")
    return None


def measured_figures(
    measured: Sequence[Measured],
) -> tuple[dict[str, gate.HealthyRange], tuple[str, ...]]:
    """Return each figure's healthy range, and what could not be judged; print what went wrong."""
    whole = next(each for each in measured if each.whole)
    for message in whole.failed:
        print(f"A run of the suite on seed {whole.seed} fails: {message}")
    ranges = {}
    for name, figure in {n: f for each in measured for n, f in each.figures.items()}.items():
        values = [each.figures[name].value for each in measured if name in each.figures]
        if len(values) == len(measured) and np.isfinite(values).all():
            ranges[name] = gate.healthy_range(values, figure.worse, figure.images)
        else:
            lacking = len(measured) - int(np.isfinite(values).sum())
            print(f"No healthy range of {name}: {lacking} of {len(measured)} seeds have none")
    return ranges, whole.not_judged


def refuse_broken_promises(pipeline: Any, measured: Sequence[Measured]) -> None:
    """Raise MnistlabError if the mean of a figure misses its bound in the spec."""
    claims = {
        side: Requirement(name, direction=direction, unit=figure.unit)
        for name, figure in measured[0].figures.items()
        for side, direction in gate.sides(name, figure.worse)
    }
    for bound in pipeline.spec.bounds:
        if bound.name not in claims:
            near = ", ".join(difflib.get_close_matches(bound.name, claims, 3)) or "none"
            what = f"nothing is measured under the name {bound.name!r}, for which the spec has a"
            raise MnistlabError(f"not accepted: {what} bound; similar: {near}")
        claim = claims[bound.name]
        mean = float(np.mean([each.figures[claim.name].value for each in measured]))
        verdict = bound.completed(claim).judge(mean, f"mean of {len(measured)} seeds")
        if verdict.status != "passed":
            raise MnistlabError(f"not accepted: {verdict.message}")


def refuse_one_result(runs: Sequence[gate.SeedRun]) -> None:
    """Raise MnistlabError if all seeds have one accuracy or one loss."""
    for key in ("final accuracy", "final loss"):
        values = [each.metrics[key] for each in runs]
        if np.ptp(values) == 0:
            what = f"{key} is {values[0]:.6g} with all {len(values)} seeds"
            advice = (
                'does the seed reach it? If it needs none, promise training = ("deterministic",)'
            )
            raise MnistlabError(f"not accepted: {what}; {advice}")


def rate_errors(
    new: gate.Baseline, pipeline: CheckedPipeline, margin: float | None, budget: int
) -> tuple[dict[str, Any], list[str]]:
    """Simulate a gate's error rates; return them, and what to do if they are bad."""
    metrics = gate.gate_metrics(new.columns, len(new.truth), pipeline.spec.gate, margin)
    accepted = new.accepted_seeds
    rates = gate.error_rates.error_rates(gate.make_plan(metrics, budget, accepted), accepted)
    return rates, gate.error_rates.advice(rates, metrics, accepted)


def describe_baseline(baseline: gate.Baseline, title: str) -> str:
    """Describe an accepted state for a terminal."""
    head = f"{title}: pipeline {baseline.pipeline} on {baseline.dataset}, {baseline.seeds} seeds "
    head += f"from {baseline.first_seed}, accepted {baseline.accepted}, "
    lines = [head + f"commit {baseline.commit or 'unknown'}"]
    for key, values in baseline.columns.items():
        weights, _, metric = key.partition(" ")
        if metric in SHOWN:
            mean, sd = np.mean(values), np.std(values, ddof=1)
            lines.append(f"  {metric + ', ' + weights + ' weights':44} {mean:.5f} (sd {sd:.5f})")
    ranges = f"{len(baseline.figures)} figures have a healthy range"
    lines.append(f"  {ranges}; {len(baseline.not_judged)} tests could not be judged")
    return "\n".join(lines)


def compare_baselines(
    old: gate.Baseline, new: gate.Baseline, margin: float | None = None
) -> tuple[str, gate.sequential.Decision]:
    """Compare two states, all seeds at one look; return lines for people, and the decision."""
    if differs := old.difference(
        {field: getattr(new, field) for field in gate.IDENTITY}, "in the new"
    ):
        advice = "compare only states of one pipeline, dataset, test set and spec"
        raise MnistlabError(f"{differs}; {advice}")
    metrics = gate.gate_metrics(old.columns, len(old.predictions), leading=margin)
    metrics = tuple(metric for metric in metrics if metric.key in new.columns)
    comparisons = gate.sequential.compare_once(metrics, old.accepted_seeds, new.accepted_seeds)
    decision = gate.sequential.decision_of(comparisons)
    better = ", ".join(each.metric.name for each in comparisons if each.improved)
    gained = f"; better beyond the margin in {better}" if better else ""
    head = f"Against the {old.seeds} seeds accepted {old.accepted}: {WORDS[decision]}{gained}"
    lines = [f"  {each.summary}: {each.status}" for each in comparisons]
    return "\n".join([head, *lines, *compare_figures(old, new)]), decision


def compare_figures(old: gate.Baseline, new: gate.Baseline) -> Sequence[str]:
    """Return lines on the figures: old and new mean, and which moved beyond their old range."""
    names = dict.fromkeys([*old.figures, *new.figures])
    rows, moved = [], []
    for name in names:
        before, now = old.figures.get(name), new.figures.get(name)
        mark = "gone" if before else "new"
        if before and now:
            low = -np.inf if before.low is None else before.low
            high = np.inf if before.high is None else before.high
            mark = "" if low <= now.mean <= high else "moved"
        moved += [name] if mark == "moved" else []
        rows.append((name, *_cells(before), *_cells(now), mark))
    headings = ("figure", "old mean (sd)", "old range", "new mean (sd)", "new range", "")
    lines = [table(headings, rows, 140)] if rows else []
    count = f"{len(moved)} of {len(names)} figures moved beyond their old healthy range"
    return [*lines, f"{count}: {', '.join(moved)}" if moved else count]


def _cells(healthy: gate.HealthyRange | None) -> tuple[str, str]:
    """Return mean and range as text."""
    if healthy is None:
        return "", ""
    low, high = ("" if end is None else f"{end:.4g}" for end in (healthy.low, healthy.high))
    return f"{healthy.mean:.4g} ({healthy.sd:.2g})", f"{low} to {high}".strip()
