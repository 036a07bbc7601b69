"""The commands ``mnistlab baseline accept``, ``show`` and ``compare``."""

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.data import Dataset, load_dataset
from mnistlab.environment import environment
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend
from mnistlab.gate import Baseline, NoBaselineError, SeedRun, columns, margins_for, train_seeds
from mnistlab.gate import baseline as baselines
from mnistlab.gate.baseline import IDENTITY, SHOWN, difference, load, path_of
from mnistlab.gate.sequential import LOOKS, decide, decision_of, plan
from mnistlab.loading import CheckedPipeline, load_pipeline
from mnistlab.recipe import Pipeline
from mnistlab.report import check_writable

FEWEST = 16


def run(options: argparse.Namespace) -> int:
    """Run an action; 0 if all went well, and for ``compare`` if B is no worse than A."""
    if options.action != "show":
        return accept(options) if options.action == "accept" else compare(options)
    name = options.dataset
    if name == "auto":
        name = load_dataset(name, options.mnist_data).name
    path = path_of(
        Path(options.baselines), load_pipeline(options.pipeline, options.spec, name).name, name
    )
    print(describe_baseline(load(path), str(path)))
    return 0


def compare(options: argparse.Namespace) -> int:
    """Hold B against A; 0 if it is no worse, else 1; MnistlabError if they are of two things."""
    old, new = load(options.old), load(options.new)
    margin = options.margin or load_pipeline(None, options.spec, old.dataset).margin
    lines, decision = compared(old, new, margin)
    print(describe_baseline(new, f"{options.new}"))
    ends = [each.first_seed + each.seeds for each in (old, new)]
    if (shared := min(ends) - max(old.first_seed, new.first_seed)) > 0:
        print(
            f"They have {shared} seeds in common: they are no independent draws, as the bounds take them to be."
        )
    print(lines)
    return 0 if decision == "PASSED" else 1


def accept(options: argparse.Namespace) -> int:
    """Train fresh seeds, show them against the accepted ones, and make them the accepted ones."""
    if options.seeds < FEWEST:
        raise MnistlabError(
            f"--seeds {options.seeds}: too few to know a spread; give at least {FEWEST}, better 96"
        )
    dataset = load_dataset(options.dataset, options.mnist_data)
    if dataset.note:
        print(f"This is not MNIST: {dataset.note}")
    pipeline = load_pipeline(options.pipeline, options.spec, dataset.name)
    if pipeline.name == Pipeline.name and type(pipeline.pipeline) is not Pipeline:
        what = f"is named {pipeline.name!r}, as the published recipe, whose accepted result it would replace"
        raise MnistlabError(
            f"--pipeline {options.pipeline}: {what}; give the class a name: name = 'mine'"
        )
    path = path_of(Path(options.baselines), pipeline.name, dataset.name)
    try:
        check_writable(path.parent, path.name)
    except OSError as error:
        raise MnistlabError(
            f"{path}: {error.strerror}; name a folder that can be written to, --baselines"
        ) from error
    old = _accepted(path)
    seeds = _trained(pipeline, dataset, options, baselines.unused_seed(path))
    machine = {
        "platform": f"{platform.system()} {platform.machine()}"
    }  # its kernel's name is nobody's business
    new = baselines.made_of(pipeline, dataset, seeds, {**environment(), **machine})
    refuse_unfit(pipeline, seeds, dataset.name)
    print(describe_baseline(new, str(path)))
    try:
        print(compared(old, new, pipeline.margin)[0] if old else "Nothing to compare it with.")
    except MnistlabError as error:
        print(f"The old one is of something else: {error}")
    baselines.save(new, path)
    print(f"Accepted: {path}. Commit it, so that a reviewer sees what changed.")
    return 0


def _accepted(path: Path) -> Baseline | None:
    """Read what was accepted, or say, while it is still there, why nothing will be compared with it."""
    try:
        return load(path)
    except NoBaselineError:
        print("Nothing was accepted before.")
    except MnistlabError as error:
        print(f"What was accepted before cannot be read and is replaced: {error}")
    return None


