"""The recipe gate: train accepted seeds again, and decide whether they are no worse.

A group-sequential non-inferiority test. A metric passes at the first look at which the upper bound
of its degradation lies below its margin. The gate passes when every metric has (intersection-union
test: Berger 1982, Technometrics 24:295), and fails when the lower bound of one lies above its
margin, at a level divided by their number (Bonferroni).
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mnistlab.arrays import Indices
from mnistlab.errors import MnistlabError
from mnistlab.gate.comparison import MetricComparison
from mnistlab.gate.margins import GateMetric
from mnistlab.gate.plan import AcceptedSeeds, Plan, make_plan, take_look
from mnistlab.gate.seed_runs import SeedMetrics, SeedRun, as_columns, take
from mnistlab.stats import non_inferiority

Decision = Literal["PASSED", "FAILED", "UNDECIDED"]
IDENTICAL = 2  # trainings that, bit for bit the accepted ones, show that nothing changed


@dataclass(frozen=True)
class Result:
    """What the recipe gate found; comparisons are in the order of the plan's metrics."""

    comparisons: tuple[MetricComparison, ...]
    plan: Plan
    seeds: tuple[int, ...]
    columns: SeedMetrics
    matched: bool
    identical: bool
    seconds: float

    @property
    def decision(self) -> Decision:
        """Return what all comparisons together say."""
        return decision_of(self.comparisons)

    @property
    def sentence(self) -> str:
        """Say in one line what failed, else what is undecided, else how the leading metric did."""
        count, status = len(self.seeds), self.decision.lower()
        if self.identical:
            same = f"{count} of {count} trainings are bit for bit the accepted ones"
            return f"nothing changed: {same}"
        decisive = [each for each in self.comparisons if each.status == status]
        shown = (decisive or self.comparisons)[0]
        if self.decision == "UNDECIDED":  # what is furthest from a decision
            shown = max(decisive, key=lambda each: each.seeds_needed)
        how = "matched seeds" if self.matched else "independent seeds"
        if not math.isnan(shown.correlation):
            how += f", r = {shown.correlation:.2f}"
        text = f"{shown.summary}: {status} after {count} seeds, {self.seconds:.1f} s ({how})"
        if self.decision == "UNDECIDED":
            text += f"; {shown.what_would_decide}"
        better = ", ".join(each.metric.name for each in self.comparisons if each.improved)
        if better:
            text += f"; better by more than the margin: {better}"
            if self.decision == "PASSED":
                text += "; to make that the new standard: mnistlab baseline accept"
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return what ``verdict.json`` holds."""
        metrics = self.plan.metrics
        levels = dict(zip((m.name for m in metrics), self.plan.pass_levels, strict=True))
        values = {m.name: self.columns[m.key].round(5).tolist() for m in metrics if not m.spread}
        flags = ("decision", "sentence", "matched", "identical")
        return {
            **{name: getattr(self, name) for name in flags},
            "looks": list(self.plan.looks),
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 2),
            "metrics": [comparison.as_dict() for comparison in self.comparisons],
            "levels": {"pass": levels, "fail": self.plan.fail_levels},
            "values": values,
        }


def decision_of(comparisons: Sequence[MetricComparison]) -> Decision:
    """Fail if one metric failed, pass if all passed."""
    statuses = {comparison.status for comparison in comparisons}
    return "FAILED" if "failed" in statuses else "PASSED" if statuses == {"passed"} else "UNDECIDED"


def run(
    train: Callable[[Sequence[int]], Iterable[SeedRun]],
    accepted: AcceptedSeeds,
    first: int,
    plan: Plan,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Train from place `first` on, and look until all is decided or the budget is spent."""
    start = time.perf_counter()
    places = (first + np.arange(plan.looks[-1])) % len(accepted.seeds)
    runs: list[SeedRun] = []

    def train_up_to(count: int) -> SeedMetrics:
        for seed_run in train([accepted.seeds[place] for place in places[len(runs) : count]]):
            runs.append(seed_run)
            progress(f"seed {len(runs)} of at most {plan.looks[-1]}")
        return as_columns(runs)

    columns = train_up_to(IDENTICAL)
    digests = [each.digest for each in runs]
    identical = accepted.are_identical(places[:IDENTICAL], digests, columns)
    matched, comparisons = identical, unchanged(plan, columns) if identical else []
    for look, count in enumerate(() if identical else plan.looks):
        columns = train_up_to(count)
        matched, latest = compare_at(plan, look, columns, accepted, places[:count])
        pairs = zip(comparisons or latest, latest, strict=True)
        comparisons = [old if old.status == "passed" else new for old, new in pairs]
        if decision_of(comparisons) != "UNDECIDED":
            break
    seeds, seconds = tuple(each.seed for each in runs), time.perf_counter() - start
    return Result(tuple(comparisons), plan, seeds, columns, matched, identical, seconds)


