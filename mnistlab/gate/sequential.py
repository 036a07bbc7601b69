"""The recipe gate: train several seeds, and decide whether they are no worse than the accepted.

A group-sequential non-inferiority test. The looks (4, 6, 7, ... seeds) and the level of each are
planned before the first training. A metric passes at the first look at which the upper bound of its
degradation lies below its margin, and stays passed: its level is spent over all looks together. The
gate passes when every metric has, which needs no correction for their number (intersection-union
test: Berger 1982, Technometrics 24:295). It fails when the lower bound of one metric lies above its
margin, at a level divided by their number (Bonferroni).

The candidate trains accepted seeds. If the first two trainings are the accepted ones to the last
bit, nothing changed, and the gate passes at once. At each look, all metrics together tell whether
the seeds match (`matching_thresholds`); `mnistlab.gate.comparison` has both comparisons.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mnistlab.arrays import Bools, Doubles
from mnistlab.errors import MnistlabError
from mnistlab.gate.comparison import (
    Accepted,
    MetricComparison,
    degradation_bounds,
    residuals,
    summarise,
)
from mnistlab.gate.margins import GateMetric
from mnistlab.gate.seed_runs import SeedMetrics, SeedRun, as_columns
from mnistlab.requirement import Status
from mnistlab.stats import information, spending

Decision = Literal["PASSED", "FAILED", "UNDECIDED"]
LOOKS = (4, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
IDENTICAL = 2
"""Trainings that must be the accepted ones bit for bit to show that nothing changed."""
FAIL_ALPHA = 0.0005
"""Probability, over all looks and metrics, to fail a recipe that lies exactly at every margin."""
FALSE_MATCH = 0.001
"""Probability, at each look, to take independent draws for matched seeds."""
MIN_SLOPE = 0.5
"""Metrics whose repeated trainings correlate less say nothing about matching."""
DRAWS = 4000


@dataclass(frozen=True, eq=False)
class Plan:
    """What the gate does, fixed before the first training.

    Attributes
    ----------
    metrics : tuple of GateMetric
        The leading one first.
    looks : tuple of int
        Number of trainings at each look.
    pass_levels : tuple of tuple of float
        For every metric, the one-sided level of its upper bound at each look.
    fail_levels : tuple of float
        Of the lower bounds.
    match_below : tuple of float
        At each look: seeds match if `mismatch` is smaller.
    """

    metrics: tuple[GateMetric, ...]
    looks: tuple[int, ...]
    pass_levels: tuple[tuple[float, ...], ...]
    fail_levels: tuple[float, ...]
    match_below: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class AcceptedSeeds:
    """The accepted seeds as the gate needs them.

    Attributes
    ----------
    columns : dict of float array, shape (seeds,)
        Metrics of the accepted trainings.
    repeats : dict of float array, shape (k,)
        Metrics of the first k seeds, trained again with perturbed images (`SeedRunner`).
    seeds : tuple of int
    digests : tuple of str
    """

    columns: SeedMetrics
    repeats: SeedMetrics
    seeds: tuple[int, ...]
    digests: tuple[str, ...]

    def summary(self, key: str) -> Accepted:
        """Summarise one metric."""
        repeats = self.repeats.get(key, np.empty(0))
        return summarise(self.columns[key], repeats, self.columns[key][: len(repeats)])

    def block(self, first: int, count: int) -> list[int]:
        """Return the places of `count` seeds from `first` on, starting over at the end."""
        return [(first + step) % len(self.seeds) for step in range(count)]


def make_plan(metrics: Sequence[GateMetric], budget: int, accepted: AcceptedSeeds) -> Plan:
    """Plan the looks and their levels.

    Source: Lan and DeMets (1983), Biometrika 70:659, with a spending function of Pocock's type;
    each look's level is applied to Student's t and to F (Pocock 1977, Biometrika 64:191).

    Raises
    ------
    MnistlabError
        If the budget, the most trainings, does not reach the first look.
    """
    if budget < LOOKS[0]:
        required = f"required at least {LOOKS[0]}, where the gate looks first"
        raise MnistlabError(f"--seeds {budget}: {required}")
    looks = (*(look for look in LOOKS if look < 0.9 * budget), budget)
    shares = information(looks, len(accepted.seeds))
    by_alpha = {
        alpha: tuple(look.alpha for look in spending(shares, alpha))
        for alpha in {FAIL_ALPHA / len(metrics), *(metric.alpha for metric in metrics)}
    }
    return Plan(
        metrics=tuple(metrics),
        looks=looks,
        pass_levels=tuple(by_alpha[metric.alpha] for metric in metrics),
        fail_levels=by_alpha[FAIL_ALPHA / len(metrics)],
        match_below=matching_thresholds(metrics, looks, accepted),
    )


def mismatch(new: SeedMetrics, same: SeedMetrics, known: dict[str, Accepted]) -> Doubles:
    """Measure how far results are from those that matched seeds would give.

    Parameters
    ----------
    new, same : dict of float array, shape (gates, n)
        The candidate's results, and the accepted ones of the same seeds.
    known : dict of Accepted
        Of the metrics that tell.

    Returns
    -------
    float array, shape (gates,)
        Variance of the residuals over the known one, averaged over metrics: near 1 where seeds
        match.
    """
    ratios = [
        residuals(new[key], same[key], each, each.slope).var(axis=-1, ddof=1) / each.residual_sd**2
        for key, each in known.items()
    ]
    return np.asarray(np.mean(ratios, axis=0))


def telling(metrics: Sequence[GateMetric], accepted: AcceptedSeeds) -> dict[str, Accepted]:
    """Return what is known of the metrics whose repeated trainings correlate well."""
    keys = dict.fromkeys(metric.key for metric in metrics)
    known = {key: accepted.summary(key) for key in keys}
    return {
        key: each for key, each in known.items() if each.slope >= MIN_SLOPE and each.residual_sd > 0
    }


def matching_thresholds(
    metrics: Sequence[GateMetric], looks: Sequence[int], accepted: AcceptedSeeds
) -> tuple[float, ...]:
    """Return for each look the mismatch below which seeds count as matched.

    Independent draws, taken at random from the accepted seeds, fall below it once in a thousand
    times. Without repeated trainings, or where none of them correlates, seeds never match.
    """
    known = telling(metrics, accepted)
    if not known:
        return (0.0,) * len(looks)
    rng = np.random.default_rng(0)
    thresholds = []
    for look in looks:
        rows = rng.integers(len(accepted.seeds), size=(2, DRAWS, min(look, 32)))
        new, same = ({key: accepted.columns[key][part] for key in known} for part in rows)
        thresholds.append(float(np.quantile(mismatch(new, same, known), FALSE_MATCH)))
    return tuple(thresholds)


def take_look(
    plan: Plan, look: int, new: SeedMetrics, same: SeedMetrics, known: dict[str, Accepted]
) -> tuple[Bools, list[tuple[Doubles, Doubles, Doubles]]]:
    """Compare all metrics at one look, for one gate or many.

    Parameters
    ----------
    plan : Plan
    look : int
        From 0.
    new, same : dict of float array, shape (gates, n)
    known : dict of Accepted
        Of every metric of the plan.

    Returns
    -------
    matched : bool array, shape (gates,)
    bounds : list
        For every metric low, high and estimate of its degradation, each of shape (gates,).
    """
    tells = {
        key: each for key, each in known.items() if each.slope >= MIN_SLOPE and each.residual_sd > 0
    }
    count = next(iter(new.values())).shape[0]
    matched = np.zeros(count, dtype=bool)
    if tells:
        matched = mismatch(new, same, tells) < plan.match_below[look]
    bounds = []
    for metric, levels in zip(plan.metrics, plan.pass_levels, strict=True):
        accepted = known[metric.key]
        fits = matched & (accepted.repeats > 2)
        pair = new[metric.key], same[metric.key]
        alphas = levels[look], plan.fail_levels[look]
        bounds.append(degradation_bounds(metric, *pair, accepted, fits, alphas))
    return matched, bounds


def status_of(low: float, high: float, margin: float) -> Status:
    """Decide one metric from the bounds of its degradation."""
    return "passed" if high < margin else "failed" if low > margin else "undecided"


@dataclass(frozen=True)
class Result:
    """What the recipe gate found; its comparisons are in the order of the plan's metrics."""

    decision: Decision
    comparisons: tuple[MetricComparison, ...]
    plan: Plan
    seeds: tuple[int, ...]
    columns: SeedMetrics
    matched: bool
    identical: bool
    seconds: float

    @property
    def sentence(self) -> str:
        """Say in one line what failed, else what is undecided, else how the leading metric did."""
        count, status = len(self.seeds), self.decision.lower()
        after = f"{status} after {count} seeds, {self.seconds:.1f} s"
        if self.identical:
            return (
                f"nothing changed: {count} of {count} trainings are bit for bit the accepted ones"
            )
        decisive = next((each for each in self.comparisons if each.status == status), None)
        how = "matched seeds" if self.matched else "independent seeds"
        leading = decisive or self.comparisons[0]
        text = f"{leading.summary}: {after} ({how}, r = {leading.correlation:.2f})"
        better = ", ".join(each.metric.name for each in self.comparisons if each.improved)
        if better:
            text += f"; better by more than the margin: {better}"
            if self.decision == "PASSED":
                text += "; to make that the new standard: mnistlab baseline accept"
        return text

    def as_dict(self) -> dict[str, Any]:
        """Return what ``verdict.json`` holds."""
        names = [metric.name for metric in self.plan.metrics]
        return {
            "decision": self.decision,
            "sentence": self.sentence,
            "matched": self.matched,
            "identical": self.identical,
            "looks": list(self.plan.looks),
            "seeds": list(self.seeds),
            "seconds": round(self.seconds, 2),
            "metrics": [comparison.as_dict() for comparison in self.comparisons],
            "levels": {
                "pass": dict(zip(names, self.plan.pass_levels, strict=True)),
                "fail": self.plan.fail_levels,
            },
            "values": {
                metric.name: np.round(self.columns[metric.key], 5).tolist()
                for metric in self.plan.metrics
                if not metric.spread
            },
        }


