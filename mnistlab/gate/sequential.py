"""The recipe gate: tell whether a recipe, trained with fresh seeds, is no worse than what was last accepted.

A group-sequential non-inferiority test. The looks (8, 16, 32, ... seeds) and the level of each are planned before
the first seed. A metric passes at the first look at which the bound on its harm lies within its margin, and stays
passed: its level is spent over all looks together. The gate passes when every metric has, which needs no correction
for their number (intersection-union test: Berger 1982, Technometrics 24:295); it fails when one metric's harm is
surely beyond its margin, at a level divided by their number (Bonferroni).
"""

import functools
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError
from mnistlab.gate.comparison import MetricComparison, compare_metric
from mnistlab.gate.margins import Margin
from mnistlab.gate.seed_runs import SeedMetrics, SeedRun, columns
from mnistlab.stats import information, spending

Decision = Literal["PASSED", "FAILED", "UNDECIDED"]
LOOKS = (8, 16, 32, 64, 128, 256)
FAIL_SPEND = 0.0005
"""All metrics together: the chance to call a recipe that lies at every margin FAILED rather than UNDECIDED."""


@dataclass(frozen=True)
class Plan:
    """What the gate does, fixed before the first seed."""

    margins: tuple[Margin, ...]  # the leading metric first
    looks: tuple[int, ...]  # seeds at each
    pass_levels: tuple[
        tuple[float, ...], ...
    ]  # for every margin the one-sided level of its upper bound at each look
    fail_levels: tuple[float, ...]  # of the lower bounds


def plan(margins: Sequence[Margin], budget: int, baseline_seeds: int) -> Plan:
    """Plan the looks and their levels; MnistlabError if the budget, the most seeds, does not reach the first look.

    Source: Lan and DeMets (1983), Biometrika 70:659, with the spending function of Pocock's type; each look's level is
    applied to Welch's t and to F (Pocock 1977, Biometrika 64:191).
    """
    if budget < LOOKS[0]:
        raise MnistlabError(
            f"--seeds {budget}: the gate looks first after {LOOKS[0]} seeds; give at least as many"
        )
    looks = (
        *(look for look in LOOKS if 4 * look <= 3 * budget),
        budget,
    )  # one just before the last learns too little
    passes = tuple(_levels(looks, baseline_seeds, margin.alpha) for margin in margins)
    return Plan(
        tuple(margins), looks, passes, _levels(looks, baseline_seeds, FAIL_SPEND / len(margins))
    )


@functools.cache
def _levels(looks: tuple[int, ...], baseline_seeds: int, alpha: float) -> tuple[float, ...]:
    return tuple(look.alpha for look in spending(information(looks, baseline_seeds), alpha))


@dataclass(frozen=True, eq=False)
class Result:
    """What the recipe gate found."""

    decision: Decision
    comparisons: tuple[
        MetricComparison, ...
    ]  # one for each margin of the plan, as it was decided or last seen
    plan: Plan
    seeds: tuple[int, ...]  # that were trained
    columns: SeedMetrics  # their metrics
    seconds: float

    @property
    def sentence(self) -> str:
        """The verdict for a person, in one line: what failed, else what is undecided, else the leading metric."""
        status = self.decision.lower()
        telling = next(
            (comparison for comparison in self.comparisons if comparison.status == status),
            self.comparisons[0],
        )
        after = f"{status} after {len(self.seeds)} seeds, {self.seconds:.1f} s"
        better = [comparison.margin.name for comparison in self.comparisons if comparison.improved]
        changed = (
            f"; changed for the better beyond the margin: {', '.join(better)}" if better else ""
        )
        if better and self.decision == "PASSED":
            changed += "; to make that the new standard: mnistlab baseline accept"
        return f"{telling.summary}: {after}{changed}"

    def as_dict(self) -> dict[str, Any]:
        """Return what ``verdict.json`` says of it."""
        passes = {
            each.name: found
            for each, found in zip(self.plan.margins, self.plan.pass_levels, strict=True)
        }
        shown = [
            each
            for each in self.plan.margins
            if each.metric in ("accuracy", "loss") and each.kind == "mean"
        ]
        return {
            "decision": self.decision,
            "sentence": self.sentence,
            "looks": list(self.plan.looks),
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 2),
            "metrics": [comparison.as_dict() for comparison in self.comparisons],
            "levels": {"pass": passes, "fail": self.plan.fail_levels},
            "values": {
                each.name: np.round(self.columns[each.weights][each.metric], 5).tolist()
                for each in shown
            },
        }


