"""How often the recipe gate errs: thousands of gates simulated from the accepted seeds themselves.

A simulated gate decides with the code that decides in a run. Two healthy candidates are simulated:
one whose seeds match (what the accepted result predicts plus a residual of the repeats), and one of
independent draws. A worse candidate is a healthy one, shifted by its margin in one metric.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mnistlab.arrays import Bools, Indices
from mnistlab.gate.comparison import Sample, residuals, spread_of
from mnistlab.gate.margins import GateMetric
from mnistlab.gate.plan import AcceptedSeeds, Plan, make_plan, take_look
from mnistlab.gate.seed_runs import SeedMetrics, take
from mnistlab.stats import wilson

GATES = 2000
NEVER = 10_000  # later than any look
ACCEPTABLE = 0.01  # healthy runs that do not pass
KINDS = ("matched", "independent")


@dataclass(frozen=True, eq=False)
class Outcome:
    """What simulated gates decided, shape (gates,); undecided if neither passed nor failed."""

    passed: Bools
    failed: Bools
    seeds: Indices  # number of trainings
    metrics_passed: Bools  # at the end of the gate; (metrics, gates)


def draw(
    accepted: AcceptedSeeds, count: int, gates: int, matched: bool, seed: int
) -> tuple[SeedMetrics, SeedMetrics]:
    """Draw healthy candidates and the accepted results of their seeds, both of (gates, count)."""
    rng = np.random.default_rng(seed)
    rows, others = rng.integers(len(accepted.seeds), size=(2, gates, count))
    same = take(accepted.columns, rows)
    if not matched:
        return take(accepted.columns, others), same
    new = {}
    for key, repeats in accepted.repeats.items():
        known, first = accepted.summary(key), accepted.columns[key][: len(repeats)]
        left = residuals(Sample(repeats[None], first[None], known), known.slope)[0]
        # Repeats of healthy seeds do not differ on average: a mean is luck of the few.
        left = left - left.mean()
        new[key] = known.mean + known.slope * (same[key] - known.mean) + left[others % len(left)]
    return new, same


def simulate(
    plan: Plan, accepted: AcceptedSeeds, new: SeedMetrics, same: SeedMetrics, seed: int = 0
) -> Outcome:
    """Let gates decide on draws, (gates, budget); seed -1: against the accepted seeds in use."""
    gates, count = len(next(iter(new.values()))), len(accepted.seeds)
    known = {metric.key: accepted.summary(metric.key) for metric in plan.metrics}
    if seed >= 0:
        rows = np.random.default_rng([seed, 7]).integers(count, size=(gates, count))
        for key, values in take({key: accepted.columns[key] for key in known}, rows).items():
            known[key] = replace(known[key], mean=values.mean(axis=1), sd=spread_of(values))
    passing, failing = np.full((2, len(plan.metrics), gates), NEVER)
    for look, count in reversed(list(enumerate(plan.looks))):
        pair = [{key: part[key][:, :count] for key in known} for part in (new, same)]
        _, bounds = take_look(plan, look, pair[0], pair[1], known)
        for number, (metric, (low, high, _)) in enumerate(zip(plan.metrics, bounds, strict=True)):
            passing[number, high < metric.margin] = look
            failing[number, low > metric.margin] = look
    failing[failing > passing] = NEVER  # a metric that passed is not looked at again
    all_passed, any_failed = passing.max(axis=0), failing.min(axis=0)
    failed = any_failed < NEVER
    passed = ~failed & (all_passed < NEVER)
    end = np.minimum(np.where(failed, any_failed, all_passed), len(plan.looks) - 1)
    return Outcome(passed, failed, np.asarray(plan.looks)[end], passing <= end)


def shift(
    new: SeedMetrics, metric: GateMetric, degradation: float, accepted: AcceptedSeeds
) -> SeedMetrics:
    """Make candidates worse in one metric: by `degradation`, or to that ratio of spreads."""
    values = new[metric.key]
    if metric.spread:
        centre, sd = float(values.mean()), float(accepted.columns[metric.key].std())
        worse = centre + degradation * sd / float(values.std()) * (values - centre)
    else:
        worse = values + (degradation if metric.lower_is_better else -degradation)
    return {**new, metric.key: worse}


def error_rates(plan: Plan, accepted: AcceptedSeeds, gates: int = GATES) -> dict[str, Any]:
    """Simulate the gate's error rates: plain values, [estimate, low, high] by Wilson's interval.

    "miss" has how often a candidate that is worse by exactly the margin passes in that metric, of
    both kinds the worse; "curve" how likely the gate finds each of the leading metric's "drops".
    """
    count, lead = plan.looks[-1], plan.metrics[0]
    names = [metric.name for metric in plan.metrics]
    healthy: dict[str, Any] = {}
    miss = {name: [0.0] for name in names}
    for kind in KINDS if max(plan.match_below) > 0 else KINDS[1:]:
        new, same = draw(accepted, count, gates, kind == "matched", seed=1)
        outcome = simulate(plan, accepted, new, same)
        still_open = (~outcome.metrics_passed).mean(axis=1).tolist()
        healthy[kind] = {
            "not passed": _rate(~outcome.passed),
            "mean seeds": round(float(outcome.seeds.mean()), 2),
            "open": {name: share for name, share in zip(names, still_open, strict=True) if share},
        }
        for spread in (False, True):  # apart: a wider spread makes the mean harder to bound
            worse = new
            for metric in plan.metrics:
                if metric.spread == spread:
                    worse = shift(worse, metric, metric.margin, accepted)
            passes = simulate(plan, accepted, worse, same).metrics_passed
            for metric, passed in zip(plan.metrics, passes, strict=True):
                if metric.spread == spread:
                    miss[metric.name] = max(_rate(passed), miss[metric.name])
    drops = [round(lead.margin * step / 4, 7) for step in range(13)]
    new, same = draw(accepted, count, gates, matched=False, seed=2)
    found = [~simulate(plan, accepted, shift(new, lead, x, accepted), same).passed for x in drops]
    return {
        "margin": lead.margin,
        "budget": count,
        "accepted seeds": len(accepted.seeds),
        "gates": gates,
        "metrics": names,
        **healthy,
        "miss": miss,
        "drops": drops,
        "curve": [float(each.mean()) for each in found],
    }


def _rate(events: Bools) -> list[float]:
    interval = wilson(int(events.sum()), len(events))
    return [round(value, 5) for value in (interval.estimate, interval.low, interval.high)]


def found_at(rates: dict[str, Any], drop: float) -> float:
    """Interpolate the probability that the gate does not pass a drop of the leading metric."""
    return float(np.interp(drop, rates["drops"], rates["curve"]))


def _healthy(rates: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {kind: rates[kind] for kind in KINDS if kind in rates}


def sentence(rates: dict[str, Any]) -> str:
    """State the gate's error rates in one sentence."""
    parts = ", ".join(
        f"{100 * each['not passed'][0]:.2g} % with {kind} seeds "
        f"(after {each['mean seeds']:.0f} seeds on average)"
        for kind, each in _healthy(rates).items()
    )
    worst, drop = max(rates["miss"].values())[0], 2 * rates["margin"]
    return (
        f"healthy runs that do not pass: {parts}; a loss of one margin passes at most "
        f"{100 * worst:.2g} % of the time; a drop of {100 * drop:.2f} points is found "
        f"{100 * found_at(rates, drop):.4g} % of the time "
        f"({rates['gates']} simulated gates, {rates['accepted seeds']} accepted seeds)"
    )


