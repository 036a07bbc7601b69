"""How often the recipe gate errs: thousands of gates simulated from the accepted seeds themselves.

A simulated gate draws its trainings from real ones, with replacement, and decides with the code
that decides in a run. Two healthy candidates are simulated: one whose seeds match (an accepted
result plus the difference of a repeated training), and one of other random streams (independent
draws). A worse candidate is a healthy one, shifted by its margin in one metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnistlab.arrays import Bools, Indices
from mnistlab.gate.comparison import Accepted, summarise
from mnistlab.gate.margins import GateMetric
from mnistlab.gate.seed_runs import SeedMetrics
from mnistlab.gate.sequential import AcceptedSeeds, Plan, make_plan, take_look
from mnistlab.stats import wilson

GATES = 2000
NEVER = 10_000
ACCEPTABLE = 0.01
MARGIN_STEPS = (1.5, 2, 3, 4, 6, 8)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What simulated gates decided; arrays of shape (gates,).

    A gate that neither passed nor failed is undecided, which fails a run too. `open_share` tells
    for each metric in what share of the gates it had not passed at the end.
    """

    passed: Bools
    failed: Bools
    seeds: Indices
    open_share: dict[str, float]


def draw(
    accepted: AcceptedSeeds, count: int, gates: int, matched: bool, seed: int
) -> tuple[SeedMetrics, SeedMetrics]:
    """Draw healthy candidates and the accepted results of their seeds.

    Returns
    -------
    new, same : dict of float array, shape (gates, count)
    """
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(accepted.seeds), size=(gates, count))
    same = {key: values[rows] for key, values in accepted.columns.items()}
    if not matched:
        others = rng.integers(len(accepted.seeds), size=(gates, count))
        return {key: values[others] for key, values in accepted.columns.items()}, same
    repeats = len(next(iter(accepted.repeats.values())))
    picked = rng.integers(repeats, size=(gates, count))
    new = {}
    for key, values in accepted.repeats.items():
        difference = values - accepted.columns[key][:repeats]
        # Repeats of healthy seeds do not differ on average: a mean is luck of the few.
        new[key] = same[key] + (difference - difference.mean())[picked]
    return new, same


def simulate(
    plan: Plan, accepted: AcceptedSeeds, new: SeedMetrics, same: SeedMetrics, seed: int = 0
) -> Outcome:
    """Let gates decide on drawn results; each compares with accepted seeds that are drawn as well.

    Parameters
    ----------
    plan : Plan
    accepted : AcceptedSeeds
    new, same : dict of float array, shape (gates, n)
        n is the plan's budget.
    seed : int
        Draws the accepted seeds of each gate; with a negative one, all compare with those in use.
    """
    gates = next(iter(new.values())).shape[0]
    known = {
        metric.key: _drawn_summary(accepted, metric.key, gates, seed) for metric in plan.metrics
    }
    passing = np.full((len(plan.metrics), gates), NEVER)
    failing = np.full((len(plan.metrics), gates), NEVER)
    for look, count in reversed(list(enumerate(plan.looks))):
        pair = [{key: part[key][:, :count] for key in known} for part in (new, same)]
        _, bounds = take_look(plan, look, pair[0], pair[1], known)
        for number, (metric, (low, high, _)) in enumerate(zip(plan.metrics, bounds, strict=True)):
            passing[number, high < metric.margin] = look
            failing[number, low > metric.margin] = look
    failing[failing > passing] = NEVER  # a metric that passed is not looked at again
    all_passed, any_failed = passing.max(axis=0), failing.min(axis=0)
    failed = (any_failed < NEVER) & (any_failed <= all_passed)
    passed = ~failed & (all_passed < NEVER)
    last = len(plan.looks) - 1
    end = np.where(passed, all_passed, np.where(failed, any_failed, last))
    still_open = (passing > end).mean(axis=1)
    names = [metric.name for metric in plan.metrics]
    shares = dict(zip(names, still_open.tolist(), strict=True))
    return Outcome(passed, failed, np.asarray(plan.looks)[end], shares)


def _drawn_summary(accepted: AcceptedSeeds, key: str, gates: int, seed: int) -> Accepted:
    own = accepted.summary(key)
    if seed < 0:
        return own
    values = accepted.columns[key]
    rng = np.random.default_rng([seed, 7])  # the same rows for every metric
    drawn = summarise(
        values[rng.integers(len(values), size=(gates, len(values)))], np.empty(0), np.empty(0)
    )
    return Accepted(drawn.mean, drawn.sd, own.seeds, own.slope, own.residual_sd, own.repeats)


def shift(new: SeedMetrics, metric: GateMetric, degradation: float) -> SeedMetrics:
    """Make candidates worse in one metric: by `degradation`, or by that ratio of spreads."""
    values = new[metric.key]
    if metric.spread:
        centre = float(values.mean())
        worse = centre + degradation * (values - centre)
    else:
        worse = values + (degradation if metric.lower_is_better else -degradation)
    return {**new, metric.key: worse}


