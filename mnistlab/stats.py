"""Intervals, exact tests and group-sequential boundaries, on top of scipy; one-sided levels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import scipy  # its submodules load on first use, so importing this module stays fast
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A closed interval around an estimate."""

    low: float
    high: float
    estimate: float


class Look(NamedTuple):
    """One look of a group-sequential test: critical value of a normal statistic, nominal level."""

    z: float
    alpha: float


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return the two-sided score interval of a proportion; confidence in (0, 1).

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209; method 3 of Newcombe 1998, Stat. Med. 17:857.
    """
    ends = scipy.stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(float(ends.low), float(ends.high), successes / trials)


def mcnemar(newly_wrong: int, newly_right: int) -> float:
    """Return the exact one-sided p-value for a file that is worse on the same images.

    Source: McNemar 1947, Psychometrika 12:153; exact: Fagerland et al. 2014, Stat. Med. 33:2850.
    """
    return float(scipy.stats.binom.sf(newly_wrong - 1, newly_wrong + newly_right, 0.5))


def tango(newly_wrong: int, newly_right: int, trials: int, confidence: float = 0.95) -> Interval:
    """Return the two-sided score interval of a paired difference, candidate - baseline.

    q is the maximum-likelihood fraction of newly wrong images given the difference d. Source: Tango
    1998, Stat. Med. 17:891.
    """
    z = float(scipy.stats.norm.isf((1 - confidence) / 2))

    def score(d: float) -> float:
        b = (2 * trials + newly_wrong - newly_right) * d - newly_wrong - newly_right
        q = (math.sqrt(max(b * b + 8 * trials * newly_wrong * d * (1 - d), 0)) - b) / (4 * trials)
        surplus = newly_right - newly_wrong - trials * d
        return surplus / math.sqrt(trials * (2 * q + d * (1 - d))) if surplus else 0.0

    estimate, root = (newly_right - newly_wrong) / trials, scipy.optimize.brentq
    low, high = -1.0, 1.0
    if newly_wrong != trials:
        low = float(root(lambda d: score(d) - z, -1 + 1e-12, estimate))
    if newly_right != trials:
        high = float(root(lambda d: score(d) + z, estimate, 1 - 1e-12))
    return Interval(low, high, estimate)


def non_inferiority(
    low: float, high: float, margin: float
) -> Literal["passed", "failed", "undecided"]:
    """Decide from an interval of the degradation; undecided if it has the margin in it, or NaN."""
    return "passed" if high < margin else "failed" if low > margin else "undecided"


def information(seeds: Sequence[int], baseline_seeds: int) -> tuple[float, ...]:
    """Return each look's information on a difference of means, as a fraction of the last look's.

    All looks share one baseline, which keeps the canonical joint distribution. Source: Jennison and
    Turnbull 2000, Group Sequential Methods, section 3.1.
    """
    return tuple((1 / seeds[-1] + 1 / baseline_seeds) / (1 / n + 1 / baseline_seeds) for n in seeds)


def spending(fractions: Sequence[float], alpha: float) -> tuple[Look, ...]:
    """Spend alpha, in (0, 0.5), over looks at increasing fractions of the information, up to 1.

    Each look's nominal alpha is liberal with Welch's t: 0.0075 really is 0.0091 with 8, 16 and 32
    seeds against 96. Source: Pocock's type of spending in Lan and DeMets 1983, Biometrika 70:659;
    Armitage, McPherson and Rowe 1969, JRSS A 132:235.
    """
    times, normal = np.array([0.0, *fractions]), scipy.stats.norm
    spent = alpha * np.log1p((math.e - 1) * times)
    abscissae, weights = scipy.special.roots_legendre(400)
    # The density of the paths W = z sqrt(time) that no look has stopped, as masses at points.
    points, mass, looks = np.zeros(1), np.ones(1), []
    for k, time in enumerate(times[1:].tolist(), 1):
        root, sd, use = math.sqrt(time), math.sqrt(time - times[k - 1]), spent[k] - spent[k - 1]

        def overspent(z: float, w: Array, m: Array, root: float, sd: float, use: float) -> float:
            return float(m @ normal.sf((z * root - w) / sd) - use)

        z = scipy.optimize.brentq(overspent, -9, 38, (points, mass, root, sd, use))
        looks.append(Look(z, float(normal.sf(z))))
        half = (min(z, 9) + 9) * root / 2  # all paths are above -9 sd, the remaining ones below z
        after = half * (abscissae + 1) - 9 * root
        mass = half * weights * (normal.pdf((after[:, None] - points) / sd) @ mass) / sd
        points = after
    return tuple(looks)


def holm(p_values: ArrayLike) -> Array:
    """Adjust p-values for their number, in input order: Holm 1979, Scand. J. Stat. 6:65."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p)
    rising = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return np.minimum(rising, 1)[np.argsort(order)]
