"""Measures the error rates of a dataset's gates on pools of real trainings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from planning import seeds_needed
from pools import Pool, Pools

from mnistlab.gate import Margin, SeedMetrics
from mnistlab.gate.error_rates import MetricKey, Rates, accepted_digest, plan_digest, simulate
from mnistlab.gate.margins import DEFAULT
from mnistlab.gate.paired import DIGIT_LEVEL, digit_power
from mnistlab.gate.sequential import Plan, plan
from mnistlab.stats import Array, wilson

LEADING: MetricKey = ("averaged", "accuracy")
FINAL: MetricKey = ("final", "accuracy")
STEPS = 25
"""Of a curve."""
MCNEMAR = 0.01
LOST = (0.005, 0.01, 0.015, 0.02, 0.03)
"""Of a digit's recall."""
Three = list[float | None]
"""A rate: estimate, low, high."""
MORE = 5
"""Times as many gates for false alarms and misses, which are rare."""
RESAMPLES = 200
"""Of the trainings."""


def drops_to(margin: float) -> list[float]:
    """Return the true drops at which curves are measured: to 2.5 times a margin."""
    return [round(2.5 * margin * step / STEPS, 6) for step in range(STEPS + 1)]


def measure(pools: Pools, gate: Plan, accepted: SeedMetrics, sizes: tuple[int, int]) -> Rates:
    """Measure a recipe gate; sizes are simulated gates for each rate, and seeds in a baseline.

    Baselines are drawn, as candidates are. The one in use has its own luck, which is part of a run: if it is of that
    size, the healthy pool is held against its columns, `accepted`, as well. And as its seeds are not the pool's, they
    tell by themselves once more how often healthy recipes do not pass and worse ones do. Returns plain values; rates
    are [estimate, low, high] with 95 % Wilson intervals. Those of `resampled` are over the trainings, of candidates
    from the pool and from all, against drawn baselines and against the one in use.
    """
    healthy, (gates, seeds), lead = pools.healthy.columns, sizes, gate.margins[:1]
    many, twice = (MORE * gates, seeds), (MORE * gates, 2 * seeds)
    together: SeedMetrics = {weights: {} for weights in accepted}
    for each in gate.margins:
        arms = (columns[each.weights][each.metric] for columns in (healthy, accepted))
        together[each.weights][each.metric] = np.concatenate(list(arms))
    once = Plan(lead, gate.looks[-1:], ((lead[0].alpha,),), gate.fail_levels[-1:])
    in_use = seeds == len(accepted["final"]["accuracy"])
    baselines = (None, accepted) if in_use else (None,)
    return {
        "margin": lead[0].margin,
        "budget": gate.looks[-1],
        "baseline_seeds": seeds,
        "plan": plan_digest(gate),
        "accepted": accepted_digest(gate, accepted) if in_use else None,
        "gates": many[0],
        "looks": list(gate.looks),
        "committed": _three(~simulate(healthy, accepted, gate, (many[0], 0), seed=6).passed)
        if in_use
        else None,
        "other seeds": _three(~simulate(accepted, accepted, gate, many, seed=7).passed),
        "one look": _three(~simulate(healthy, healthy, once, many, seed=8).passed),
        "one look, twice": _three(~simulate(healthy, healthy, once, twice, seed=8).passed),
        "resamples": {"times": RESAMPLES, "gates": 2 * gates, "estimates": 20 * gates},
        "resampled": [
            _resampled(arm, old, gate, sizes) for old in baselines for arm in (healthy, together)
        ],
        "recipes": [
            _recipe(name, pool, healthy, gate, sizes) for name, pool in pools.recipes.items()
        ],
        "miss": _misses(healthy, gate, many),
        "miss, other seeds": _misses(accepted, gate, many),
        "miss, all seeds": _misses(together, gate, many),
        **_curve(healthy, gate, LEADING, sizes),
    }