def decision_of(comparisons: Sequence[MetricComparison]) -> Decision:
    """Fail if one metric failed, pass if all passed."""
    statuses = {comparison.status for comparison in comparisons}
    if "failed" in statuses:
        return "FAILED"
    return "PASSED" if statuses == {"passed"} else "UNDECIDED"


def run(
    train: Callable[[Sequence[int]], Iterable[SeedRun]],
    accepted: AcceptedSeeds,
    first: int,
    plan: Plan,
    progress: Callable[[str], None] = lambda line: None,
) -> Result:
    """Train and look until the gate has decided or the budget is spent.

    Parameters
    ----------
    train : callable
        Yields a SeedRun for each of a sequence of seeds.
    accepted : AcceptedSeeds
    first : int
        Place of the first accepted seed that is trained.
    plan : Plan
    progress : callable
        Called with one line after every training.
    """
    start = time.perf_counter()
    places = accepted.block(first, plan.looks[-1])
    runs: list[SeedRun] = []
    comparisons: list[MetricComparison] = []
    matched = identical = False
    steps = [(IDENTICAL, None), *((count, look) for look, count in enumerate(plan.looks))]
    for count, look in steps:
        for run_ in train([accepted.seeds[place] for place in places[len(runs) : count]]):
            runs.append(run_)
            progress(f"seed {len(runs)} of at most {plan.looks[-1]}")
        columns = as_columns(runs)
        if look is None:
            digests = [accepted.digests[place] for place in places[:count]]
            identical = [run_.digest for run_ in runs] == digests
            if not identical:
                continue
        matched, comparisons = _compare(plan, look, columns, accepted, places, comparisons)
        if decision_of(comparisons) != "UNDECIDED":
            break
    return Result(
        decision=decision_of(comparisons),
        comparisons=tuple(comparisons),
        plan=plan,
        seeds=tuple(run_.seed for run_ in runs),
        columns=as_columns(runs),
        matched=matched,
        identical=identical,
        seconds=time.perf_counter() - start,
    )


