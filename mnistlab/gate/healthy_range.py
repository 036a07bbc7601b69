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

from mnistlab.errors import MnistlabError

Worse = Literal["higher", "lower", "both"]
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


@cache
def tolerance_factor(seeds: int) -> float:
    """Return k: mean + k sd of so many normal values is the tolerance bound."""
    z = scipy.stats.norm.ppf(COVERAGE)
    root = math.sqrt(seeds)
    return float(scipy.stats.nct.ppf(CONFIDENCE, seeds - 1, z * root) / root)


def healthy_range(values: Sequence[float], worse: Worse) -> HealthyRange:
    """Compute the healthy range of a number from its values over healthy seeds.

    Whole numbers are counts. Fractions strictly between 0 and 1 are bounded on the scale of log
    odds, where the spread of small errors is even. Other numbers are bounded on their own scale.

    Parameters
    ----------
    values : sequence of float
        One value a seed, all finite.
    worse : {"higher", "lower", "both"}
        On which side a value is suspicious.

    Raises
    ------
    MnistlabError
        If there are too few values, or one is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < MIN_SEEDS or not np.isfinite(numbers).all():
        raise MnistlabError(f"{len(numbers)} values; required at least {MIN_SEEDS}, all finite")
    mean, sd = float(numbers.mean()), float(numbers.std(ddof=1))
    if all(isinstance(value, int) for value in values):
        rule, (low, high) = "count", _count_bounds(numbers)
    elif ((numbers > 0) & (numbers < 1)).all():
        odds = scipy.special.logit(numbers)
        reach = tolerance_factor(len(odds)) * odds.std(ddof=1)
        rule = "logit"
        low, high = scipy.special.expit([odds.mean() - reach, odds.mean() + reach]).tolist()
    else:
        reach = tolerance_factor(len(numbers)) * sd
        rule, low, high = "normal", mean - reach, mean + reach
    return HealthyRange(
        mean=mean,
        sd=sd,
        low=low if worse in ("lower", "both") else None,
        high=high if worse in ("higher", "both") else None,
        rule=rule,
        seeds=len(numbers),
    )


def _count_bounds(counts: np.ndarray) -> tuple[float, float]:
    """Bound a count: Poisson about the upper confidence limit of its rate, at least the normal one.

    The exact limits of a Poisson mean: Garwood (1936), Biometrika 28:437.
    """
    total, seeds = counts.sum(), len(counts)
    most = scipy.stats.chi2.ppf(CONFIDENCE, 2 * total + 2) / 2 / seeds
    least = scipy.stats.chi2.ppf(1 - CONFIDENCE, 2 * total) / 2 / seeds if total else 0.0
    reach = tolerance_factor(seeds) * counts.std(ddof=1)
    high = max(scipy.stats.poisson.isf(1 - COVERAGE, most), counts.mean() + reach)
    low = min(scipy.stats.poisson.ppf(1 - COVERAGE, least) - 1, counts.mean() - reach)
    return float(max(low, 0)), float(math.ceil(high))
