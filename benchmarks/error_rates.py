"""Measures the error rates of the gates on pools of real trainings, and writes docs/power.md with its picture.

    python benchmarks/error_rates.py [--dataset mnist|digits] [--margin M --seeds K]

``benchmarks/train_pools.py`` trains the pools. This script writes ``baselines/power-*.json``, from which a run reads
the error rates of its gate.
"""

import argparse
import json
import math
import re
import sys
from pathlib import Path

import error_rates_study as measure
from error_rates_page import page
from pools import load_pools

from mnistlab.cli.main import ACCEPTED_SEEDS
from mnistlab.errors import MnistlabError
from mnistlab.gate import error_rates as rates
from mnistlab.gate import margins_for
from mnistlab.gate.baseline import load, path_of
from mnistlab.gate.sequential import plan
from mnistlab.options import BUDGET
from mnistlab.recipe import pipeline_for

DATASETS = ("mnist", "digits")
SETTINGS = {
    "mnist": ((None, 16), (None, BUDGET), (0.0005, 64), (0.0005, 128), (0.0005, 256)),
    "digits": ((None, 16), (None, BUDGET)),
}
"""Margins (the dataset's own, or another) and most seeds of the gates that are measured, against as many seeds as are
accepted; the second also against as many as are accepted by default."""
BUDGETS = (8, 16, 32, 64, 128)
PROBES = {"averaged", "final"}
PAIRS = 4000


def command(options: argparse.Namespace) -> int:
    """Measure, unless no gates are wanted, and write rates, page and picture; 0 if all went well."""
    from mnistlab.gate.figures import power_curve
    from mnistlab.report import write_atomically
    from mnistlab.report.figures import png

    folder = Path(options.baselines)
    for dataset in DATASETS if options.dataset == "all" else (options.dataset,):
        if options.gates:
            write_atomically(rates.path_of(folder, dataset), dump(measured(options, dataset)))
    mnist, *small = DATASETS
    known = {mnist: rates.load(folder, mnist)}
    known |= {
        name: rates.load(folder, name) for name in small if rates.path_of(folder, name).exists()
    }
    complete = Path(options.pools) / "gates.jsonl"
    rows = (
        [json.loads(line) for line in complete.read_text("utf-8").splitlines()]
        if complete.exists()
        else []
    )
    write_atomically(options.docs / "power.md", page(known, rows))
    default = next(gate for gate in known[mnist]["gates"] if gate["budget"] == BUDGET)
    (options.docs / "power.png").write_bytes(
        png(power_curve(default, known[mnist]["others"], math.nan))
    )
    print(f"Written: {folder}, {options.docs / 'power.md'}, {options.docs / 'power.png'}")
    return 0


def dump(found: rates.Rates) -> str:
    """Write JSON with one line a rate."""
    return (
        re.sub(
            r"\[[^][{}]*]", lambda found: " ".join(found[0].split()), json.dumps(found, indent=1)
        )
        + "\n"
    )


def measured(options: argparse.Namespace, dataset: str) -> rates.Rates:
    """Measure all gates of a dataset, and one more with ``--margin`` and ``--seeds``."""
    pools, baseline = (
        load_pools(options.pools, dataset),
        load(path_of(Path(options.baselines), "seed", dataset)),
    )
    leading, sizes = margins_for(dataset, PROBES)[0], (options.gates, baseline.seeds)
    settings = [
        (margin or leading.margin, budget, baseline.seeds) for margin, budget in SETTINGS[dataset]
    ]
    further = [(leading.margin, BUDGET, ACCEPTED_SEEDS)]
    further += [(options.margin, options.seeds, baseline.seeds)] if options.margin else []
    found: rates.Rates = {"schema": rates.SCHEMA, "gates": []}
    for margin, budget, seeds in dict.fromkeys([*settings, *further]):
        gate = plan(margins_for(dataset, PROBES, margin), budget, seeds)
        found["gates"].append(
            measure.measure(pools, gate, baseline.columns, (options.gates, seeds))
        )
        name = f"{dataset}, margin {100 * margin:g} points, at most {budget} seeds against {seeds}"
        print(f"{name}: {rates.sentence(found['gates'][-1])}", flush=True)
    threshold = float(pipeline_for(dataset).spec.bound("test accuracy").bound or 0)
    found["others"] = measure.others(pools, leading, threshold, sizes)
    lone = min(options.gates, 4000), baseline.seeds
    found["smallest"] = list(measure.smallest(pools.healthy.columns, leading, BUDGETS, lone))
    found["files"] = measure.digits_of_files(pools, PAIRS)
    return found


def main() -> int:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(
        description="Measure how often the gates err, on pools of real trainings."
    )
    parser.add_argument(
        "--dataset", choices=("all", *DATASETS), default="all", help="whose gates (default: all)"
    )
    parser.add_argument("--margin", type=float, help="of one more gate, a fraction")
    parser.add_argument("--seeds", type=int, default=BUDGET, help="most seeds of that gate")
    text = "simulated for each rate, five times as many for rare ones; 0: write page and picture anew (default: 2000)"
    parser.add_argument("--gates", type=int, default=2000, help=text)
    parser.add_argument(
        "--pools", type=Path, default=Path("benchmarks"), help="folder of the pools"
    )
    parser.add_argument("--baselines", default="baselines", help="folder that the rates go to")
    parser.add_argument(
        "--docs", type=Path, default=Path("docs"), help="folder that page and picture go to"
    )
    try:
        return command(parser.parse_args())
    except MnistlabError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