def as_table(rates: dict[str, Any]) -> list[str]:
    """Return the rates as lines for a terminal."""

    def percent(rate: list[float]) -> str:
        return "{:.3g} % ({:.3g} to {:.3g})".format(*(100 * value for value in rate))

    lines = [f"margin {100 * rates['margin']:.2f} points, at most {rates['budget']} seeds"]
    for kind, each in _healthy(rates).items():
        text = f"{percent(each['not passed'])} do not pass, {each['mean seeds']} seeds"
        lines.append(f"  healthy, {kind} seeds: {text}")
    for name, miss in rates["miss"].items():
        lines.append(f"  a loss of one margin in {name}: passes {percent(miss)}")
    for drop, found in zip(rates["drops"], rates["curve"], strict=True):
        lines.append(
            f"  a drop of {100 * drop:.3f} points is found {100 * found:.4g} % of the time"
        )
    return lines


def advice(
    rates: dict[str, Any], metrics: Sequence[GateMetric], accepted: AcceptedSeeds
) -> list[str]:
    """Say what to do if more than 1 % of healthy runs do not pass."""
    share, kind = max((each["not passed"][0], kind) for kind, each in _healthy(rates).items())
    if share <= ACCEPTABLE:
        return []
    text = (
        f"{100 * share:.2g} % of healthy runs with {kind} seeds would stay undecided at "
        f"margin {100 * rates['margin']:.2f}: accept more seeds than {rates['accepted seeds']}"
    )
    if rates["budget"] < rates["accepted seeds"]:
        text += ", allow more with --seeds"
    plan = make_plan(metrics, rates["budget"], accepted)
    new, same = draw(accepted, plan.looks[-1], GATES // 5, matched=False, seed=3)
    for factor in (1.5, 2, 3, 4, 6, 8):
        wider = replace(metrics[0], margin=factor * metrics[0].margin)
        outcome = simulate(replace(plan, metrics=(wider, *metrics[1:])), accepted, new, same)
        if (~outcome.passed).mean() <= ACCEPTABLE:
            return [f"{text}, or state a margin of {100 * wider.margin:.2f} points"]
    return [text]
