"""``mnistlab baseline``: accept a result, show what was accepted, compare two accepted states."""

import argparse
import contextlib
import json
import platform
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.cli.quiet import import_keras
from mnistlab.data import load_dataset
from mnistlab.environment import environment, versions
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend
from mnistlab.gate import (
    IDENTITY,
    Baseline,
    NoBaselineError,
    SeedRun,
    SeedRunner,
    baseline_path,
    error_rates,
    gate_metrics,
    make_plan,
    open_runner,
    sequential,
)
from mnistlab.gate.baseline import FIRST_SEED, SHOWN, identity
from mnistlab.gate.baseline_file import mean_and_sd
from mnistlab.loading import CheckedPipeline, load_pipeline
from mnistlab.options import BUDGET
from mnistlab.recipe import Pipeline
from mnistlab.report import check_writable

MIN_SEEDS = 16
REPEATS = 16
"""Accepted seeds that are trained again with other rounding, to measure how well seeds match."""


def run(options: argparse.Namespace) -> int:
    """Run an action; 0 if all went well, and for ``compare`` if B is no worse than A."""
    return {"accept": accept, "show": show, "compare": compare}[options.action](options)


def show(options: argparse.Namespace) -> int:
    """Print the accepted state of a pipeline on a dataset."""
    name = options.dataset
    if name == "auto":
        name = load_dataset(name, options.mnist_data).name
    pipeline = load_pipeline(options.pipeline, options.spec, name)
    path = baseline_path(Path(options.baselines), pipeline.name, name)
    print(describe_baseline(Baseline.load(path), str(path)))
    return 0


def compare(options: argparse.Namespace) -> int:
    """Compare B with A; 0 if B is no worse. MnistlabError if they are of two things."""
    old, new = Baseline.load(options.old), Baseline.load(options.new)
    margin = options.margin or load_pipeline(None, options.spec, old.dataset).margin
    text, decision = compare_baselines(old, new, margin)
    print(describe_baseline(new, str(options.new)))
    print(text)
    return 0 if decision == "PASSED" else 1


def accept(options: argparse.Namespace) -> int:
    """Train seeds, show them against the accepted ones, and make them the accepted state."""
    if options.seeds < MIN_SEEDS:
        required = f"required at least {MIN_SEEDS} to know a spread; 96 are better"
        raise MnistlabError(f"--seeds {options.seeds}: {required}")
    dataset = load_dataset(options.dataset, options.mnist_data)
    if dataset.note:
        print(f"This is not MNIST: {dataset.note}")
    pipeline = load_pipeline(options.pipeline, options.spec, dataset.name)
    _refuse_published_name(pipeline, options.pipeline)
    path = baseline_path(Path(options.baselines), pipeline.name, dataset.name)
    try:
        check_writable(path.parent, path.name)
    except OSError as error:
        advice = "choose a folder that can be written to with --baselines"
        raise MnistlabError(f"{path}: {error.strerror}; {advice}") from error
    old = _old_baseline(path)
    first = old.first_seed if old else FIRST_SEED
    log = RunLog(path, [versions(), dataset.sha256, identity(pipeline, dataset), first])
    import_keras()
    runs: list[SeedRun] = []
    repeats: list[SeedRun] = []
    backend = Backend(options.scheduler)
    for perturbed, count, kept in ((False, options.seeds, runs), (True, REPEATS, repeats)):
        runner = SeedRunner(pipeline, dataset, perturbed)
        seeds = range(first, first + count)
        kept += _with_progress(log.run(runner, seeds, backend), count, perturbed)
    machine = {"platform": f"{platform.system()} {platform.machine()}"}
    new = Baseline.from_runs(pipeline, dataset, runs, repeats, {**environment(), **machine})
    refuse_unfit(pipeline, new)
    new = replace(new, error_rates=rate_errors(new, len(dataset.test_labels), pipeline))
    print(describe_baseline(new, str(path)))
    try:
        text = (
            compare_baselines(old, new, pipeline.margin)[0] if old else "Nothing to compare with."
        )
        print(text)
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


def _old_baseline(path: Path) -> Baseline | None:
    """Read the accepted state; print why if there is none to compare with."""
    try:
        return Baseline.load(path)
    except NoBaselineError:
        print("Nothing was accepted before.")
    except MnistlabError as error:
        print(f"The old accepted state cannot be read and will be replaced: {error}")
    return None


class RunLog:
    """Trainings so far, in a file next to the baseline, so that an interrupted accept resumes.

    The file is used only if everything that a result depends on is the same.
    """

    def __init__(self, baseline: Path, depends_on: list[Any]) -> None:
        self._path = baseline.with_name(f".{baseline.stem}.partial.jsonl")
        self._key = json.dumps(depends_on, sort_keys=True)
        self._rows: dict[tuple[bool, int], dict[str, Any]] = {}
        with contextlib.suppress(OSError):  # nothing to resume
            key, *lines = self._path.read_text(encoding="utf-8").splitlines() or [""]
            for line in lines if key == self._key else ():
                with contextlib.suppress(ValueError, KeyError, TypeError):  # cut off
                    row = json.loads(line)
                    self._rows[row["perturbed"], row["seed"]] = row
        if not self._rows:
            self._path.write_text(self._key + "\n", encoding="utf-8")

    def run(self, runner: SeedRunner, seeds: range, backend: Backend) -> Iterator[SeedRun]:
        """Yield a run for each seed, from the file or trained now."""
        # The first run also needs its predictions, which the file does not keep.
        known = {
            seed: self._rows[runner.perturbed, seed]
            for seed in seeds[not runner.perturbed :]
            if (runner.perturbed, seed) in self._rows
        }
        missing = [seed for seed in seeds if seed not in known]
        with open_runner(runner, backend) as train:
            fresh = iter(train(missing))
            for seed in seeds:
                if row := known.get(seed):
                    yield SeedRun(seed, row["metrics"], row["digest"], None)
                    continue
                new = next(fresh)
                row = {"seed": seed, "metrics": new.metrics, "digest": new.digest}
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({**row, "perturbed": runner.perturbed}) + "\n")
                yield new

    def remove(self) -> None:
        """Delete the file: the baseline has its content."""
        self._path.unlink(missing_ok=True)