def decide(
    baseline: SeedMetrics,
    candidate: SeedMetrics,
    plan: Plan,
    look: int,
    before: Sequence[MetricComparison],
) -> list[MetricComparison]:
    """Take a look, from 0: a reading for each margin of the plan.

    What had passed, by the readings of the look before (none before the first), is as it was.
    """
    comparisons = []
    for number, margin in enumerate(plan.margins):
        if before and before[number].status == "passed":
            comparisons.append(before[number])
            continue
        new, old = (
            _column(arm, margin, name)
            for arm, name in ((candidate, "candidate"), (baseline, "baseline"))
        )
        comparisons.append(
            compare_metric(margin, new, old, plan.pass_levels[number][look], plan.fail_levels[look])
        )
    return comparisons


def decision_of(comparisons: Sequence[MetricComparison]) -> Decision:
    """Return what a gate decides: to fail where one metric failed, to pass where all passed."""
    statuses = {comparison.status for comparison in comparisons}
    return "FAILED" if "failed" in statuses else "PASSED" if statuses == {"passed"} else "UNDECIDED"


def run(
    train: Callable[[Sequence[int]], Iterable[SeedRun]],
    first_seed: int,
    baseline: SeedMetrics,
    plan: Plan,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Train and look until it is decided or the budget is spent.

    Parameters
    ----------
    train : callable
        Yields a Seed for each of a sequence of seeds.
    first_seed : int
        The others follow.
    baseline : dict
        Columns of what was accepted.
    plan : Plan
    progress : callable
        Is told a line after every seed.
    """
    start = time.perf_counter()
    seeds: list[SeedRun] = []
    comparisons: list[MetricComparison] = []
    decision: Decision = "UNDECIDED"
    for look, count in enumerate(plan.looks):
        for seed in train(range(first_seed + len(seeds), first_seed + count)):
            seeds.append(seed)
            progress(running(seeds, baseline, plan, look))
        comparisons = decide(baseline, columns(seeds), plan, look, comparisons)
        decision = decision_of(comparisons)
        if decision != "UNDECIDED":
            break
    trained, seconds = tuple(seed.seed for seed in seeds), time.perf_counter() - start
    return Result(decision, tuple(comparisons), plan, trained, columns(seeds), seconds)


def running(seeds: Sequence[SeedRun], baseline: SeedMetrics, plan: Plan, look: int) -> str:
    """Say how far the gate is, with the interval of the leading metric so far."""
    margin, most = plan.margins[0], plan.looks[look]
    values = np.array([seed.metrics_of[margin.weights][margin.metric] for seed in seeds])
    text = f"seed {len(seeds)} of {most}"
    if len(values) < 2 or np.ptp(values) == 0:
        return f"{text}: {margin.name} {100 * values.mean():.2f} %"
    levels = plan.pass_levels[0][look], plan.fail_levels[look]
    comparison = compare_metric(margin, values, _column(baseline, margin, "baseline"), *levels)
    ends = [
        -100 * end if math.isfinite(end) else math.nan for end in (comparison.high, comparison.low)
    ]
    return f"{text}: {margin.name} {-100 * comparison.degradation:+.2f} points ({ends[0]:+.2f} to {ends[1]:+.2f})"


def _column(arm: SeedMetrics, margin: Margin, name: str) -> NDArray[np.float64]:
    try:
        return arm[margin.weights][margin.metric]
    except KeyError:
        what = f"the {name} has no {margin.metric} of the {margin.weights} weights"
        raise MnistlabError(
            f"{what}; accept a baseline of this recipe: mnistlab baseline accept"
        ) from None
