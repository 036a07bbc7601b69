"""Count how often healthy seeds miss the healthy ranges of the accepted state.

    python benchmarks/false_alarms.py --dataset mnist --seeds 200

Measures the suite's figures of the published recipe on seeds that set no range, and holds them
against the accepted ranges. Prints each miss, and the share of seeds with one, with its interval.
"""

import argparse
from pathlib import Path

from mnistlab.data import load_dataset
from mnistlab.environment import baseline_folder
from mnistlab.execution import Backend, available_cores
from mnistlab.gate import Baseline, baseline_path, open_runner
from mnistlab.gate.healthy_range import HealthyRange
from mnistlab.loading import load_pipeline
from mnistlab.plugin import SeedMeasurer
from mnistlab.stats import wilson

FIRST_SEED = 50_000
"""Far from the accepted seeds."""


def is_beyond(value: float, accepted: HealthyRange) -> bool:
    """Tell whether a value lies outside of a healthy range."""
    too_low = accepted.low is not None and value < accepted.low
    return too_low or (accepted.high is not None and value > accepted.high)


def main() -> None:
    """Measure, compare, count."""
    parser = argparse.ArgumentParser(description="Count healthy seeds that miss a healthy range.")
    parser.add_argument("--dataset", choices=("mnist", "digits"), default="mnist")
    parser.add_argument("--mnist-data", help="folder of IDX files or .npz")
    parser.add_argument("--seeds", type=int, default=200)
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, options.mnist_data)
    pipeline = load_pipeline(None, None, dataset.name)
    name = baseline_path(Path(), pipeline.name, dataset.name).name
    accepted = Baseline.load(baseline_folder(None, name) / name).figures
    seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
    alarms = 0
    with open_runner(
        SeedMeasurer(pipeline, dataset), Backend(processes=available_cores())
    ) as measure:
        for measured in measure(seeds):
            misses = [
                f"{name} = {figure.value:.6g}, range {accepted[name].low} to {accepted[name].high}"
                for name, figure in measured.figures.items()
                if name in accepted and is_beyond(figure.value, accepted[name])
            ]
            alarms += bool(misses)
            if misses:
                print(f"seed {measured.seed}: {'; '.join(misses)}", flush=True)
    interval = wilson(alarms, len(seeds))
    print(
        f"{alarms} of {len(seeds)} healthy seeds miss at least one of {len(accepted)} ranges: "
        f"{100 * interval.estimate:.2f} % (95 % interval {100 * interval.low:.2f} to "
        f"{100 * interval.high:.2f} %)"
    )


if __name__ == "__main__":
    main()
