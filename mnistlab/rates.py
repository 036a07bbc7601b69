"""The error rates of the gates in use, as ``mnistlab power`` measures them and a run's page states them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError
from mnistlab.gate import Plan, plan
from mnistlab.margins import Margin, margins_for
from mnistlab.pools import Pool
from mnistlab.power import Place, mcnemar_rejections, miss_rate, rate, shifted, simulate
from mnistlab.seeds import Columns
from mnistlab.stats import Interval

SCHEMA = 1
DATASET = "mnist"
"""The pools are of it."""
PROBES = {"averaged", "final"}
LEADING: Place = ("averaged", "accuracy")
FINAL: Place = ("final", "accuracy")
DROPS = tuple(round(0.0001 * step, 5) for step in range(26))
THRESHOLD = 0.97
MCNEMAR = 0.01
MORE = 5
"""Times as many gates for false alarms and misses, which are rare."""
Rates = dict[str, Any]


def path_of(folder: Path, dataset: str) -> Path:
    """Return where the measured rates of a dataset's gates are kept."""
    return folder / f"power-{dataset}.json"


def measure(pools: Mapping[str, Pool], settings: tuple[float, int], sizes: tuple[int, int], accepted: Columns) -> Rates:
    """Measure the recipe gate with one margin and budget.

    Parameters
    ----------
    pools : mapping
        Recipe -> Pool.
    settings : tuple of float and int
        Margin of the leading metric, a fraction; most seeds.
    sizes : tuple of two int
        Simulated gates, and seeds in a baseline.
    accepted : dict
        Columns of the baseline in use. Its own luck is part of a run: healthy seeds, its own and the pool's together,
        are held against it as well.

    Returns
    -------
    dict
        Plain values; rates are [estimate, low, high] with 95 % Wilson intervals.
    """
    margin, budget = settings
    gate = plan(margins_for("mnist", PROBES, margin), budget, sizes[1])
    healthy = pools["healthy"].columns
    places = [(each.probe, each.metric) for each in gate.margins]
    together: Columns = {probe: {} for probe in accepted}
    for probe, metric in places:
        together[probe][metric] = np.concatenate([healthy[probe][metric], accepted[probe][metric]])
    committed = simulate(together, accepted, gate, (MORE * sizes[0], 0), seed=6)
    return {
        "margin": margin,
        "budget": budget,
        "baseline_seeds": sizes[1],
        "gates": MORE * sizes[0],
        "looks": list(gate.looks),
        "committed": _three(rate(~committed.passed)),
        "recipes": [_recipe(name, pool, healthy, gate, sizes) for name, pool in pools.items()],
        "miss": {
            each.name: _three(miss_rate(healthy, gate, each, (MORE * sizes[0], sizes[1]))) for each in gate.margins
        },
        "curve": _curve(healthy, gate, LEADING, sizes),
    }


def _recipe(name: str, pool: Pool, healthy: Any, gate: Plan, sizes: tuple[int, int]) -> Rates:
    gates = MORE * sizes[0] if name == "healthy" else sizes[0]
    outcome = simulate(pool.columns, healthy, gate, (gates, sizes[1]), seed=1)
    means = {place: float(pool.columns[place[0]][place[1]].mean()) for place in (LEADING, FINAL)}
    blame = sorted(outcome.blame.items(), key=lambda item: -item[1])
    return {
        "name": name,
        "seeds": pool.seeds,
        "averaged accuracy": round(means[LEADING], 5),
        "final accuracy": round(means[FINAL], 5),
        "not passed": _three(rate(~outcome.passed)),
        "failed": round(float(outcome.failed.mean()), 4),
        "mean seeds": round(float(outcome.seeds.mean()), 1),
        "seen by": [metric for metric, share in blame[:3] if share >= 0.5],
    }


def _curve(healthy: Any, gate: Plan, place: Place, sizes: tuple[int, int]) -> list[float]:
    """Return the chance that a gate does not pass a recipe that is worse by each of `DROPS` in one metric."""
    found = (simulate(shifted(healthy, {place: drop}), healthy, gate, sizes, seed=2) for drop in DROPS)
    return [round(float(1 - outcome.passed.mean()), 4) for outcome in found]


