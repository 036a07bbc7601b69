"""The command ``mnistlab power``: measures the gates' error rates, and writes them as JSON, a page and a picture."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import scipy

from mnistlab import rates
from mnistlab.artifact import CONFIDENCE, MARGIN
from mnistlab.baseline import load, path_of
from mnistlab.margins import DEFAULT
from mnistlab.pools import IMAGES, Pool, load_pools
from mnistlab.stats import tango

PRESETS = ((DEFAULT, 16), (DEFAULT, 32), (0.0005, 64), (0.0005, 128), (0.0005, 256))
BUDGETS = (8, 16, 32, 64, 128)
TARGETS = (
    (DEFAULT, 16, 0.001, "margin 0.10, 8 to 16 seeds"),
    (DEFAULT, 32, 0.001, "margin 0.10, 8 to 32 seeds (the default)"),
    (0.0005, 64, 0.01, "margin 0.05, at most 64 seeds, about 60 s"),
    (0.0005, 128, 0.01, "margin 0.05, at most 128 seeds, about 130 s"),
)
"""Margin, most seeds, false alarms that were allowed, words."""
DIFFERING = (0, 20, 50, 100, 200, 300)
SECONDS = 1.0
"""Of one training on two cores of the machine that the pools are from; see benchmarks/training.py."""
HEAD = """# What the gates find, and how often they err

Made by `mnistlab power` from `benchmarks/pools.json`: {healthy} healthy trainings and {weakened} or more of each
weakened recipe, all on MNIST. Each rate is a share of simulated gates: {gates} where it is rare (false alarms and
misses), a fifth of that elsewhere. A gate draws its seeds, and those of a baseline of {baseline} seeds, from these
trainings with replacement. Intervals are 95 % Wilson intervals: they know the number of simulated gates, not that of
the trainings behind them. "Found" is every run that does not pass, whether FAILED or UNDECIDED; both fail CI.

