"""Count how often healthy seeds miss the healthy ranges of an accepted state.

    python benchmarks/false_alarms.py --dataset digits --seeds 200 --json figures.jsonl
    python benchmarks/false_alarms.py --dataset digits --json figures.jsonl --accept 32

The first command measures the suite's figures of the published recipe on seeds that set no range,
keeps them in a file, one JSON line a seed, and counts the misses of the accepted ranges. If the
file exists, its seeds are counted and none is measured. With ``--accept N`` the ranges are made of
the first N seeds of the file, and the others are counted; with ``--draws D`` of N seeds drawn at
random, D times. The interval of a share is Wilson's; that of draws is too narrow, as draws overlap.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.data import load_dataset
from mnistlab.environment import baseline_folder
from mnistlab.execution import Backend, available_cores
from mnistlab.gate import Baseline, HealthyRange, baseline_path, healthy_range, open_runner
from mnistlab.loading import load_pipeline
from mnistlab.plugin import SeedMeasurer
from mnistlab.stats import wilson

FIRST_SEED = 50_000
"""Far from the accepted seeds."""

Row = dict[str, Any]  # "seed", and "figures": [value, worse, images] by name


def measured(options: argparse.Namespace) -> Iterator[Row]:
    """Measure the figures of each seed."""
    dataset = load_dataset(options.dataset, options.mnist_data)
    seeds = range(options.first, options.first + options.seeds)
    runner = open_runner(
        SeedMeasurer(load_pipeline(None, None, dataset.name), dataset),
        Backend(processes=available_cores()),
    )
    with runner as measure:
        for each in measure(seeds):
            figures = {
                name: [figure.value, figure.worse, figure.images]
                for name, figure in each.figures.items()
            }
            yield {"seed": each.seed, "figures": figures}


def rows(options: argparse.Namespace) -> list[Row]:
    """Read the figures of the file, or measure and keep them."""
    if options.json is None:
        return list(measured(options))
    if not options.json.exists():
        with options.json.open("w", encoding="utf-8") as file:
            for row in measured(options):
                print(json.dumps(row), file=file, flush=True)
    return [json.loads(line) for line in options.json.read_text(encoding="utf-8").splitlines()]


def ranges_of(accepted: list[Row]) -> dict[str, HealthyRange]:
    """Make the healthy range of each figure that all seeds have."""
    return {
        name: healthy_range([row["figures"][name][0] for row in accepted], worse, images)
        for name, (_, worse, images) in accepted[0]["figures"].items()
        if all(name in row["figures"] for row in accepted)
    }


def misses(row: Row, ranges: dict[str, HealthyRange]) -> Iterator[str]:
    """Yield the figures of a seed that lie outside of their range."""
    for name, (value, *_) in row["figures"].items():
        if name in ranges:
            low, high = ranges[name].low, ranges[name].high
            if (low is not None and value < low) or (high is not None and value > high):
                yield name


def count(counted: list[Row], ranges: dict[str, HealthyRange]) -> Counter[tuple[int, str]]:
    """Count the misses, by seed and figure."""
    return Counter((row["seed"], name) for row in counted for name in misses(row, ranges))


def main() -> None:
    """Measure or read, compare, count."""
    parser = argparse.ArgumentParser(description="Count healthy seeds that miss a healthy range.")
    parser.add_argument("--dataset", choices=("mnist", "digits"), default="mnist")
    parser.add_argument("--mnist-data", help="folder of IDX files or .npz")
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="first seed to measure")
    parser.add_argument("--seeds", type=int, default=200, help="how many to measure")
    parser.add_argument("--json", type=Path, help="file of figures: read, or written if missing")
    parser.add_argument("--accept", type=int, default=0, help="make the ranges of so many seeds")
    parser.add_argument("--draws", type=int, default=0, help="draw them so many times")
    parser.add_argument("--without", action="append", default=[], help="leave a figure out")
    options = parser.parse_args()
    found = rows(options)
    for row in found:
        row["figures"] = {n: f for n, f in row["figures"].items() if n not in options.without}
    total = alarms = 0
    by_figure: Counter[str] = Counter()
    random = np.random.default_rng(0)
    for _ in range(max(options.draws, 1)):
        order = random.permutation(len(found)) if options.draws else range(len(found))
        accepted = [found[place] for place in order[: options.accept]]
        counted = [found[place] for place in order[options.accept :]]
        ranges = ranges_of(accepted) if accepted else accepted_ranges(options)
        missed = count(counted, ranges)
        total += len(counted)
        alarms += len({seed for seed, _ in missed})
        by_figure.update(name for _, name in missed)
        if not options.draws:
            show(counted, ranges, missed)
    for name, times in by_figure.most_common():
        print(f"{times:6d} of {total}: {name}")
    interval = wilson(alarms, total)
    print(
        f"{alarms} of {total} healthy seeds miss at least one of {len(ranges)} ranges: "
        f"{100 * interval.estimate:.2f} % (95 % interval {100 * interval.low:.2f} to "
        f"{100 * interval.high:.2f} %)"
    )


def accepted_ranges(options: argparse.Namespace) -> dict[str, HealthyRange]:
    """Read the ranges of the accepted state."""
    name = baseline_path(Path(), load_pipeline(None, None, options.dataset).name, options.dataset)
    return dict(Baseline.load(baseline_folder(None, name.name) / name.name).figures)


def show(counted: list[Row], ranges: dict[str, HealthyRange], missed: Counter[Any]) -> None:
    """Print each miss, and each figure's range beside the extremes of the seeds."""
    by_seed = {row["seed"]: row["figures"] for row in counted}
    for seed, name in missed:
        print(f"seed {seed}: {name} = {by_seed[seed][name][0]:.6g}")
    for name, healthy in ranges.items():
        values = [row["figures"][name][0] for row in counted if name in row["figures"]]
        if values:
            print(
                f"{name}: {min(values):.4g} to {max(values):.4g}; "
                f"range {healthy.low} to {healthy.high} ({healthy.rule})"
            )


if __name__ == "__main__":
    main()
