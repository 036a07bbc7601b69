"""The plan of the recipe gate: when it looks, at what levels, and when seeds count as matched."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mnistlab.arrays import Bools, Doubles, Indices
from mnistlab.errors import MnistlabError
from mnistlab.gate import comparison
from mnistlab.gate.comparison import Accepted, Bounds, Sample
from mnistlab.gate.margins import GateMetric
from mnistlab.gate.seed_runs import NOISE, SeedMetrics, take
from mnistlab.stats import information, spending

LOOKS = (4, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
FAIL_ALPHA = 0.0005  # probability, over looks and metrics, to fail a recipe exactly at all margins
FALSE_MATCH = 0.001  # probability, at each look, to take independent draws for matched seeds
MIN_SLOPE = 0.5  # metrics whose repeated trainings correlate less say nothing about matching
DRAWS = 4000
SAME = 1e-6  # metrics this close are equal: accepted ones are rounded to 7 decimals


@dataclass(frozen=True, eq=False)
class AcceptedSeeds:
    """The accepted seeds; `repeats` are the first of them, trained with perturbed images."""

    columns: SeedMetrics
    repeats: SeedMetrics
    seeds: tuple[int, ...]
    digests: tuple[str, ...]

    def of_final_weights(self) -> "AcceptedSeeds":
        """Leave out what was measured with averaged weights."""
        columns, repeats = (
            {key: x for key, x in part.items() if key.startswith("final ") and key != NOISE}
            for part in (self.columns, self.repeats)
        )
        return replace(self, columns=columns, repeats=repeats)

    def summary(self, key: str) -> Accepted:
        """Summarise one metric."""
        return comparison.summarise(self.columns[key], self.repeats.get(key, np.empty(0)))

    def are_identical(self, places: Indices, digests: Sequence[str], new: SeedMetrics) -> bool:
        """Tell whether trainings of these seeds gave the accepted weights and metrics."""
        return (
            list(digests) == [self.digests[place] for place in places]
            # Metrics show a change of averaged weights, or of what happens after training.
            and new.keys() >= self.columns.keys()
            and all(
                np.allclose(new[key], values, rtol=0, atol=SAME)
                for key, values in take(self.columns, places).items()
            )
        )


def mismatch(new: SeedMetrics, same: SeedMetrics, known: dict[str, Accepted]) -> Doubles | float:
    """Return the variance of residuals over the known one, a mean over metrics, shape (gates,).

    It is near 1 where seeds match; infinite if repeats of no metric correlate without being equal.
    """
    ratios = [
        comparison.residuals(Sample(new[key], same[key], each), each.slope).var(axis=-1, ddof=1)
        / each.residual_sd**2
        for key, each in known.items()
        if each.slope >= MIN_SLOPE and each.residual_sd > 0
    ]
    return np.asarray(np.mean(ratios, axis=0)) if ratios else np.inf


def matching_thresholds(
    metrics: Sequence[GateMetric], looks: Sequence[int], accepted: AcceptedSeeds
) -> tuple[float, ...]:
    """Return for each look the mismatch below which seeds match; 0 if repeats cannot tell."""
    known = {metric.key: accepted.summary(metric.key) for metric in metrics}
    # Independent draws from the accepted seeds fall below it once in a thousand times.
    rng, thresholds = np.random.default_rng(0), []
    for look in looks:
        rows = rng.integers(len(accepted.seeds), size=(2, DRAWS, min(look, 32)))
        new, same = (take(accepted.columns, part) for part in rows)
        drawn = mismatch(new, same, known)
        thresholds.append(float(np.quantile(drawn, FALSE_MATCH)) if np.all(drawn < np.inf) else 0.0)
    return tuple(thresholds)


@dataclass(frozen=True, eq=False)
class Plan:
    """What the gate does, fixed before the first training."""

    metrics: tuple[GateMetric, ...]  # the leading one first
    looks: tuple[int, ...]  # numbers of trainings
    pass_levels: tuple[tuple[float, ...], ...]  # of each metric's upper bound at each look
    fail_levels: tuple[float, ...]  # of all lower bounds at each look
    match_below: tuple[float, ...]  # at each look, the `mismatch` below which seeds match


def make_plan(metrics: Sequence[GateMetric], budget: int, accepted: AcceptedSeeds) -> Plan:
    """Plan the looks and their levels; the budget is the most trainings.

    Source: Lan and DeMets (1983), Biometrika 70:659, with a spending function of Pocock's type;
    each look's level is applied to Student's t and to F (Pocock 1977, Biometrika 64:191).
    """
    # A seed that is trained twice adds no information.
    budget = min(budget, len(accepted.seeds))
    if budget < LOOKS[0]:
        required = f"required at least {LOOKS[0]}, where the gate looks first"
        what = f"--seeds {budget}, with {len(accepted.seeds)} accepted seeds"
        raise MnistlabError(f"{what}: {required}")
    looks = (*(look for look in LOOKS if look < 0.9 * budget), budget)
    fractions, fail = information(looks, len(accepted.seeds)), FAIL_ALPHA / len(metrics)
    levels = {
        alpha: tuple(look.alpha for look in spending(fractions, alpha))
        for alpha in {fail, *(metric.alpha for metric in metrics)}
    }
    passing = tuple(levels[metric.alpha] for metric in metrics)
    thresholds = matching_thresholds(metrics, looks, accepted)
    return Plan(tuple(metrics), looks, passing, levels[fail], thresholds)


def take_look(
    plan: Plan, look: int, new: SeedMetrics, same: SeedMetrics, known: dict[str, Accepted]
) -> tuple[Bools, list[Bounds]]:
    """Return which gates' seeds match, and bounds of each metric; arrays are (gates, n)."""
    matched = np.atleast_1d(mismatch(new, same, known) < plan.match_below[look])
    bounds = []
    for metric, levels in zip(plan.metrics, plan.pass_levels, strict=True):
        key, accepted = metric.key, known[metric.key]
        sample = Sample(new[key], same[key], accepted, matched & np.isfinite(accepted.residual_sd))
        both = plan.fail_levels[look], levels[look]
        bounds.append(comparison.degradation_bounds(metric, sample, both))
    return matched, bounds