def _resampled(
    new: SeedMetrics, fixed: SeedMetrics | None, gate: Plan, sizes: tuple[int, int]
) -> Rates:
    """Bound the rates of the leading metric alone by what they become with other trainings: a bootstrap over seeds.

    The candidates' trainings are resampled; a baseline is drawn from the same, or is `fixed`, as it is in use.
    """
    lead = gate.margins[0]
    alone = Plan((lead,), gate.looks, gate.pass_levels[:1], gate.fail_levels)

    def passes(values: NDArray[np.float64], gates: int, seed: int) -> list[float]:
        healthy: SeedMetrics = {lead.weights: {lead.metric: values}}
        old, drawn = (healthy, sizes[1]) if fixed is None else (fixed, 0)
        arms = healthy, shifted(healthy, {(lead.weights, lead.metric): lead.margin})
        return [
            float(simulate(arm, old, alone, (gates, drawn), seed).passed.mean()) for arm in arms
        ]

    values, rng = new[lead.weights][lead.metric], np.random.default_rng(9)
    drawn = [
        passes(rng.choice(values, len(values)), 2 * sizes[0], number) for number in range(RESAMPLES)
    ]
    (low_kept, low), (high_kept, high) = np.percentile(drawn, [2.5, 97.5], axis=0).tolist()
    gates = 20 * sizes[0]
    kept, missed = passes(values, gates, RESAMPLES)
    ends = {"not passed": (1 - kept, 1 - high_kept, 1 - low_kept), "miss": (missed, low, high)}
    return {name: _widened(*each, gates) for name, each in ends.items()}


def _widened(rate: float, low: float, high: float, gates: int) -> list[float]:
    """Return a rate of so many gates, which no trainings drawn again make surer than the gates themselves do."""
    known = wilson(round(rate * gates), gates)
    return [round(value, 5) for value in (rate, min(low, known.low), max(high, known.high))]


def _recipe(
    name: str, pool: Pool, healthy: SeedMetrics, gate: Plan, sizes: tuple[int, int]
) -> Rates:
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


def _misses(healthy: SeedMetrics, gate: Plan, sizes: tuple[int, int]) -> Rates:
    return {each.name: _three(missed(healthy, gate, each, sizes)) for each in gate.margins}


def _curve(healthy: SeedMetrics, gate: Plan, place: MetricKey, sizes: tuple[int, int]) -> Rates:
    """Return drops of one metric, and the chance that a gate does not pass a recipe that is worse by each of them."""
    drops = drops_to(max(gate.margins[0].margin, DEFAULT))
    found = (
        simulate(shifted(healthy, {place: drop}), healthy, gate, sizes, seed=2) for drop in drops
    )
    return {
        "drops": drops,
        "curve": [round(float(1 - outcome.passed.mean()), 4) for outcome in found],
    }


def others(pools: Pools, leading: Margin, threshold: float, sizes: tuple[int, int]) -> Rates:
    """Measure what the recipe gate is compared with: a bare threshold, McNemar on retrainings, final weights alone.

    `leading` is the recipe gate's first margin; sizes are simulated gates and seeds in a baseline. Returns, for each
    method, the rate of not passing by recipe and a curve over true drops.
    """
    healthy, drops = pools.healthy, drops_to(leading.margin)
    lone = plan(
        (Margin(*FINAL, leading.margin, 0.003, "the margin of the averaged weights"),), 32, sizes[1]
    )
    accuracy = healthy.columns["final"]["accuracy"]
    below = [round(float((accuracy - drop < threshold).mean()), 4) for drop in drops]
    worse = mcnemar_rejections(healthy, healthy, MCNEMAR, drops).mean(axis=1)
    methods: dict[str, tuple[Callable[[Pool], Three], Rates]] = {
        "threshold": (
            lambda pool: _three(pool.columns["final"]["accuracy"] < threshold),
            {"drops": drops, "curve": below},
        ),
        "McNemar": (
            lambda pool: _share(mcnemar_rejections(pool, healthy, MCNEMAR)[0]),
            {"drops": drops, "curve": worse.round(4).tolist()},
        ),
        "final weights": (
            lambda pool: _three(
                ~simulate(pool.columns, healthy.columns, lone, sizes, seed=3).passed
            ),
            _curve(healthy.columns, lone, FINAL, sizes),
        ),
    }
    return {
        name: {"recipes": {recipe: method(pool) for recipe, pool in pools.recipes.items()}, **curve}
        for name, (method, curve) in methods.items()
    }


