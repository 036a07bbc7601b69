"""How often a gate errs: thousands of gates drawn from pools of real trainings, not from normal theory.

A simulated gate draws its seeds and those of its baseline from the pools with replacement, and decides as
`mnistlab.gate` does, for all gates at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from mnistlab.gate import Plan
from mnistlab.margins import Margin, Probe
from mnistlab.pools import Pool
from mnistlab.reading import harm_bounds
from mnistlab.seeds import Columns
from mnistlab.stats import Array, moments

Place = tuple[Probe, str]
NEVER = 99


@dataclass(frozen=True, eq=False)
class Outcome:
    """What many gates decided; arrays of shape (gates,)."""

    passed: NDArray[np.bool_]
    failed: NDArray[np.bool_]  # a gate that did neither is undecided, which fails the run too
    seeds: NDArray[np.int64]  # that each trained
    blame: dict[str, float]  # metric -> in what share of the gates it had not passed when they ended


def simulate(candidate: Columns, baseline: Columns, plan: Plan, sizes: tuple[int, int], seed: int = 0) -> Outcome:
    """Run many gates, whose seeds are drawn from the columns of two pools.

    Sizes are the numbers of gates, and of seeds in a baseline; 0 for all of `baseline`, as it is and not drawn.
    """
    gates, drawn = sizes
    rng = np.random.default_rng(seed)
    new = rng.integers(_seeds(candidate), size=(gates, plan.looks[-1]))
    old = rng.integers(_seeds(baseline), size=(gates, drawn)) if drawn else np.arange(_seeds(baseline))[None]
    passing = np.full((len(plan.margins), gates), NEVER)
    failing = np.full((len(plan.margins), gates), NEVER)
    for number, margin in enumerate(plan.margins):
        values = candidate[margin.probe][margin.metric][new]
        accepted = moments(baseline[margin.probe][margin.metric][old])
        for look in reversed(range(len(plan.looks))):
            levels = plan.pass_levels[number][look], plan.fail_levels[look]
            low, high, _ = harm_bounds(margin, moments(values[:, : plan.looks[look]]), accepted, levels)
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


def shifted(pool: Columns, harms: Mapping[Place, float]) -> Columns:
    """Return columns in which every seed is worse by a number, in the metric's unit, at each place that is named."""
    moved = {probe: dict(found) for probe, found in pool.items()}
    for (probe, metric), harm in harms.items():
        moved[probe][metric] = moved[probe][metric] + (harm if metric.startswith("loss") else -harm)
    return moved


def missed(healthy: Columns, plan: Plan, margin: Margin, sizes: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell for each gate whether a recipe whose true harm is exactly one margin of the plan passes in that metric.

    Passing at any look counts. Sizes are the numbers of gates and of seeds in a baseline.
    """
    worse = shifted(healthy, {(margin.probe, margin.metric): margin.margin})
    if margin.kind == "spread":
        values = healthy[margin.probe][margin.metric]
        worse = {margin.probe: {margin.metric: values.mean() + margin.margin * (values - values.mean())}}
    levels = plan.pass_levels[plan.margins.index(margin)]
    alone = Plan((margin,), plan.looks, (levels,), (1e-12,) * len(plan.looks))
    return simulate(worse, healthy, alone, sizes).passed


def newly(candidate: NDArray[np.bool_], baseline: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Count, for every pair of trainings, the images that only the first, and only the second, misreads.

    Takes which images each misreads, bool (seeds, images); returns two flat arrays, whole numbers in float64. A pool
    against itself is without the pairs of one training with itself.
    """
    new, old = candidate.astype(np.float32), baseline.astype(np.float32)
    both = np.rint(new @ old.T).astype(np.float64)
    worse, better = candidate.sum(axis=1)[:, None] - both, baseline.sum(axis=1)[None, :] - both
    keep = ~np.eye(len(new), dtype=bool) if candidate is baseline else np.ones_like(both, dtype=bool)
    return worse[keep], better[keep]


def mcnemar_rejections(
    candidate: Pool, baseline: Pool, level: float, drops: Sequence[float] = (0.0,)
) -> NDArray[np.bool_]:
    """Tell for every pair of trainings if McNemar's one-sided exact test calls the candidate worse: (drops, pairs).

    The candidate misreads each of the fractions `drops` of the test images beside its own, all newly.
    """
    worse, better = newly(candidate.wrong, baseline.wrong)
    more = [worse + round(drop * candidate.wrong.shape[1]) for drop in drops]
    return np.array([scipy.stats.binom.sf(each - 1, each + better, 0.5) <= level for each in more])


def _seeds(pool: Columns) -> int:
    return len(next(iter(next(iter(pool.values())).values())))