def error_rates(plan: Plan, accepted: AcceptedSeeds, gates: int = GATES) -> dict[str, Any]:
    """Simulate the gate's error rates from the accepted seeds.

    Returns
    -------
    dict
        Of plain values. Rates are [estimate, low, high] with 95 % Wilson intervals over gates:
        "matched" and "independent" healthy candidates with the rate that does not pass and the mean
        number of trainings; "miss", for each metric, how often a candidate that is worse by exactly
        the margin passes in that metric; "curve", the probability that the gate finds a drop of
        the leading metric.
    """
    count, lead = plan.looks[-1], plan.metrics[0]
    kinds = {"independent": False}
    if accepted.repeats and max(plan.match_below) > 0:
        kinds = {"matched": True, **kinds}
    healthy = {}
    for kind, matched in kinds.items():
        new, same = draw(accepted, count, gates, matched, seed=1)
        outcome = simulate(plan, accepted, new, same)
        healthy[kind] = {
            "not passed": _rate(~outcome.passed),
            "mean seeds": round(float(outcome.seeds.mean()), 2),
            "open": {name: share for name, share in outcome.open_share.items() if share > 0.001},
        }
    new, same = draw(accepted, count, gates, matched=False, seed=2)
    miss = {}
    for number, metric in enumerate(plan.metrics):
        alone = replace(
            plan,
            metrics=(metric,),
            pass_levels=plan.pass_levels[number : number + 1],
            fail_levels=(1e-12,) * len(plan.looks),
            match_below=(0.0,) * len(plan.looks),
        )
        worse = shift(new, metric, metric.margin)
        miss[metric.name] = _rate(simulate(alone, accepted, worse, same).passed)
    drops = [round(lead.margin * step / 4, 7) for step in range(13)]
    curve = [
        float((~simulate(plan, accepted, shift(new, lead, drop), same).passed).mean())
        for drop in drops
    ]
    return {
        "margin": lead.margin,
        "budget": count,
        "accepted seeds": len(accepted.seeds),
        "gates": gates,
        "metrics": [metric.name for metric in plan.metrics],
        **healthy,
        "miss": miss,
        "drops": drops,
        "curve": curve,
    }


def _rate(events: Bools) -> list[float]:
    interval = wilson(int(events.sum()), len(events))
    return [round(value, 5) for value in (interval.estimate, interval.low, interval.high)]


def found_at(rates: dict[str, Any], drop: float) -> float:
    """Interpolate the probability that the gate does not pass a drop of the leading metric."""
    return float(np.interp(drop, rates["drops"], rates["curve"]))


def sentence(rates: dict[str, Any]) -> str:
    """State the gate's error rates in one sentence."""
    parts = []
    for kind, seeds in (("matched", "matched"), ("independent", "independent")):
        if kind in rates:
            share, mean = 100 * rates[kind]["not passed"][0], rates[kind]["mean seeds"]
            parts.append(f"{share:.2g} % with {seeds} seeds (after {mean:.0f} seeds on average)")
    worst = 100 * max(rates["miss"].values())[0]
    margin = 100 * rates["margin"]
    found = 100 * found_at(rates, 2 * rates["margin"])
    return (
        f"healthy runs that do not pass: {', '.join(parts)}; a loss of one margin passes at most "
        f"{worst:.2g} % of the time; a drop of {2 * margin:.2f} points is found {found:.4g} % of "
        f"the time ({rates['gates']} simulated gates, {rates['accepted seeds']} accepted seeds)"
    )


def as_table(rates: dict[str, Any]) -> list[str]:
    """Return the rates as lines for a terminal."""
    lines = [f"margin {100 * rates['margin']:.2f} points, at most {rates['budget']} seeds"]
    for kind in ("matched", "independent"):
        if kind in rates:
            share, mean = rates[kind]["not passed"], rates[kind]["mean seeds"]
            lines.append(f"  healthy, {kind} seeds: {_percent(share)} do not pass, {mean} seeds")
    for name, share in rates["miss"].items():
        lines.append(f"  a loss of one margin in {name}: passes {_percent(share)}")
    for drop, found in zip(rates["drops"], rates["curve"], strict=True):
        lines.append(
            f"  a drop of {100 * drop:.3f} points is found {100 * found:.4g} % of the time"
        )
    return lines


def advice(
    rates: dict[str, Any], metrics: Sequence[GateMetric], accepted: AcceptedSeeds
) -> list[str]:
    """Say what to do if more than 1 % of healthy runs do not pass."""
    worst = max(
        (kind for kind in ("matched", "independent") if kind in rates),
        key=lambda kind: float(rates[kind]["not passed"][0]),
    )
    share = rates[worst]["not passed"][0]
    if share <= ACCEPTABLE:
        return []
    margin = next((m for m in MARGIN_STEPS if _share(metrics, rates, accepted, m) <= ACCEPTABLE), 0)
    text = (
        f"{100 * share:.2g} % of healthy runs with {worst} seeds would stay undecided at margin "
        f"{100 * rates['margin']:.2f}: accept more seeds than {rates['accepted seeds']}, allow "
        f"more with --seeds"
    )
    if margin:
        text += f", or state a margin of {100 * margin * rates['margin']:.2f} points"
    return [text]


def _share(
    metrics: Sequence[GateMetric], rates: dict[str, Any], accepted: AcceptedSeeds, factor: float
) -> float:
    """Return the share of healthy runs that do not pass with a leading margin so much wider."""
    wider = replace(metrics[0], margin=factor * metrics[0].margin)
    plan = make_plan((wider, *metrics[1:]), rates["budget"], accepted)
    new, same = draw(accepted, plan.looks[-1], 400, matched=False, seed=3)
    return float((~simulate(plan, accepted, new, same).passed).mean())


def _percent(rate: Sequence[float]) -> str:
    return "{:.3g} % ({:.3g} to {:.3g})".format(*(100 * value for value in rate))
