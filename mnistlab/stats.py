"""Intervals, tests, bounds over repeated looks and sample sizes: thin over scipy.

Every function raises MnistlabError for what cannot be judged, but for the moments and bounds, which take many gates at
once: `mnistlab.gate.comparison` sees to arms without spread and to NaN. Levels (alpha) are one-sided.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy  # its submodules load on first use, so importing this module stays fast
from numpy.typing import ArrayLike, NDArray

from mnistlab.errors import MnistlabError

Array = NDArray[np.float64]
Moments = tuple[Array, Array, int]
Kind = Literal["pocock", "obrien-fleming"]
Decision = Literal["passed", "failed", "undecided"]


@dataclass(frozen=True)
class Interval:
    """A closed interval and the estimate that it belongs to."""

    low: float
    high: float
    estimate: float


@dataclass(frozen=True)
class Look:
    """One look of a group-sequential test."""

    information: float  # fraction of the last look's, in (0, 1]
    spent: float  # cumulative alpha, this look included
    z: float  # critical value of a normal statistic
    alpha: float  # nominal level of this look, for any statistic


def wilson(successes: int, trials: int, confidence: float = 0.95) -> Interval:
    """Bound a proportion of at least one trial by the score interval; confidence in (0, 1), two-sided.

    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209; method 3 of Newcombe 1998, Stat. Med. 17:857.
    """
    _counts(trials, successes)
    _inside("confidence", confidence, 0, 1)
    found = scipy.stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high), successes / trials)


def mcnemar(newly_wrong: int, newly_right: int) -> float:
    """Return the exact p-value that the candidate is worse on the same images; 1 if nothing changed.

    P(X >= newly_wrong), X ~ Binomial(newly_wrong + newly_right, 1/2): for two files, never two retrainings.
    Source: McNemar 1947, Psychometrika 12:153; the exact form in Fagerland et al. 2014, Stat. Med. 33:2850.
    """
    _counts(max(newly_wrong + newly_right, 1), newly_wrong, newly_right)
    return float(scipy.stats.binom.sf(newly_wrong - 1, newly_wrong + newly_right, 0.5))


def tango(newly_wrong: int, newly_right: int, trials: int, confidence: float = 0.95) -> Interval:
    """Bound the paired difference of accuracies, candidate - baseline, two-sided, within [-1, 1].

    Inverts the score test of each difference d, with q the likeliest share of newly wrong images given d.
    Source: Tango 1998, Stat. Med. 17:891, the score interval.
    """
    _counts(trials, newly_wrong, newly_right)
    _inside("confidence", confidence, 0, 1)
    z = float(scipy.stats.norm.isf((1 - confidence) / 2))

    def score(d: float) -> float:
        b = (2 * trials + newly_wrong - newly_right) * d - newly_wrong - newly_right
        q = (math.sqrt(max(b * b + 8 * trials * newly_wrong * d * (1 - d), 0)) - b) / (4 * trials)
        surplus = newly_right - newly_wrong - trials * d
        return surplus / math.sqrt(trials * (2 * q + d * (1 - d))) if surplus else 0.0

    d, root = (newly_right - newly_wrong) / trials, scipy.optimize.brentq
    low = -1.0 if newly_wrong == trials else float(root(lambda x: score(x) - z, -1 + 1e-12, d))
    high = 1.0 if newly_right == trials else float(root(lambda x: score(x) + z, d, 1 - 1e-12))
    return Interval(low, high, d)


def moments(values: Array) -> Moments:
    """Return mean, standard deviation and number of the values, at least one, along the last axis.

    The deviation is exactly 0 where all of them agree, as a single one does.
    """
    number = values.shape[-1]
    sd = values.std(axis=-1, ddof=min(1, number - 1))
    return values.mean(axis=-1), np.where(np.ptp(values, axis=-1) == 0, 0.0, sd), number


def difference_bounds(
    new: Moments, old: Moments, alpha_low: float, alpha_high: float
) -> tuple[Array, Array, Array]:
    """Bound the difference of two means over seeds, new - old: low, high and estimate, for numbers or arrays.

    At least two seeds an arm, of independent draws, not all equal. Alphas in (0, 0.5), one for each side.
    Source: Welch 1947, Biometrika 34:28; degrees of freedom: Satterthwaite 1946, Biometrics 2:110.
    """
    error, freedom = welch_error(new[1], old[1], new[2], old[2])
    low, high = (
        -scipy.special.stdtrit(freedom, alpha) * error for alpha in (alpha_low, alpha_high)
    )
    mean = new[0] - old[0]
    return mean - low, mean + high, mean


def ratio_bounds(
    new: Moments, old: Moments, alpha_low: float, alpha_high: float
) -> tuple[Array, Array, Array]:
    """Bound the ratio of two standard deviations over seeds, new / old; as difference_bounds.

    By F, as Levene's test gives no bound; exact for normal data, but a kurtosis k makes the variance of log F
    (k - 1) / 2 times the assumed one (Box 1953, Biometrika 40:318).
    Source: NIST/SEMATECH e-Handbook of Statistical Methods, sec. 1.3.5.9.
    """
    ratio, more, less = (
        new[1] / old[1],
        new[2] - 1,
        old[2] - 1,
    )  # its square / the true one ~ F(more, less)
    low = ratio / math.sqrt(scipy.stats.f.isf(alpha_low, more, less))
    return low, ratio * math.sqrt(scipy.stats.f.isf(alpha_high, less, more)), ratio


def welch_error(
    new_sd: float | Array, old_sd: float | Array, new: float | Array, old: int
) -> tuple[Array, Array]:
    """Return Welch's standard error and Satterthwaite's degrees of freedom, for numbers or arrays."""
    a, b = np.square(new_sd) / new, np.square(old_sd) / old
    return np.sqrt(a + b), (a + b) ** 2 / (a**2 / (new - 1) + b**2 / (old - 1))


def non_inferiority(harm_low: float, harm_high: float, margin: float) -> Decision:
    """Decide from bounds on how much worse the candidate is: larger is worse, so negate accuracy's bounds.

    Passed if the upper bound lies below the margin, failed if the lower one lies above it, else undecided.
    """
    if not (harm_low <= harm_high and math.isfinite(margin)):
        raise MnistlabError(
            f"bounds {harm_low} and {harm_high}, margin {margin}: need low <= high, a margin"
        )
    return "passed" if harm_high < margin else "failed" if harm_low > margin else "undecided"


def information(seeds: Sequence[int], baseline_seeds: int) -> tuple[float, ...]:
    """Return each look's share of the last look's information on a difference of means, in (0, 1].

    1 / Var D_k ~ 1 / (1 / n_k + 1 / m): both spreads taken as equal, for looks are planned before the data.
    That all looks share one baseline leaves Cov(D_j, D_k) = Var D_k for j < k, the canonical joint distribution.
    Source: Jennison and Turnbull 2000, Group Sequential Methods, sec. 3.1.
    """
    _inside("baseline_seeds", baseline_seeds, 1, math.inf)
    if not seeds or not all(1 < a < b for a, b in zip(seeds, [*seeds[1:], math.inf], strict=True)):
        raise MnistlabError(
            f"seeds at the looks {list(seeds)}: need increasing numbers of at least 2"
        )
    return tuple((1 / seeds[-1] + 1 / baseline_seeds) / (1 / n + 1 / baseline_seeds) for n in seeds)


def spending(fractions: Sequence[float], alpha: float, kind: Kind = "pocock") -> tuple[Look, ...]:
    """Spend alpha, in (0, 0.5), over looks at fractions of the information that increase by >= 0.002 to <= 1.

    For Welch's t and F each look is judged at its nominal alpha (Pocock 1977, Biometrika 64:191). That is
    liberal: with 8, 16, 32 seeds against 96, 0.01 is really 0.0115, and 0.0075 is 0.0091 (normal gates, se 0.0002).
    Source: Lan and DeMets 1983, Biometrika 70:659; Armitage, McPherson and Rowe 1969, JRSS A 132:235.
    """
    times, normal = np.array([0.0, *fractions]), scipy.stats.norm
    if len(times) < 2 or not (np.diff(times) >= 0.002).all() or times[-1] > 1:
        raise MnistlabError(
            f"fractions {list(fractions)}: need steps of at least 0.002, up to at most 1"
        )
    _inside("alpha", alpha, 0, 0.5)
    if kind not in ("pocock", "obrien-fleming"):
        raise MnistlabError(f"kind of spending {kind!r}: need 'pocock' or 'obrien-fleming'")
    late = np.append(0, 2 * normal.sf(normal.isf(alpha / 2) / np.sqrt(times[1:])))
    spent = alpha * np.log1p((math.e - 1) * times) if kind == "pocock" else late
    if np.diff(spent).min() < 1e-300:
        raise MnistlabError(
            f"fractions {list(fractions)}: the first spends nothing; need a later one"
        )
    abscissae, weights = scipy.special.roots_legendre(400)
    points, mass, looks = np.zeros(1), np.ones(1), []
    for k, time in enumerate(times[1:].tolist(), 1):
        root, sd, use = math.sqrt(time), math.sqrt(time - times[k - 1]), spent[k] - spent[k - 1]
        state = (
            points,
            mass,
            root,
            sd,
            use,
        )  # of the paths W = z sqrt(time) that no look has stopped
        z = scipy.optimize.brentq(
            lambda z, w, m, r, s, use: m @ normal.sf((z * r - w) / s) - use, -9, 38, state
        )
        looks.append(Look(time, float(spent[k]), z, float(normal.sf(z))))
        half = (min(z, 9) + 9) * root / 2  # all paths lie above -9 sd, the remaining ones below z
        after = half * (abscissae + 1) - 9 * root
        mass, points = (
            half * weights * (normal.pdf((after[:, None] - points) / sd) @ mass) / sd,
            after,
        )
    return tuple(looks)


def seeds_needed(
    sds: tuple[float, float], baseline_seeds: int, distance: float, alpha: float, power: float
) -> int:
    """Plan the seeds with which Welch's test at one look passes with the power wanted.

    sds: candidate's and baseline's, over seeds; distance: margin minus true drop, same unit, > 0; alpha in
    (0, 0.5), of the last look if there are several. Raises where the baseline's own error forbids it.
    Source: the noncentral t; Julious 2004, Stat. Med. 23:1921, with Welch's degrees of freedom.
    """
    _inside("baseline_seeds", baseline_seeds, 1, math.inf)
    _inside("alpha", alpha, 0, 0.5)
    _inside("power", power, 0, 1)
    for value in (*sds, distance):
        _inside("an sd or the distance", value, 0, math.inf)
    seeds = np.arange(2.0, 5001)
    error, freedom = welch_error(*sds, seeds, baseline_seeds)
    reached = (
        scipy.stats.nct.sf(scipy.stats.t.isf(alpha, freedom), freedom, distance / error) >= power
    )
    if not reached.any():
        raise MnistlabError(
            f"5000 seeds against {baseline_seeds} do not suffice: need more of the baseline"
        )
    return int(seeds[reached.argmax()])


def holm(p_values: ArrayLike) -> Array:
    """Adjust p-values, in [0, 1], for their number: those still at most alpha are rejected, in input order.

    Source: Holm 1979, Scand. J. Stat. 6:65.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not p.size or not ((p >= 0) & (p <= 1)).all():
        raise MnistlabError(f"p-values {p.tolist()}: need one or more in [0, 1]")
    order = np.argsort(p)
    rising = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    return np.minimum(rising, 1)[np.argsort(order)]


def _counts(trials: int, *parts: int) -> None:
    whole = all(isinstance(n, int | np.integer) and n >= 0 for n in (trials, *parts))
    if not whole or not 0 < trials >= sum(parts):
        raise MnistlabError(
            f"counts {parts} of {trials}: need whole numbers, none negative, and enough trials"
        )


def _inside(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise MnistlabError(f"{name} is {value}: need a number between {low} and {high}")