def compare_at(
    plan: Plan, look: int, new: SeedMetrics, accepted: AcceptedSeeds, places: Indices
) -> tuple[bool, list[MetricComparison]]:
    """Return whether seeds match, and the comparisons; `new` is of the seeds at `places`."""
    if missing := [metric.name for metric in plan.metrics if metric.key not in new]:
        advice = "accept this recipe: mnistlab baseline accept"
        raise MnistlabError(f"the candidate has no {missing[0]}; {advice}")
    known = {metric.key: accepted.summary(metric.key) for metric in plan.metrics}
    same = take(accepted.columns, places)
    one_gate = [{key: part[key][None] for key in known} for part in (new, same)]
    matched, bounds = take_look(plan, look, one_gate[0], one_gate[1], known)
    comparisons = []
    for metric, each in zip(plan.metrics, bounds, strict=True):
        low, high, degradation = (float(bound[0]) for bound in each)
        now, then, old = (part[metric.key] for part in (new, same, accepted.columns))
        status, reason = non_inferiority(low, high, metric.margin), ""
        unused, is_loss = "does the seed reach the training?", "loss" in metric.key
        if not np.isfinite(now).all():
            status, reason = "undecided", f"not a number with {(~np.isfinite(now)).sum()} seeds"
        elif np.ptp(now) == 0 < np.ptp(old) and is_loss:
            status, reason = "failed", f"all {len(now)} seeds gave {now[0]:.6g}; {unused}"
        varies = min(np.ptp(now), np.ptp(then)) > 0
        correlation = float(np.corrcoef(now, then)[0, 1]) if varies else math.nan
        numbers = metric.of_seeds(now), metric.of_seeds(old), degradation, low, high
        facts = status, len(now), correlation, reason, len(old)
        comparisons.append(MetricComparison(metric, *numbers, *facts))
    return bool(matched[0]), comparisons


def unchanged(plan: Plan, columns: SeedMetrics) -> list[MetricComparison]:
    """Return what is known of trainings that are the accepted ones: no degradation."""
    comparisons = []
    for metric in plan.metrics:
        value, none = metric.of_seeds(columns[metric.key]), 1.0 if metric.spread else 0.0
        numbers = value, value, none, none, none
        comparisons.append(MetricComparison(metric, *numbers, "passed", IDENTICAL, 1.0))
    return comparisons


def compare_once(
    metrics: Sequence[GateMetric], old: AcceptedSeeds, new: AcceptedSeeds
) -> list[MetricComparison]:
    """Compare all seeds of two accepted states at one look; seed by seed if they are the same."""
    count = min(len(old.seeds), len(new.seeds))
    plan, places = make_plan(metrics, count, old), np.arange(count)
    if old.seeds[:count] != new.seeds[:count]:
        plan = replace(plan, match_below=(0.0,) * len(plan.looks))
    return compare_at(plan, len(plan.looks) - 1, take(new.columns, places), old, places)[1]