![Probability to be found against the true drop](power.png)
"""


def command(options: argparse.Namespace) -> int:
    """Measure and write; 0 if all went well."""
    pools = load_pools(options.pools)
    folder = Path(options.baselines)
    baseline = load(path_of(folder, "seed", rates.DATASET))
    sizes = options.gates, baseline.seeds
    wanted = [*PRESETS]
    if options.margin and (options.margin, options.seeds) not in wanted:
        wanted.append((options.margin, options.seeds))
    gates = []
    for setting in wanted:
        gates.append(rates.measure(pools, setting, sizes, baseline.columns))
        print(
            f"margin {100 * setting[0]:g} points, at most {setting[1]} seeds: {rates.sentence(gates[-1])}", flush=True
        )
    others = rates.others(pools, sizes)
    found = {"schema": rates.SCHEMA, "gates": gates, "others": others, "drops": list(rates.DROPS)}
    found["smallest"] = list(rates.smallest(pools, BUDGETS, (min(options.gates, 4000), baseline.seeds)))
    write(found, pools, folder, options.docs)
    return 0


def write(found: Mapping[str, Any], pools: Mapping[str, Pool], folder: Path, docs: Path) -> None:
    """Write rates, page and picture, each to the side first."""
    from mnistlab.plots import png
    from mnistlab.plots_gate import power_curve
    from mnistlab.record import write_atomically

    write_atomically(rates.path_of(folder, rates.DATASET), json.dumps(found, indent=1) + "\n")
    write_atomically(docs / "power.md", page(found, pools))
    default = next(gate for gate in found["gates"] if (gate["margin"], gate["budget"]) == PRESETS[1])
    (docs / "power.png").write_bytes(png(power_curve(default, found["others"], found["drops"], math.nan)))
    print(f"Written: {rates.path_of(folder, rates.DATASET)}, {docs / 'power.md'}, {docs / 'power.png'}")


def page(found: Mapping[str, Any], pools: Mapping[str, Pool]) -> str:
    """Write the page in Markdown."""
    gates = found["gates"]
    weakened = min(pool.seeds for name, pool in pools.items() if name != "healthy")
    default = next(gate for gate in gates if (gate["margin"], gate["budget"]) == PRESETS[1])
    first = gates[0]
    head = HEAD.format(
        healthy=pools["healthy"].seeds, weakened=weakened, gates=first["gates"], baseline=first["baseline_seeds"]
    )
    parts = [_targets(gates), _gates(gates), _recipes(default, found["others"]), _smallest(found), _misses(default)]
    return "\n".join([head, *(line for part in parts for line in part), *_files(found["others"])])


def _targets(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    """Hold what was wanted against what was measured."""
    rows = []
    for gate in gates:
        wanted = [target for target in TARGETS if target[:2] == (gate["margin"], gate["budget"])]
        for *_, alarms, text in wanted:
            healthy, leading = gate["recipes"][0], next(iter(gate["miss"].values()))
            twice = gate["curve"][round(2 * gate["margin"] / 0.0001)]
            reached = [
                ("a healthy recipe passes not", healthy["not passed"][0], healthy["not passed"][0] <= alarms, alarms),
                ("a drop of one margin passes", leading[0], leading[0] <= 0.01, 0.01),
                ("a drop of two margins passes", 1 - twice, twice >= 0.99, 0.01),
            ]
            rows += [
                f"| {text} | {what}: at most {100 * most:g} % | {100 * got:.2g} % | {'yes' if ok else '**no**'} |"
                for what, got, ok, most in reached
            ]
    return ["## What was to be reached\n", "| gate | wanted | measured | reached |", "|---|---|---|---|", *rows, ""]


def _gates(gates: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = []
    for gate in gates:
        healthy = gate["recipes"][0]
        leading = next(iter(gate["miss"].values()))
        twice = gate["curve"][round(2 * gate["margin"] / 0.0001)]
        cells = [f"{100 * gate['margin']:.2f}", f"{gate['budget']}", _percent(healthy["not passed"])]
        cells += [
            _percent(gate["committed"]),
            _percent(leading),
            f"{100 * twice:.1f} %",
            f"{healthy['mean seeds']:.1f}",
        ]
        rows.append(f"{' | '.join(cells)}".join(("| ", " |")))
    return [
        "## The recipe gate\n",
        "Healthy: all metrics of the gate, so any of them may raise the alarm. Miss: the accuracy of the averaged "
        "weights is worse by exactly the margin, and passes at any look. A baseline is one draw itself; the third "
        "column is the mean over such draws, the fourth holds all healthy trainings against the one in use.\n",
        "| margin, points | most seeds | healthy not passed | the same, baseline in use | a drop of one margin passes "
        "| of two margins found | mean seeds, healthy |",
        "|---|---|---|---|---|---|---|",
        *rows,
        f"\nA training takes {SECONDS:.1f} s on two cores.\n",
    ]


def _recipes(gate: Mapping[str, Any], others: Mapping[str, Any]) -> list[str]:
    healthy = gate["recipes"][0]
    rows = []
    for recipe in gate["recipes"]:
        drops = [100 * (healthy[key] - recipe[key]) for key in ("averaged accuracy", "final accuracy")]
        beside = [
            _percent(others[name]["recipes"][recipe["name"]]) for name in ("threshold", "McNemar", "final weights")
        ]
        cells = [recipe["name"], *(f"{drop:+.3f}" for drop in drops), _percent(recipe["not passed"])]
        cells += [f"{recipe['mean seeds']:.0f}", ", ".join(recipe["seen by"]) or "-", *beside]
        rows.append(f"| {' | '.join(cells)} |")
    lost = [each["name"] for each in gate["recipes"][1:] if each["not passed"][0] < 0.5]
    return [
        "## Real recipes, side by side\n",
        f"The gate's margin is {100 * gate['margin']:.2f} points, its budget {gate['budget']} seeds. The others: one "
        "seed and accuracy >= 97 %; McNemar's exact test at 1 % between one training and one accepted training; the "
        "gate on the accuracy of the final weights alone with the same margin and budget.\n",
        "| recipe | drop, averaged | drop, final | this gate | its seeds | mostly seen by | >= 97 % | McNemar "
        "| final weights |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        f"\nWeakened recipes that mostly pass: {', '.join(lost) or 'none'}.\n",
    ]


def _smallest(found: Mapping[str, Any]) -> list[str]:
    rows = [
        f"| {each['budget']} | {SECONDS * each['budget']:.0f} | {SECONDS * each['mean seeds']:.0f} "
        f"| {100 * each['margin']:.3f} | {100 * each['drop']:.3f} |"
        for each in found["smallest"]
    ]
    return [
        "## The smallest drop that is found\n",
        "Of the accuracy of the averaged weights alone: the least margin that 99 % of healthy recipes keep to, and the "
        "least drop that is then found with a probability of 95 %.\n",
        "| most seeds | most seconds | mean seconds, healthy | margin, points | drop found, points |",
        "|---|---|---|---|---|",
        *rows,
        "",
    ]


def _misses(gate: Mapping[str, Any]) -> list[str]:
    rows = [f"| {name} | {_percent(each)} |" for name, each in gate["miss"].items()]
    return [
        "## Misses, metric by metric\n",
        "Every healthy training made worse by exactly the metric's margin: how often it passes, at any look. The "
        "trainings are not normally distributed, so what is spent is less than 1 % (`mnistlab/margins.py`).\n",
        "| metric | passes |",
        "|---|---|",
        *rows,
        "",
    ]


def _files(others: Mapping[str, Any]) -> list[str]:
    """Say what the gate on a file passes, exactly, and why it is for files only."""
    rows = []
    for count in DIFFERING:
        passing = [b for b in range(count + 1) if -tango(b, count - b, IMAGES, CONFIDENCE).low < MARGIN]
        chance = float(scipy.stats.binom.cdf(passing[-1], count, 0.5))
        net = 2 * passing[-1] - count
        rows.append(f"| {count} | {net if count else 0} ({net / 100:+.2f}) | {100 * chance:.4g} % |")
    alarms = 100 * others["McNemar"]["recipes"]["healthy"][0]
    return [
        "## The gate on a file\n",
        f"One file against the accepted predictions, margin {100 * MARGIN:.2f} points, exact for {IMAGES} images. A "
        "digit fails by McNemar's test with Holm's correction from 10 newly wrong images on, if none is newly right.\n",
        "| images that only one of the two reads right | greatest net loss that passes, images (points) "
        "| an equally good file passes |",
        "|---|---|---|",
        *rows,
        f"\nIt is for files only. McNemar's test at 1 % calls {alarms:.1f} % of healthy retrainings worse: "
        "it knows the noise of the images, not that of training.\n",
    ]


def _percent(found: Sequence[float | None]) -> str:
    estimate, low, high = (None if value is None else 100 * value for value in found)
    interval = f" ({low:.3g} to {high:.3g})" if low is not None and high is not None else ""
    return "-" if estimate is None else f"{estimate:.3g} %{interval}"
