"""Measures the error rates of a dataset's gates on pools of real trainings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from mnistlab.artifact import DIGIT_LEVEL, digit_power
from mnistlab.gate import Plan, plan
from mnistlab.margins import Margin
from mnistlab.pools import Pool, Pools
from mnistlab.power import Place, mcnemar_rejections, missed, newly, shifted, simulate
from mnistlab.rates import Rates
from mnistlab.seeds import Columns
from mnistlab.stats import seeds_needed, wilson

LEADING: Place = ("averaged", "accuracy")
FINAL: Place = ("final", "accuracy")
STEPS = 25
"""Of a curve, which ends at 2.5 of the margin that the dataset's gate has by default."""
MCNEMAR = 0.01
LOST = (0.005, 0.01, 0.015, 0.02, 0.03)
"""Of a digit's recall."""
Three = list[float | None]
"""A rate: estimate, low, high."""
MORE = 5
"""Times as many gates for false alarms and misses, which are rare."""


def drops_to(margin: float) -> list[float]:
    """Return the true drops at which curves are measured, given the margin that the dataset's gate has by default."""
    return [round(2.5 * margin * step / STEPS, 6) for step in range(STEPS + 1)]


def measure(pools: Pools, gate: Plan, accepted: Columns, gates: int, drops: Sequence[float]) -> Rates:
    """Measure a recipe gate with that many simulated ones for each rate, and its curve over true drops of accuracy.

    The baseline in use has its own luck, which is part of a run: healthy seeds, its own and the pool's together, are
    held against its columns, `accepted`, as well. And as its seeds are not the pool's, they tell by themselves once
    more how often healthy recipes do not pass and worse ones do. Simulated baselines have as many seeds. Returns plain
    values; rates are [estimate, low, high] with 95 % Wilson intervals.
    """
    healthy, many = pools.healthy.columns, MORE * gates
    sizes = gates, len(accepted["final"]["accuracy"])
    together: Columns = {probe: {} for probe in accepted}
    for each in gate.margins:
        arms = (columns[each.probe][each.metric] for columns in (healthy, accepted))
        together[each.probe][each.metric] = np.concatenate(list(arms))
    lone, last = gate.margins[:1], gate.looks[-1:]
    once = Plan(lone, last, ((lone[0].spend,),), gate.fail_levels[-1:])
    return {
        "margin": gate.margins[0].margin,
        "budget": gate.looks[-1],
        "baseline_seeds": sizes[1],
        "gates": many,
        "looks": list(gate.looks),
        "committed": _three(~simulate(together, accepted, gate, (many, 0), seed=6).passed),
        "other seeds": _three(~simulate(accepted, accepted, gate, (many, sizes[1]), seed=7).passed),
        "one look": _three(~simulate(healthy, healthy, once, (many, sizes[1]), seed=8).passed),
        "one look, twice": _three(~simulate(healthy, healthy, once, (many, 2 * sizes[1]), seed=8).passed),
        "recipes": [_recipe(name, pool, healthy, gate, sizes) for name, pool in pools.recipes.items()],
        "miss": _misses(healthy, gate, (many, sizes[1])),
        "miss, other seeds": _misses(accepted, gate, (many, sizes[1])),
        "miss, all seeds": _misses(together, gate, (many, sizes[1])),
        "drops": list(drops),
        "curve": _curve(healthy, gate, LEADING, sizes, drops),
    }


def _recipe(name: str, pool: Pool, healthy: Columns, gate: Plan, sizes: tuple[int, int]) -> Rates:
    gates = MORE * sizes[0] if name == "healthy" else sizes[0]
    outcome = simulate(pool.columns, healthy, gate, (gates, sizes[1]), seed=1)
    means = {place: float(pool.columns[place[0]][place[1]].mean()) for place in (LEADING, FINAL)}
    blame = sorted(outcome.blame.items(), key=lambda item: -item[1])
    return {
        "name": name,
        "seeds": pool.seeds,
        "averaged accuracy": round(means[LEADING], 5),
        "final accuracy": round(means[FINAL], 5),
        "not passed": _three(~outcome.passed),
        "failed": round(float(outcome.failed.mean()), 4),
        "mean seeds": round(float(outcome.seeds.mean()), 1),
        "seen by": [metric for metric, share in blame[:3] if share >= 0.5],
    }


def _misses(healthy: Columns, gate: Plan, sizes: tuple[int, int]) -> Rates:
    return {each.name: _three(missed(healthy, gate, each, sizes)) for each in gate.margins}


def _curve(healthy: Columns, gate: Plan, place: Place, sizes: tuple[int, int], drops: Sequence[float]) -> list[float]:
    """Return the chance that a gate does not pass a recipe that is worse by each of the drops in one metric."""
    found = (simulate(shifted(healthy, {place: drop}), healthy, gate, sizes, seed=2) for drop in drops)
    return [round(float(1 - outcome.passed.mean()), 4) for outcome in found]