def _trained(
    pipeline: CheckedPipeline, dataset: Dataset, options: argparse.Namespace, first: int
) -> list[SeedRun]:
    """Train the seeds from the first on, and show how far it is."""
    seeds: list[SeedRun] = []
    start = time.perf_counter()
    for seed in train_seeds(
        pipeline, dataset, range(first, first + options.seeds), Backend(options.scheduler)
    ):
        seeds.append(seed)
        mean = np.mean([each.metrics_of["final"]["accuracy"] for each in seeds])
        text = f"seed {len(seeds)} of {options.seeds}, {time.perf_counter() - start:.0f} s: accuracy {100 * mean:.3f} %"
        end = "\r" if sys.stderr.isatty() and len(seeds) < options.seeds else "\n"
        if end == "\r" or len(seeds) % FEWEST == 0:
            print(text, end=end, file=sys.stderr, flush=True)
    return seeds


def refuse_unfit(pipeline: Any, seeds: list[SeedRun], dataset: str) -> None:
    """Raise MnistlabError if the seeds' mean misses a bound of the spec, or they all agree in what the gate judges."""
    kept = columns(seeds)
    known = {
        "test accuracy": "accuracy",
        "test loss": "loss",
        "expected calibration error": "calibration error",
    }
    known |= {f"recall of digit {digit}": f"digit {digit}" for digit in range(10)}
    bounds = {bound.name: bound for bound in pipeline.spec.bounds}
    for name in [
        name for name, metric in known.items() if name in bounds and metric in kept["final"]
    ]:
        verdict = bounds[name].judge(
            kept["final"][known[name]].mean(), f"mean of {len(seeds)} seeds"
        )
        if verdict.status != "passed":
            raise MnistlabError(f"not accepted: {verdict.message}")
    for margin in margins_for(dataset, set(kept)):
        values = kept[margin.weights].get(margin.metric, np.arange(2))
        if np.ptp(np.round(values, 5)) == 0:
            what = f"{margin.metric} of the {margin.weights} weights is {values[0]:.6g} with all {len(seeds)} seeds"
            raise MnistlabError(f"not accepted: {what}; does the seed reach the training?")


def describe_baseline(baseline: Baseline, title: str) -> str:
    """Describe a baseline for a terminal."""
    head = (
        f"{title}: pipeline {baseline.pipeline} on {baseline.dataset}, {baseline.seeds} seeds from "
    )
    lines = [
        f"{baseline.first_seed}, accepted {baseline.accepted}, commit {baseline.commit or 'unknown'}"
    ]
    for weights, found in baseline.columns.items():
        for name in filter(found.__contains__, SHOWN):
            mean, sd = baselines.summarised(found[name])
            lines.append(f"  {name + ', ' + weights + ' weights':44} {mean:.5f} (sd {sd:.5f})")
    return head + "\n".join(lines)


def compared(old: Baseline, new: Baseline, margin: float | None = None) -> tuple[str, str]:
    """Hold a baseline against an older one, all seeds at one look; return the lines and the gate's decision.

    `margin` is that of the leading metric, a fraction, if not the default. MnistlabError if they are of two things.
    """
    if differs := difference(
        old, {field: getattr(new, field) for field in IDENTITY}, "in the new one"
    ):
        raise MnistlabError(
            f"{differs}; only what is of one pipeline, dataset, test set and spec can be compared"
        )
    gate = plan(
        margins_for(old.dataset, set(old.columns), margin), max(new.seeds, LOOKS[0]), old.seeds
    )
    comparisons = decide(old.columns, new.columns, gate, len(gate.looks) - 1, [])
    telling = [
        each
        for each in comparisons
        if each.margin.metric in SHOWN or each.status != "passed" or each.improved
    ]
    lines = [f"  {comparison.summary}: {comparison.status}" for comparison in telling]
    decision = decision_of(comparisons)
    better = [comparison.margin.name for comparison in comparisons if comparison.improved]
    words = {
        "PASSED": "no metric is worse by its margin",
        "FAILED": "it is worse",
        "UNDECIDED": "it may be worse",
    }
    gained = f"; better beyond the margin in {', '.join(better)}" if better else ""
    head = f"Against the {old.seeds} seeds accepted {old.accepted}: {words[decision]}{gained}"
    beside = [f"  and {len(comparisons) - len(telling)} further metrics: passed"]
    judged = {(each.margin.weights, each.margin.metric) for each in comparisons}
    for weights, arm in new.columns.items():
        for name in SHOWN:
            if name in arm and (weights, name) not in judged:
                kept = old.columns.get(weights, {})
                was = f"{kept[name].mean():.5f}" if name in kept else "not measured"
                beside.append(
                    f"  {name} ({weights} weights) {arm[name].mean():.5f}, was {was}: not judged"
                )
    return "\n".join([head, *lines, *beside]), decision
