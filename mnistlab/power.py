"""How often a gate errs: thousands of gates drawn from pools of real trainings, not from normal theory.

A simulated gate draws its seeds and those of its baseline from the pools with replacement, and decides as
`mnistlab.gate` does, for all gates at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from mnistlab.gate import Plan
from mnistlab.margins import Margin, Probe
from mnistlab.pools import Pool
from mnistlab.seeds import Columns
from mnistlab.stats import Interval, welch_error, wilson

Array = NDArray[np.float64]
Place = tuple[Probe, str]
NEVER = 99


@dataclass(frozen=True, eq=False)
class Outcome:
    """What many gates decided.

    Attributes
    ----------
    passed, failed : numpy.ndarray of bool, shape (gates,)
        A gate that did neither is undecided, which fails the run too.
    seeds : numpy.ndarray of int, shape (gates,)
        That each trained.
    blame : dict
        Metric -> in what share of the gates it had not passed when they ended.
    """

    passed: NDArray[np.bool_]
    failed: NDArray[np.bool_]
    seeds: NDArray[np.int64]
    blame: dict[str, float]


def simulate(candidate: Columns, baseline: Columns, plan: Plan, sizes: tuple[int, int], seed: int = 0) -> Outcome:
    """Run many gates.

    Parameters
    ----------
    candidate, baseline : dict
        Columns of the pools that the seeds of each are drawn from.
    plan : Plan
    sizes : tuple of two int
        Number of gates, and of seeds in a baseline; 0 for all of `baseline`, as it is and not drawn.
    seed : int
        Of the drawing.

    Returns
    -------
    Outcome
    """
    gates, accepted = sizes
    rng = np.random.default_rng(seed)
    new = rng.integers(len(_first(candidate)), size=(gates, plan.looks[-1]))
    old = rng.integers(len(_first(baseline)), size=(gates, accepted))
    if not accepted:
        old = np.broadcast_to(np.arange(len(_first(baseline))), (gates, len(_first(baseline))))
    passing = np.full((len(plan.margins), gates), NEVER)
    failing = np.full((len(plan.margins), gates), NEVER)
    for number, margin in enumerate(plan.margins):
        arms = candidate[margin.probe][margin.metric][new], baseline[margin.probe][margin.metric][old]
        for look in reversed(range(len(plan.looks))):
            count = plan.looks[look]
            levels = plan.pass_levels[number][look], plan.fail_levels[look]
            high, low = harm_bounds(margin, arms[0][:, :count], arms[1], levels)
            passing[number, high < margin.margin] = look
            failing[number, low > margin.margin] = look
    failing[failing > passing] = NEVER  # what had passed is not looked at again
    all_passed, any_failed = passing.max(axis=0), failing.min(axis=0)
    failed = any_failed <= np.minimum(all_passed, NEVER - 1)
    passed = ~failed & (all_passed < NEVER)
    end = np.where(passed, all_passed, np.where(failed, any_failed, len(plan.looks) - 1))
    open_ = (passing > end).mean(axis=1)
    blame = {margin.name: float(share) for margin, share in zip(plan.margins, open_, strict=True)}
    return Outcome(passed, failed, np.asarray(plan.looks)[end], blame)


def harm_bounds(margin: Margin, new: Array, old: Array, levels: tuple[float, float]) -> tuple[Array, Array]:
    """Return upper and lower bounds on the harm of many gates at one look: `mnistlab.reading.read` for arrays.

    Parameters
    ----------
    margin : Margin
    new, old : numpy.ndarray of float64, shape (gates, seeds)
    levels : tuple of two float
        One-sided, of the upper and the lower bound.

    Returns
    -------
    high, low : numpy.ndarray of float64, shape (gates,)
        Infinite where all seeds of a gate agree.
    """
    counts = new.shape[1], old.shape[1]
    sds = new.std(axis=1, ddof=1), old.std(axis=1, ddof=1)
    same = (np.ptp(new, axis=1) == 0) | (np.ptp(old, axis=1) == 0)
    sds = np.where(same, 1.0, sds[0]), np.where(same, 1.0, sds[1])
    upper, lower = levels
    if margin.kind == "spread":
        ratio = sds[0] / sds[1]
        high = ratio * np.sqrt(scipy.stats.f.isf(upper, counts[1] - 1, counts[0] - 1))
        low = ratio / np.sqrt(scipy.stats.f.isf(lower, counts[0] - 1, counts[1] - 1))
    else:
        error, freedom = welch_error(*sds, counts[0], counts[1])
        harm = (1 if margin.is_loss else -1) * (new.mean(axis=1) - old.mean(axis=1))
        high = harm - scipy.special.stdtrit(freedom, upper) * error
        low = harm + scipy.special.stdtrit(freedom, lower) * error
    return np.where(same, np.inf, high), np.where(same, -np.inf, low)


def shifted(pool: Columns, harms: Mapping[Place, float]) -> Columns:
    """Make every seed of a pool worse by a number, metric by metric.

    Parameters
    ----------
    pool : dict
        Columns.
    harms : mapping
        (probe, metric) -> how much, in the metric's unit.

    Returns
    -------
    dict
        New columns.
    """
    moved = {probe: dict(found) for probe, found in pool.items()}
    for (probe, metric), harm in harms.items():
        moved[probe][metric] = moved[probe][metric] + (harm if metric.startswith("loss") else -harm)
    return moved


def miss_rate(healthy: Columns, plan: Plan, margin: Margin, sizes: tuple[int, int], seed: int = 0) -> Interval:
    """Return how often a recipe whose true harm is exactly one margin passes in that metric, at any look.

    Parameters
    ----------
    healthy : dict
        Columns of the pool; shifted by the margin, or spread by it.
    plan : Plan
    margin : Margin
        One of the plan's.
    sizes : tuple of two int
        Number of gates, and of seeds in a baseline.
    seed : int

    Returns
    -------
    Interval
        With its 95 % Wilson interval, which knows the number of gates, not that of the pool's seeds.
    """
    worse = shifted(healthy, {(margin.probe, margin.metric): margin.margin})
    if margin.kind == "spread":
        values = healthy[margin.probe][margin.metric]
        worse = {margin.probe: {margin.metric: values.mean() + margin.margin * (values - values.mean())}}
    levels = plan.pass_levels[plan.margins.index(margin)]
    alone = Plan((margin,), plan.looks, (levels,), (1e-12,) * len(plan.looks))
    return rate(simulate(worse, healthy, alone, sizes, seed).passed)


def mcnemar_rejections(candidate: Pool, baseline: Pool, level: float, drop: float = 0.0) -> NDArray[np.bool_]:
    """Tell for every pair of trainings whether McNemar's one-sided exact test calls the candidate worse.

    Parameters
    ----------
    candidate, baseline : Pool
        Pairs of one training with itself are left out.
    level : float
    drop : float
        The candidate misreads this fraction of the test images beside its own, all newly.

    Returns
    -------
    numpy.ndarray of bool
    """
    new, old = candidate.wrong.astype(np.float32), baseline.wrong.astype(np.float32)
    both = np.rint(new @ old.T).astype(int)
    worse = np.rint(new.sum(axis=1)).astype(int)[:, None] - both + round(drop * new.shape[1])
    better = np.rint(old.sum(axis=1)).astype(int)[None, :] - both
    keep = ~np.eye(len(new), dtype=bool) if candidate is baseline else np.ones_like(both, dtype=bool)
    return np.asarray(scipy.stats.binom.sf(worse[keep] - 1, (worse + better)[keep], 0.5) <= level)


def rate(events: NDArray[np.bool_]) -> Interval:
    """Return a share with its 95 % Wilson interval."""
    return wilson(int(np.sum(events)), len(events))


def _first(pool: Columns) -> Array:
    return next(iter(next(iter(pool.values())).values()))
