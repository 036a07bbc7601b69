"""The commands ``mnistlab baseline accept``, ``show`` and ``compare``."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab import baseline as baselines
from mnistlab.baseline import FIRST_SEED, SHOWN, Baseline, NoBaselineError, check, load, path_of
from mnistlab.errors import MnistlabError
from mnistlab.gate import LOOKS, decide, decision_of, plan
from mnistlab.margins import margins_for
from mnistlab.seeds import Columns, Seed
from mnistlab.workers import Place

FEWEST = 16


def command(options: argparse.Namespace) -> int:
    """Run an action; 0 if all went well, and for ``compare`` if B is no worse than A."""
    if options.action == "compare":
        old, new = load(options.old), load(options.new)
        print(described(new, f"{options.new}"))
        lines, decision = compared(old, new.columns)
        print(lines)
        return 0 if decision == "PASSED" else 1
    if options.action == "show":
        from mnistlab import subject
        from mnistlab.data import load_dataset

        name = options.dataset
        if name == "auto":
            name = load_dataset(name, options.mnist_data).name
        path = path_of(Path(options.baselines), subject.load(options.pipeline, options.spec, name).name, name)
        print(described(load(path), str(path)))
        return 0
    return accept(options)


def accept(options: argparse.Namespace) -> int:
    """Train fresh seeds, show them against the accepted ones, and make them the accepted ones."""
    from mnistlab import subject
    from mnistlab.data import load_dataset
    from mnistlab.record import environment
    from mnistlab.seeds import train_seeds

    if options.seeds < FEWEST:
        raise MnistlabError(f"--seeds {options.seeds}: too few to know a spread; give at least {FEWEST}, better 96")
    dataset = load_dataset(options.dataset, options.mnist_data)
    if dataset.note:
        print(f"This is not MNIST: {dataset.note}")
    pipeline = subject.load(options.pipeline, options.spec, dataset.name)
    path = path_of(Path(options.baselines), pipeline.name, dataset.name)
    old = _accepted(path)
    first = FIRST_SEED if old is None else old.first_seed + old.seeds  # never those that were accepted before
    seeds: list[Seed] = []
    place = Place(options.scheduler)
    start = time.perf_counter()
    for seed in train_seeds(pipeline, dataset, range(first, first + options.seeds), place):
        seeds.append(seed)
        values = np.array([each.probes["final"]["accuracy"] for each in seeds])
        text = f"seed {len(seeds)} of {options.seeds}, {time.perf_counter() - start:.0f} s"
        end = "\r" if sys.stderr.isatty() and len(seeds) < options.seeds else "\n"
        if end == "\r" or len(seeds) % FEWEST == 0:
            print(f"{text}: accuracy {100 * values.mean():.3f} %", end=end, file=sys.stderr, flush=True)
    machine = {"platform": f"{platform.system()} {platform.machine()}"}  # its kernel's name is nobody's business
    new = baselines.made_of(pipeline, dataset, seeds, {**environment(), **machine})
    refuse_unfit(pipeline, seeds)
    print(described(new, str(path)))
    if old is None:
        print("Nothing was accepted before.")
    else:
        try:
            check(old, pipeline, dataset)
            print(compared(old, new.columns)[0])
        except MnistlabError as error:
            print(f"The old one is of something else: {error}")
    baselines.save(new, path)
    print(f"Accepted: {path}. Commit it, so that a reviewer sees what changed.")
    return 0


def refuse_unfit(pipeline: Any, seeds: list[Seed]) -> None:
    """Raise MnistlabError if the mean of the seeds misses a bound of the pipeline's own spec."""
    mean = {name: float(np.mean([seed.probes["final"][name] for seed in seeds])) for name in seeds[0].probes["final"]}
    known = {"test accuracy": "accuracy", "test loss": "loss"}
    known |= {f"recall of digit {digit}": f"digit {digit}" for digit in range(10)}
    for bound in pipeline.spec.bounds:
        if (name := known.get(bound.name)) in mean:
            verdict = bound.judge(mean[name], f"mean of {len(seeds)} seeds")
            if verdict.status != "passed":
                raise MnistlabError(f"not accepted: {verdict.message}")


def described(baseline: Baseline, title: str) -> str:
    """Describe a baseline for a terminal."""
    lines = [
        f"{title}: pipeline {baseline.pipeline} on {baseline.dataset}, {baseline.seeds} seeds from "
        f"{baseline.first_seed}, accepted {baseline.accepted}, commit {baseline.commit or 'unknown'}"
    ]
    for probe, found in baseline.columns.items():
        for name in SHOWN:
            if name in found:
                mean, sd = baselines.summarised(found[name])
                lines.append(f"  {name + ', ' + probe + ' weights':44} {mean:.5f} (sd {sd:.5f})")
    return "\n".join(lines)


def compared(old: Baseline, new: Columns) -> tuple[str, str]:
    """Hold columns against a baseline, all seeds at one look; return the lines and the gate's decision."""
    seeds = len(new["final"]["accuracy"])
    margins = margins_for(old.dataset, set(old.columns))
    gate = plan(margins, max(seeds, LOOKS[0]), old.seeds)
    readings = decide(old.columns, new, gate, len(gate.looks) - 1, [])
    telling = [each for each in readings if each.margin.metric in SHOWN or each.status != "passed" or each.improved]
    lines = [f"  {reading.finding}: {reading.status}" for reading in telling]
    decision = decision_of(readings)
    better = [reading.margin.name for reading in readings if reading.improved]
    words = {
        "PASSED": "no metric is worse by its margin",
        "FAILED": "it is worse",
        "UNDECIDED": "it may be worse",
    }
    gained = f"; better beyond the margin in {', '.join(better)}" if better else ""
    quiet = len(readings) - len(telling)
    head = f"Against the {old.seeds} seeds accepted {old.accepted}: {words[decision]}{gained}"
    judged = {(each.margin.probe, each.margin.metric) for each in readings}
    beside = [
        f"  {name} ({probe} weights) {arm[name].mean():.5f}, was {_mean(old.columns, probe, name)}: not judged"
        for probe, arm in new.items()
        for name in SHOWN
        if name in arm and (probe, name) not in judged
    ]
    return "\n".join([head, *lines, f"  and {quiet} further metrics: passed", *beside]), decision


def _mean(kept: Columns, probe: str, name: str) -> str:
    """Return the mean of a metric, or that there is none: what an older baseline lacks is said."""
    return f"{kept[probe][name].mean():.5f}" if name in kept.get(probe, {}) else "not measured"


def _accepted(path: Path) -> Baseline | None:
    try:
        return load(path)
    except NoBaselineError:
        return None