def smallest(
    healthy: SeedMetrics, leading: Margin, budgets: Sequence[int], sizes: tuple[int, int]
) -> Iterator[dict[str, float]]:
    """Find for each budget the least margin that 99 % of healthy recipes keep to, and the least drop found then.

    Of the leading metric alone, in steps of a twentieth of its margin; the drop is found with 95 % probability. And
    the seeds that theory plans for that margin, with one look.
    """
    values = healthy[leading.weights][leading.metric]
    alone: SeedMetrics = {leading.weights: {leading.metric: values}}
    sd = float(values.std(ddof=1))
    step = leading.margin / 20
    for budget in budgets:
        for margin in np.arange(4 * step, 80 * step, step):
            lone = Margin(leading.weights, leading.metric, float(margin), leading.alpha, "")
            gate = plan((lone,), budget, sizes[1])
            outcome = simulate(alone, alone, gate, sizes, seed=4)
            if outcome.passed.mean() >= 0.99:
                break
        for drop in np.arange(0.0, 120 * step, step):
            worse = simulate(shifted(alone, {LEADING: float(drop)}), alone, gate, sizes, seed=5)
            if 1 - worse.passed.mean() >= 0.95:
                break
        found = {"margin": round(float(margin), 5), "drop": round(float(drop), 5)}
        found["planned"] = seeds_needed((sd, sd), sizes[1], float(margin), leading.alpha, 0.99)
        yield {"budget": budget, **found, "mean seeds": round(float(outcome.seeds.mean()), 1)}


def digits_of_files(pools: Pools, pairs: int) -> Rates:
    """Measure the check of a file's digits, with as many images read otherwise as between two healthy trainings.

    Returns how often it fails an equally good file, whose images moved either way alike, and a healthy retraining; and
    how often it names a digit that lost each share of its recall, of a file that is otherwise the accepted one, and of
    one that reads as many other images otherwise: mean over the digits, least, and most.
    """
    labels, rng = pools.labels, np.random.default_rng(0)
    digits = [
        newly(wrong, wrong)
        for wrong in (pools.healthy.wrong[:, labels == digit] for digit in range(10))
    ]
    drawn = rng.integers(len(digits[0][0]), size=pairs)
    worse, better = (np.stack([digit[side][drawn] for digit in digits]) for side in (0, 1))
    moved, least = (
        (worse + better).astype(int),
        DIGIT_LEVEL / 10,
    )  # the first step of Holm's procedure
    good, retrained = (
        scipy.stats.binom.sf(wrong - 1, moved, 0.5).min(axis=0) <= least
        for wrong in (rng.binomial(moved, 0.5), worse)
    )
    counts = np.bincount(labels, minlength=10)
    named = []
    for lost in LOST:
        images = np.rint(lost * counts).astype(int)
        same = [digit_power(0, k) for k in images.tolist()]
        among = [
            np.mean([digit_power(m, k) for m in row])
            for row, k in zip(moved.tolist(), images.tolist(), strict=True)
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


def shifted(pool: SeedMetrics, harms: Mapping[MetricKey, float]) -> SeedMetrics:
    """Return columns in which every seed is worse by a number, in the metric's unit, at each place that is named."""
    moved = {weights: dict(found) for weights, found in pool.items()}
    for (weights, metric), harm in harms.items():
        moved[weights][metric] = moved[weights][metric] + (
            harm if metric.startswith("loss") else -harm
        )
    return moved


def missed(
    healthy: SeedMetrics, plan: Plan, margin: Margin, sizes: tuple[int, int]
) -> NDArray[np.bool_]:
    """Tell for each gate whether a recipe whose true harm is exactly one margin of the plan passes in that metric.

    Passing at any look counts. Sizes are the numbers of gates and of seeds in a baseline.
    """
    worse = shifted(healthy, {(margin.weights, margin.metric): margin.margin})
    if margin.kind == "spread":
        values = healthy[margin.weights][margin.metric]
        worse = {
            margin.weights: {
                margin.metric: values.mean() + margin.margin * (values - values.mean())
            }
        }
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
    keep = (
        ~np.eye(len(new), dtype=bool) if candidate is baseline else np.ones_like(both, dtype=bool)
    )
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