def others(pools: Pools, leading: Margin, threshold: float, sizes: tuple[int, int]) -> Rates:
    """Measure what the recipe gate is compared with: a bare threshold, McNemar on retrainings, final weights alone.

    `leading` is the recipe gate's first margin; sizes are simulated gates and seeds in a baseline. Returns, for each
    method, the rate of not passing by recipe and a curve over the dataset's drops.
    """
    healthy, drops = pools.healthy, drops_to(leading.margin)
    lone = plan((Margin(*FINAL, leading.margin, 0.003, "the margin of the averaged weights"),), 32, sizes[1])
    accuracy = healthy.columns["final"]["accuracy"]

    def final(pool: Pool) -> Three:
        return _three(~simulate(pool.columns, healthy.columns, lone, sizes, seed=3).passed)

    def mcnemar(pool: Pool) -> Three:
        return _share(mcnemar_rejections(pool, healthy, MCNEMAR))

    def below(pool: Pool) -> Three:
        return _three(pool.columns["final"]["accuracy"] < threshold)

    methods = {
        "threshold": (below, [float((accuracy - drop < threshold).mean()) for drop in drops]),
        "McNemar": (mcnemar, [float(mcnemar_rejections(healthy, healthy, MCNEMAR, drop).mean()) for drop in drops]),
        "final weights": (final, _curve(healthy.columns, lone, FINAL, sizes, drops)),
    }
    return {
        name: {
            "recipes": {recipe: method(pool) for recipe, pool in pools.recipes.items()},
            "curve": [round(value, 4) for value in curve],
        }
        for name, (method, curve) in methods.items()
    }


def smallest(
    healthy: Columns, leading: Margin, budgets: Sequence[int], sizes: tuple[int, int]
) -> Iterator[dict[str, float]]:
    """Find for each budget the least margin that 99 % of healthy recipes keep to, and the least drop found then.

    Of the leading metric alone, in steps of a twentieth of its margin; the drop is found with 95 % probability. And
    the seeds that theory plans for that margin, with one look.
    """
    values = healthy[leading.probe][leading.metric]
    alone: Columns = {leading.probe: {leading.metric: values}}
    sd = float(values.std(ddof=1))
    step = leading.margin / 20
    for budget in budgets:
        for margin in np.arange(4 * step, 80 * step, step):
            lone = Margin(leading.probe, leading.metric, float(margin), leading.spend, "")
            gate = plan((lone,), budget, sizes[1])
            outcome = simulate(alone, alone, gate, sizes, seed=4)
            if outcome.passed.mean() >= 0.99:
                break
        for drop in np.arange(0.0, 120 * step, step):
            worse = simulate(shifted(alone, {LEADING: float(drop)}), alone, gate, sizes, seed=5)
            if 1 - worse.passed.mean() >= 0.95:
                break
        found = {"margin": round(float(margin), 5), "drop": round(float(drop), 5)}
        found["planned"] = seeds_needed((sd, sd), sizes[1], float(margin), leading.spend, 0.99)
        yield {"budget": budget, **found, "mean seeds": round(float(outcome.seeds.mean()), 1)}


def digits_of_files(pools: Pools, pairs: int) -> Rates:
    """Measure the check of a file's digits, with as many images read otherwise as between two healthy trainings.

    Returns how often it fails an equally good file, whose images moved either way alike, and a healthy retraining; and
    how often it names a digit that lost each share of its recall, of a file that is otherwise the accepted one, and of
    one that reads as many other images otherwise: mean over the digits, least, and most.
    """
    labels, rng = pools.labels, np.random.default_rng(0)
    digits = [newly(wrong, wrong) for wrong in (pools.healthy.wrong[:, labels == digit] for digit in range(10))]
    drawn = rng.integers(len(digits[0][0]), size=pairs)
    worse, better = (np.stack([digit[side][drawn] for digit in digits]) for side in (0, 1))
    moved, least = (worse + better).astype(int), DIGIT_LEVEL / 10  # the first step of Holm's procedure
    good, retrained = (
        scipy.stats.binom.sf(wrong - 1, moved, 0.5).min(axis=0) <= least for wrong in (rng.binomial(moved, 0.5), worse)
    )
    counts = np.bincount(labels, minlength=10)
    named = []
    for lost in LOST:
        images = np.rint(lost * counts).astype(int)
        same = [digit_power(0, k) for k in images.tolist()]
        among = [
            np.mean([digit_power(m, k) for m in row]) for row, k in zip(moved.tolist(), images.tolist(), strict=True)
        ]
        named.append({"lost": lost, "same": _range(same), "otherwise": _range(among)})
    return {
        "pairs": pairs,
        "moved": round(float(moved.sum(axis=0).mean()), 1),
        "equally good": _share(good),
        "retrained": _share(retrained),
        "named": named,
    }


def _range(values: Sequence[Any]) -> list[float]:
    return [round(float(value), 4) for value in (np.mean(values), min(values), max(values))]


def _three(events: NDArray[np.bool_]) -> Three:
    """Return a share with its 95 % Wilson interval."""
    found = wilson(int(events.sum()), len(events))
    return [round(value, 5) for value in (found.estimate, found.low, found.high)]


def _share(events: NDArray[np.bool_]) -> Three:
    """Return a share of pairs, which have trainings in common: no interval."""
    return [round(float(events.mean()), 5), None, None]
