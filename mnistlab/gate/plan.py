"""The plan of the recipe gate: when it looks, at what levels, and what it compares at a look."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from mnistlab.arrays import Bools
from mnistlab.errors import MnistlabError
from mnistlab.gate.comparison import Accepted, Bounds, Sample, degradation_bounds
from mnistlab.gate.margins import GateMetric
from mnistlab.gate.matching import AcceptedSeeds, matching_thresholds, mismatch, telling
from mnistlab.gate.seed_runs import SeedMetrics
from mnistlab.stats import information, spending

LOOKS = (4, 6, 7, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256)
FAIL_ALPHA = 0.0005
"""Probability, over all looks and metrics, to fail a recipe that lies exactly at every margin."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What the gate does, fixed before the first training.

    `looks` are numbers of trainings. `pass_levels` has for every metric, the leading one first, the
    one-sided level of its upper bound at each look; `fail_levels` are those of all lower bounds.
    Seeds match where their `mismatch` is smaller than `match_below` of the look.
    """

    metrics: tuple[GateMetric, ...]
    looks: tuple[int, ...]
    pass_levels: tuple[tuple[float, ...], ...]
    fail_levels: tuple[float, ...]
    match_below: tuple[float, ...]


def make_plan(metrics: Sequence[GateMetric], budget: int, accepted: AcceptedSeeds) -> Plan:
    """Plan the looks and their levels.

    The budget, the most trainings, is at most the number of accepted seeds: a seed that is trained
    twice adds no information. MnistlabError if it does not reach the first look.

    Source: Lan and DeMets (1983), Biometrika 70:659, with a spending function of Pocock's type;
    each look's level is applied to Student's t and to F (Pocock 1977, Biometrika 64:191).
    """
    budget = min(budget, len(accepted.seeds))
    if budget < LOOKS[0]:
        required = f"required at least {LOOKS[0]}, where the gate looks first"
        what = f"--seeds {budget}, with {len(accepted.seeds)} accepted seeds"
        raise MnistlabError(f"{what}: {required}")
    looks = (*(look for look in LOOKS if look < 0.9 * budget), budget)
    passing = tuple(_levels(looks, len(accepted.seeds), metric.alpha) for metric in metrics)
    failing = _levels(looks, len(accepted.seeds), FAIL_ALPHA / len(metrics))
    thresholds = matching_thresholds(metrics, looks, accepted)
    return Plan(tuple(metrics), looks, passing, failing, thresholds)


@cache
def _levels(looks: tuple[int, ...], accepted: int, alpha: float) -> tuple[float, ...]:
    return tuple(look.alpha for look in spending(information(looks, accepted), alpha))


def take_look(
    plan: Plan, look: int, new: SeedMetrics, same: SeedMetrics, known: dict[str, Accepted]
) -> tuple[Bools, list[Bounds]]:
    """Compare all metrics at one look, for one gate or many: `new` and `same` are (gates, n).

    Returns whether the seeds of each gate match, and the bounds of each metric's degradation.
    """
    informative = telling(known)
    matched = np.zeros(len(next(iter(new.values()))), dtype=bool)
    if informative:
        matched = mismatch(new, same, informative) < plan.match_below[look]
    bounds = []
    for metric, levels in zip(plan.metrics, plan.pass_levels, strict=True):
        key, accepted = metric.key, known[metric.key]
        sample = Sample(new[key], same[key], accepted, matched & np.isfinite(accepted.residual_sd))
        bounds.append(degradation_bounds(metric, sample, (plan.fail_levels[look], levels[look])))
    return matched, bounds
