"""The command ``mnistlab power``: measures the error rates of the gates in use, and writes them for people too."""

import argparse
import json
import math
import re
from pathlib import Path

from mnistlab import measure, rates
from mnistlab.baseline import load, path_of
from mnistlab.gate import plan
from mnistlab.margins import margins_for
from mnistlab.options import ACCEPTED, BUDGET
from mnistlab.pools import load_pools
from mnistlab.power_page import page
from mnistlab.recipe.pipeline import pipeline_for

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
    from mnistlab.plots_gate import power_curve
    from mnistlab.report.figures import png
    from mnistlab.report.files import write_atomically

    folder = Path(options.baselines)
    for dataset in DATASETS if options.dataset == "all" else (options.dataset,):
        if options.gates:
            write_atomically(rates.path_of(folder, dataset), dump(measured(options, dataset)))
    mnist, *small = DATASETS
    known = {mnist: rates.load(folder, mnist)}
    known |= {name: rates.load(folder, name) for name in small if rates.path_of(folder, name).exists()}
    complete = Path(options.pools) / "gates.jsonl"
    rows = [json.loads(line) for line in complete.read_text("utf-8").splitlines()] if complete.exists() else []
    write_atomically(options.docs / "power.md", page(known, rows))
    default = next(gate for gate in known[mnist]["gates"] if gate["budget"] == BUDGET)
    (options.docs / "power.png").write_bytes(png(power_curve(default, known[mnist]["others"], math.nan)))
    print(f"Written: {folder}, {options.docs / 'power.md'}, {options.docs / 'power.png'}")
    return 0


def dump(found: rates.Rates) -> str:
    """Write JSON with one line a rate."""
    return re.sub(r"\[[^][{}]*]", lambda found: " ".join(found[0].split()), json.dumps(found, indent=1)) + "\n"


def measured(options: argparse.Namespace, dataset: str) -> rates.Rates:
    """Measure all gates of a dataset, and one more with ``--margin`` and ``--seeds``."""
    pools, baseline = load_pools(options.pools, dataset), load(path_of(Path(options.baselines), "seed", dataset))
    leading, sizes = margins_for(dataset, PROBES)[0], (options.gates, baseline.seeds)
    settings = [(margin or leading.margin, budget, baseline.seeds) for margin, budget in SETTINGS[dataset]]
    further = [(leading.margin, BUDGET, ACCEPTED)]
    further += [(options.margin, options.seeds, baseline.seeds)] if options.margin else []
    found: rates.Rates = {"schema": rates.SCHEMA, "gates": []}
    for margin, budget, seeds in dict.fromkeys([*settings, *further]):
        gate = plan(margins_for(dataset, PROBES, margin), budget, seeds)
        found["gates"].append(measure.measure(pools, gate, baseline.columns, (options.gates, seeds)))
        name = f"{dataset}, margin {100 * margin:g} points, at most {budget} seeds against {seeds}"
        print(f"{name}: {rates.sentence(found['gates'][-1])}", flush=True)
    threshold = float(pipeline_for(dataset).spec.bound("test accuracy").bound or 0)
    found["others"] = measure.others(pools, leading, threshold, sizes)
    lone = min(options.gates, 4000), baseline.seeds
    found["smallest"] = list(measure.smallest(pools.healthy.columns, leading, BUDGETS, lone))
    found["files"] = measure.digits_of_files(pools, PAIRS)
    return found
