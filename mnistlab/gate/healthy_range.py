"""The healthy range of a measured number: a tolerance bound from several healthy seeds.

A one-sided tolerance bound covers a stated share of all healthy seeds with a stated confidence,
for the number of seeds that were measured. With k from the noncentral t, mean + k sd does so for
normal data: Natrella (1963), Experimental Statistics, sec. 2-13; NIST/SEMATECH e-Handbook, 7.2.6.3.
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
COVERAGE = 1 - 1e-5
"""Share of healthy seeds on the good side of one bound. A run has about 90 bounds."""
CONFIDENCE = 0.9
MIN_SEEDS = 8


@dataclass(frozen=True)
class HealthyRange:
    """Where a number lies for healthy seeds; an end that is no bound is None.

    `rule` says how the ends were computed: "logit", "normal" or "count".
    """

    mean: float
    sd: float
    low: float | None
    high: float | None
    rule: str
    seeds: int

    @property
    def source(self) -> str:
        """Say where the bounds come from."""
        what = {
            "logit": "a normal tolerance bound of the log odds",
            "normal": "a normal tolerance bound",
            "count": "a Poisson bound of the count",
        }[self.rule]
        spread = f"mean {self.mean:.4g} (sd {self.sd:.2g}) of {self.seeds} healthy seeds"
        return f"{spread}; {what}, 1 of 100 000 seeds beyond it, confidence {CONFIDENCE:.0%}"

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
    """Compute the healthy range of a number from its values over healthy seeds.

    Whole numbers are counts. Fractions strictly between 0 and 1 that may only lie too high, or only
    too low, are bounded on the scale of log odds, where the spread of small errors is even. Other
    numbers are bounded on their own scale. A fraction of few images varies by whole images: its
    bound is at least that of their count.

    Parameters
    ----------
    values : sequence of float
        One value a seed, all finite.
    worse : {"higher", "lower", "both"}
        On which side a value is suspicious.
    images : int, optional
        Of how many images the values are a fraction.

    Raises
    ------
    MnistlabError
        If there are too few values, or one is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < MIN_SEEDS or not np.isfinite(numbers).all():
        raise MnistlabError(f"{len(numbers)} values; required at least {MIN_SEEDS}, all finite")
    if all(isinstance(value, int) for value in values):
        rule, (low, high) = "count", _count_bounds(numbers)
    elif worse != "both" and ((numbers > 0) & (numbers < 1)).all():
        rule, ends = "logit", _normal_bounds(scipy.special.logit(numbers))
        low, high = scipy.special.expit(ends).tolist()
    else:
        rule, (low, high) = "normal", _normal_bounds(numbers)
    if images:
        # Half an image more, so that rounding does not decide.
        least = 1 - (_most_by_chance((1 - numbers) * images) + 0.5) / images
        most = (_most_by_chance(numbers * images) + 0.5) / images
        if (worse == "lower" and least < low) or (worse == "higher" and most > high):
            rule, low, high = "count", least, most
    return HealthyRange(
        mean=float(numbers.mean()),
        sd=float(numbers.std(ddof=1)),
        low=low if worse in ("lower", "both") else None,
        high=high if worse in ("higher", "both") else None,
        rule=rule,
        seeds=len(numbers),
    )


def _normal_bounds(numbers: Doubles) -> tuple[float, float]:
    mean, reach = numbers.mean(), tolerance_factor(len(numbers)) * numbers.std(ddof=1)
    return float(mean - reach), float(mean + reach)


def _count_bounds(counts: Doubles) -> tuple[float, float]:
    """Bound a count by chance alone, or by the normal bounds if these are wider."""
    total, seeds = counts.sum(), len(counts)
    least = scipy.stats.chi2.ppf(1 - CONFIDENCE, 2 * total) / 2 / seeds if total else 0.0
    low, high = _normal_bounds(counts)
    low = min(scipy.stats.poisson.ppf(1 - COVERAGE, least) - 1, low)
    return float(max(low, 0)), float(math.ceil(max(high, _most_by_chance(counts))))


def _most_by_chance(counts: Doubles) -> float:
    """Bound a count from above: Poisson about the upper confidence limit of its rate.

    The exact limits of a Poisson mean: Garwood (1936), Biometrika 28:437.
    """
    most = scipy.stats.chi2.ppf(CONFIDENCE, 2 * counts.sum() + 2) / 2 / len(counts)
    return float(scipy.stats.poisson.isf(1 - COVERAGE, most))