def _with_progress(runs: Iterable[SeedRun], count: int, repeated: bool) -> Iterator[SeedRun]:
    """Yield the runs; report on stderr how many are done and the time left."""
    start, accuracies = time.perf_counter(), []
    what = "repeated with other rounding" if repeated else "seed"
    for number, each in enumerate(runs, start=1):
        accuracies.append(each.metrics["final accuracy"])
        left = (time.perf_counter() - start) / number * (count - number)
        text = f"{what} {number} of {count}, about {left:.0f} s left"
        text += f", mean accuracy {100 * np.mean(accuracies):.3f} %"
        on_terminal = sys.stderr.isatty() and number < count
        if on_terminal or number % MIN_SEEDS == 0 or number == count:
            end = "\r" if on_terminal else "\n"
            print(text, end=end, file=sys.stderr, flush=True)
        yield each


def refuse_unfit(pipeline: Any, new: Baseline) -> None:
    """Raise MnistlabError if the seeds' mean misses a bound of the spec, or all seeds agree."""
    metrics = {"test accuracy": "accuracy", "test loss": "loss"}
    metrics["expected calibration error"] = "calibration error"
    metrics |= {f"recall of digit {digit}": f"recall of {digit}" for digit in range(10)}
    for bound in pipeline.spec.bounds:
        key = f"final {metrics.get(bound.name)}"
        if key in new.columns:
            verdict = bound.judge(float(new.columns[key].mean()), f"mean of {new.seeds} seeds")
            if verdict.status != "passed":
                raise MnistlabError(f"not accepted: {verdict.message}")
    for key in ("final accuracy", "final loss"):
        if np.ptp(new.columns[key]) == 0:
            what = f"{key} is {new.columns[key][0]:.6g} with all {new.seeds} seeds"
            raise MnistlabError(f"not accepted: {what}; does the seed reach the training?")


def rate_errors(new: Baseline, images: int, pipeline: Any) -> dict[str, Any]:
    """Simulate the default gate's error rates; print them, and what to do if they are bad."""
    metrics = gate_metrics(new.columns, images, pipeline.spec.gate, pipeline.margin)
    accepted = new.accepted_seeds
    rates = error_rates.error_rates(make_plan(metrics, BUDGET, accepted), accepted)
    print(f"The gate: {error_rates.sentence(rates)}")
    for line in error_rates.advice(rates, metrics, accepted):
        print(line)
    return rates


def describe_baseline(baseline: Baseline, title: str) -> str:
    """Describe an accepted state for a terminal."""
    head = f"{title}: pipeline {baseline.pipeline} on {baseline.dataset}, {baseline.seeds} seeds "
    head += f"from {baseline.first_seed}, accepted {baseline.accepted}, "
    lines = [head + f"commit {baseline.commit or 'unknown'}"]
    for key, values in baseline.columns.items():
        weights, _, metric = key.partition(" ")
        if metric in SHOWN:
            mean, sd = mean_and_sd(values)
            lines.append(f"  {metric + ', ' + weights + ' weights':44} {mean:.5f} (sd {sd:.5f})")
    return "\n".join(lines)


def compare_baselines(
    old: Baseline, new: Baseline, margin: float | None = None
) -> tuple[str, sequential.Decision]:
    """Compare an accepted state with an older one; return lines for people, and the decision.

    All seeds are compared at one look: seed by seed if both have the same ones.

    Parameters
    ----------
    old, new : Baseline
    margin : float, optional
        Of the leading metric, a fraction.

    Raises
    ------
    MnistlabError
        If they are of two pipelines, datasets, test sets or specs.
    """
    if differs := old.difference({field: getattr(new, field) for field in IDENTITY}, "in the new"):
        advice = "compare only states of one pipeline, dataset, test set and spec"
        raise MnistlabError(f"{differs}; {advice}")
    metrics = gate_metrics(old.columns, len(old.predictions), leading=margin)
    metrics = tuple(metric for metric in metrics if metric.key in new.columns)
    comparisons = sequential.compare_once(metrics, old.accepted_seeds, new.accepted_seeds)
    lines = [f"  {each.summary}: {each.status}" for each in comparisons]
    decision = sequential.decision_of(comparisons)
    words = {
        "PASSED": "no metric is worse by its margin",
        "FAILED": "it is worse",
        "UNDECIDED": "it may be worse",
    }
    better = ", ".join(each.metric.name for each in comparisons if each.improved)
    gained = f"; better beyond the margin in {better}" if better else ""
    head = f"Against the {old.seeds} seeds accepted {old.accepted}: {words[decision]}{gained}"
    return "\n".join([head, *lines]), decision