def others(pools: Mapping[str, Pool], sizes: tuple[int, int]) -> Rates:
    """Measure what the recipe gate is compared with: a bare threshold, McNemar on retrainings, final weights alone.

    Sizes are simulated gates and seeds in a baseline. Returns, for each method, the rate of not passing by recipe and
    a curve over `DROPS`.
    """
    healthy = pools["healthy"]
    lone = plan((Margin(*FINAL, 0.001, 0.003, "the margin of the averaged weights"),), 32, sizes[1])
    accuracy = healthy.columns["final"]["accuracy"]

    def final(pool: Pool) -> Interval:
        return rate(~simulate(pool.columns, healthy.columns, lone, sizes, seed=3).passed)

    def mcnemar(pool: Pool) -> Interval:
        found = mcnemar_rejections(pool, healthy, MCNEMAR)
        return Interval(np.nan, np.nan, float(found.mean()))  # pairs share trainings: no interval

    def threshold(pool: Pool) -> Interval:
        return rate(pool.columns["final"]["accuracy"] < THRESHOLD)

    methods = {"threshold": threshold, "McNemar": mcnemar, "final weights": final}
    curves = {
        "threshold": [float((accuracy - drop < THRESHOLD).mean()) for drop in DROPS],
        "McNemar": [float(mcnemar_rejections(healthy, healthy, MCNEMAR, drop).mean()) for drop in DROPS],
        "final weights": _curve(healthy.columns, lone, FINAL, sizes),
    }
    return {
        name: {
            "recipes": {recipe: _three(method(pool)) for recipe, pool in pools.items()},
            "curve": [round(value, 4) for value in curves[name]],
        }
        for name, method in methods.items()
    }


def smallest(pools: Mapping[str, Pool], budgets: Sequence[int], sizes: tuple[int, int]) -> Iterator[Rates]:
    """Find for each budget the least margin that 99 % of healthy recipes keep to, and the least drop found then.

    Of the accuracy of the averaged weights alone; the drop is found with 95 % probability.
    """
    healthy = {"averaged": {"accuracy": pools["healthy"].columns["averaged"]["accuracy"]}}
    spend = margins_for("mnist", PROBES)[0].spend
    for budget in budgets:
        for margin in np.arange(0.0002, 0.004, 0.00005):
            gate = plan((Margin(*LEADING, float(margin), spend, ""),), budget, sizes[1])
            if simulate(healthy, healthy, gate, sizes, seed=4).passed.mean() >= 0.99:
                break
        for drop in np.arange(0.0, 0.006, 0.00005):
            outcome = simulate(shifted(healthy, {LEADING: drop}), healthy, gate, sizes, seed=5)
            if 1 - outcome.passed.mean() >= 0.95:
                break
        mean = simulate(healthy, healthy, gate, sizes, seed=4).seeds.mean()
        found = {"margin": round(float(margin), 5), "drop": round(float(drop), 5)}
        yield {"budget": budget, **found, "mean seeds": round(float(mean), 1)}


def load(folder: Path, dataset: str, settings: tuple[float, int, int]) -> Rates:
    """Return the measured rates of the gate with a margin, a budget and a number of baseline seeds.

    Raises
    ------
    MnistlabError
        If they were not measured, with the command that does; the rates of another gate are not this one's.
    """
    path = path_of(folder, dataset)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        matching = [rates for rates in found["gates"] if _settings(rates) == settings and found["schema"] == SCHEMA]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MnistlabError(f"{path}: no measured error rates ({error}); type: mnistlab power") from error
    if not matching:
        margin, budget, seeds = settings
        what = f"margin {100 * margin:g} points, at most {budget} seeds against {seeds} accepted"
        command = f"mnistlab power --margin {margin:g} --seeds {budget}"
        raise MnistlabError(f"the error rates of this gate ({what}) were not measured; type: {command}")
    rates: Rates = matching[0]
    return rates


def load_others(folder: Path, dataset: str) -> Rates:
    """Return the measured rates of what the recipe gate is compared with; empty if they were not measured."""
    try:
        others: Rates = json.loads(path_of(folder, dataset).read_text(encoding="utf-8"))["others"]
    except (OSError, KeyError, TypeError, ValueError):
        return {}
    return others


def mcnemar_alarms(folder: Path, dataset: str) -> str:
    """Say how often McNemar's test calls a healthy retraining worse."""
    found = load_others(folder, dataset)
    return f"{100 * found['McNemar']['recipes']['healthy'][0]:.1f} %" if found else "far more than 1 %"


def sentence(rates: Rates) -> str:
    """State false alarms, misses and power of a gate in one line."""
    healthy = next(each for each in rates["recipes"] if each["name"] == "healthy")
    alarms, low, high = (100 * value for value in healthy["not passed"])
    leading = next(iter(rates["miss"]))
    missed = 100 * rates["miss"][leading][0]
    this = 100 * rates["committed"][0]
    twice = min(2 * rates["margin"], DROPS[-1])
    found = 100 * float(np.interp(twice, DROPS, rates["curve"]))
    return (
        f"of {rates['gates']} simulated gates on healthy trainings {alarms:.2g} % did not pass "
        f"(95 % interval {low:.2g} to {high:.2g} %; {this:.2g} % against this very baseline), "
        f"after {healthy['mean seeds']:.0f} seeds on average; "
        f"a recipe {100 * rates['margin']:.2f} points worse passes {missed:.2g} % of the time; "
        f"a drop of {100 * twice:.2f} points is found {found:.4g} % of the time"
    )


def _settings(rates: Rates) -> tuple[float, int, int]:
    return rates["margin"], rates["budget"], rates["baseline_seeds"]


def _three(found: Interval) -> list[float | None]:
    values: NDArray[Any] = np.array([found.estimate, found.low, found.high])
    return [round(float(value), 5) if np.isfinite(value) else None for value in values]