def _compare(
    plan: Plan,
    look: int | None,
    columns: SeedMetrics,
    accepted: AcceptedSeeds,
    places: Sequence[int],
    before: Sequence[MetricComparison],
) -> tuple[bool, list[MetricComparison]]:
    """Compare every metric at a look; at no look, trainings are identical, and all pass."""
    missing = [metric.name for metric in plan.metrics if metric.key not in columns]
    if missing:
        what = f"the candidate has no {missing[0]}"
        raise MnistlabError(f"{what}; accept this recipe: mnistlab baseline accept")
    count = len(next(iter(columns.values())))
    keys = dict.fromkeys(metric.key for metric in plan.metrics)
    same = {key: accepted.columns[key][list(places[:count])] for key in keys}
    known = {key: accepted.summary(key) for key in keys}
    if look is None:
        return True, [_identical(metric, same[metric.key]) for metric in plan.metrics]
    pair = [{key: part[key][None] for key in keys} for part in (columns, same)]
    matched, bounds = take_look(plan, look, pair[0], pair[1], known)
    comparisons = []
    for number, metric in enumerate(plan.metrics):
        if before and before[number].status == "passed":
            comparisons.append(before[number])
            continue
        low, high, degradation = (float(bound[0]) for bound in bounds[number])
        new, old = columns[metric.key], accepted.columns[metric.key]
        status, reason = status_of(low, high, metric.margin), ""
        if np.ptp(old) == 0:
            status = "undecided"
            reason = (
                f"all {len(old)} accepted seeds gave {old[0]:.6g}; does the seed reach training?"
            )
        elif np.ptp(new) == 0 and "loss" in metric.key:
            status = "failed"
            reason = f"all {len(new)} seeds gave {new[0]:.6g}: does the seed reach training?"
        kind = np.std if metric.spread else np.mean
        comparisons.append(
            MetricComparison(
                metric=metric,
                candidate=float(kind(new)),
                accepted=float(kind(old)),
                degradation=degradation,
                low=low,
                high=high,
                status=status,
                seeds=count,
                correlation=correlation(new, same[metric.key]),
                reason=reason,
            )
        )
    return bool(matched[0]), comparisons


def compare_once(
    metrics: Sequence[GateMetric], old: AcceptedSeeds, new: AcceptedSeeds
) -> list[MetricComparison]:
    """Compare all seeds of two accepted states at one look; seed by seed if they are the same."""
    count = min(len(old.seeds), len(new.seeds))
    plan = make_plan(metrics, max(count, LOOKS[0]), old)
    if old.seeds[:count] != new.seeds[:count]:
        plan = replace(plan, match_below=(0.0,) * len(plan.looks))
    columns = {key: values[:count] for key, values in new.columns.items()}
    last = len(plan.looks) - 1
    return _compare(plan, last, columns, old, range(count), [])[1]


def correlation(new: Doubles, same: Doubles) -> float:
    """Return Pearson's correlation; NaN if one of the two does not vary."""
    if min(np.ptp(new), np.ptp(same)) == 0:
        return float("nan")
    return float(np.corrcoef(new, same)[0, 1])


def _identical(metric: GateMetric, same: Doubles) -> MetricComparison:
    value = float(np.std(same) if metric.spread else np.mean(same))
    neutral = 1.0 if metric.spread else 0.0
    return MetricComparison(
        metric, value, value, neutral, neutral, neutral, "passed", len(same), 1.0
    )
