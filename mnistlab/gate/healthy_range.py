"""The healthy range of a measured number: a tolerance bound from several healthy seeds.

It covers a stated share of all healthy seeds with a stated confidence. With k from the noncentral
t, mean + k sd does so for normal data: Natrella (1963), Experimental Statistics, sec. 2-13;
NIST/SEMATECH e-Handbook, 7.2.6.3.

Errors and counts are skewed, and are bounded on a scale where they are nearly normal: the root, the
arcsine root, log(1 + x) of a count that varies more than by chance: Bartlett (1947), Biometrics
3:39; with 3/8 added to a count: Anscombe (1948), Biometrika 35:246.

What moves by whole images is bounded by a Poisson number of them too. All seeds read the same
images, most of them alike, so the rate is the variance of the count, not its mean. Upper limit of a
rate: Garwood (1936), Biometrika 28:437; of a variance: e-Handbook, 7.2.3.1.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import scipy

from mnistlab.arrays import Doubles
from mnistlab.errors import MnistlabError

Worse = Literal["higher", "lower", "both"]
Side = Literal["at least", "at most"]
COVERAGE = 1 - 1e-5  # share of healthy seeds on the good side of one bound; a run has about 60
CONFIDENCE = 0.99  # of one bound; at 0.9, six of an accepted state would cover less than stated
MIN_SEEDS = 8
ROUNDING = 1e-4
"""Share of its mean by which rounding may change a number; float32 sums change by less."""
RULES = {
    "normal": "a normal tolerance bound",
    "root": "a normal tolerance bound of the root",
    "arcsine": "a normal tolerance bound of the arcsine root",
    "log": "a normal tolerance bound of log(1 + count)",
    "count": "a Poisson bound of the count",
}


@dataclass(frozen=True)
class HealthyRange:
    """Where a number lies for healthy seeds, and by which of RULES; no bound is None."""

    mean: float
    sd: float
    low: float | None
    high: float | None
    rule: str
    seeds: int

    @property
    def source(self) -> str:
        """Say where the bounds come from."""
        spread = f"mean {self.mean:.4g} (sd {self.sd:.2g}) of {self.seeds} healthy seeds"
        beyond = f"1 of 100 000 seeds beyond it, confidence {CONFIDENCE:.0%}"
        return f"{spread}; {RULES[self.rule]}, {beyond}"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, rounded to six digits, for the accepted state."""
        return {
            key: float(f"{value:.6g}") if isinstance(value, float) else value
            for key, value in asdict(self).items()
        }


def sides(name: str, worse: Worse) -> list[tuple[str, Side]]:
    """Return the names and directions of a figure's requirements: two if both sides are bounded."""
    if worse == "both":
        return [(f"{name}, least", "at least"), (f"{name}, most", "at most")]
    return [(name, "at most" if worse == "higher" else "at least")]


@cache
def tolerance_factor(seeds: int) -> float:
    """Return k: mean + k sd of so many normal values is the tolerance bound."""
    z = scipy.stats.norm.ppf(COVERAGE)
    root = math.sqrt(seeds)
    return float(scipy.stats.nct.ppf(CONFIDENCE, seeds - 1, z * root) / root)


def healthy_range(values: Sequence[float], worse: Worse, images: int | None = None) -> HealthyRange:
    """Compute the healthy range of a number from at least 8 finite values, one a healthy seed.

    Whole numbers (int) are counts. A value is suspicious on its `worse` side. It may be a fraction
    of so many `images`; if it is a difference of two fractions, they are the fewer of both.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < MIN_SEEDS or not np.isfinite(numbers).all():
        raise MnistlabError(f"{len(numbers)} values; required at least {MIN_SEEDS}, all finite")
    counts = all(isinstance(value, int) for value in values)
    fractions = bool(worse != "both" and numbers.min() >= 0 and numbers.max() <= 1)
    step = 1.0 if counts else 1 / images if images else 0.0
    mean, sd = float(numbers.mean()), float(numbers.std(ddof=1))
    rule, (low, high) = _tolerance_bounds(numbers, worse, step, fractions)
    if step:
        reach = step * _reach_by_chance(len(numbers), (sd / step) ** 2)
        if (worse != "higher" and mean - reach < low) or (worse != "lower" and mean + reach > high):
            rule = "count"
        low, high = min(low, mean - reach), max(high, mean + reach)
    # A number may be the same in all seeds, and differ by rounding on another machine.
    rounding = ROUNDING * abs(mean) + ROUNDING**2
    low, high = min(low, mean - rounding), max(high, mean + rounding)
    if counts:
        low, high = max(np.ceil(low), 0), np.floor(high)
    elif images and fractions:
        low, high = max(low, 0), min(high, 1)
    ends = None if worse == "higher" else float(low), None if worse == "lower" else float(high)
    return HealthyRange(mean, sd, *ends, rule, len(numbers))


def _tolerance_bounds(
    numbers: Doubles, worse: Worse, step: float, fractions: bool
) -> tuple[str, Doubles]:
    """Return the scale on which the values are nearly normal, and both bounds by it."""

    def bounds(scaled: Doubles) -> Doubles:
        reach = tolerance_factor(len(scaled)) * scaled.std(ddof=1)
        return np.array([scaled.mean() - reach, scaled.mean() + reach])

    more = 3 / 8 * step
    if step == 1 and numbers.var(ddof=1) > numbers.mean():
        return "log", np.expm1(bounds(np.log1p(numbers)))
    if step == 1 or (worse == "higher" and not step and numbers.min() >= 0):
        return "root", bounds(np.sqrt(numbers + more)).clip(0) ** 2 - more
    if fractions:
        whole = 1 + 2 * more
        ends = bounds(np.arcsin(np.sqrt((numbers + more) / whole)))
        return "arcsine", np.sin(ends.clip(0, np.pi / 2)) ** 2 * whole - more
    return "normal", bounds(numbers)


def _reach_by_chance(seeds: int, variance: float) -> float:
    """Return how far from its mean a count may lie, if a Poisson number of images varies."""
    rate = max(
        scipy.stats.chi2.ppf(CONFIDENCE, 2 * seeds * variance + 2) / 2 / seeds,
        variance * (seeds - 1) / scipy.stats.chi2.ppf(1 - CONFIDENCE, seeds - 1),
    )
    # Half an image more, so that rounding does not decide.
    return float(scipy.stats.poisson.isf(1 - COVERAGE, rate) - rate + 0.5)
