"""Compare one metric of a candidate with the accepted seeds: bounds on the degradation.

A healthy recipe ends close to the accepted result of the same seed. Regression on that result
removes the noise that both share; its slope was measured when the result was accepted, and is 0
where seeds do not match. Arrays have a leading axis of gates: one, or thousands of simulated ones.

Sources: common random numbers and control variates: Glasserman (2003), Monte Carlo Methods in
Financial Engineering, sec. 4.1. Analysis of covariance: Cochran (1957), Biometrics 13:261.
"""

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import scipy

from mnistlab.arrays import Bools, Doubles
from mnistlab.gate.margins import GateMetric
from mnistlab.requirement import Requirement, Status, Verdict

Bounds: TypeAlias = tuple[Doubles, Doubles, Doubles]
"""Low, high and estimate, each of shape (gates,)."""
GROUP = "regression"
MAX_SLOPE = 0.99  # a few repeats may agree to the last image; that does not hold for every training
WIDER = 0.25
"""Level of the F test that calls a candidate's spread wider than the known one. With 0.05 a
candidate of twice the spread, and a loss of one margin, passes 4.7 % of the time (0.2: 2.6 %)."""


@dataclass(frozen=True, eq=False)
class Accepted:
    """What is known of one metric; arrays have shape (gates,) or (1,)."""

    mean: Doubles
    sd: Doubles
    seeds: int
    slope: Doubles  # of a repeated training's result on the accepted one of the same seed
    residual_sd: Doubles
    repeats: int


def spread_of(values: Doubles) -> Doubles:
    """Return the standard deviation over the last axis; exactly 0 if all values are the same."""
    return np.where(np.ptp(values, axis=-1) == 0, 0.0, values.std(axis=-1, ddof=1))


def summarise(values: Doubles, repeats: Doubles) -> Accepted:
    """Summarise accepted seeds and repeats of the first, both (seeds,) or (gates, seeds)."""
    values, repeats = np.atleast_2d(values), np.atleast_2d(repeats)
    count = repeats.shape[-1]
    mean, sd, variance = values.mean(axis=-1), spread_of(values), values.var(axis=-1, ddof=1)
    slope, residual_sd = np.zeros(len(values)), np.full(len(values), np.nan)
    if count > 2 and np.ptp(values):
        repeated = values[:, :count]
        difference = repeats - repeated
        # With equal spreads, Var(difference) = 2 sd^2 (1 - slope).
        slope = np.clip(1 - difference.var(axis=-1, ddof=1) / (2 * variance), 0, MAX_SLOPE)
        residual = difference + (1 - slope[:, None]) * (repeated - mean[:, None])
        least = np.sqrt(variance * (1 - MAX_SLOPE**2))
        residual_sd = np.maximum(residual.std(axis=-1, ddof=1), least)
    return Accepted(mean, sd, values.shape[-1], slope, residual_sd, count)


@dataclass(frozen=True, eq=False)
class Sample:
    """A candidate's results in one metric, (gates, n), and the accepted ones of the same seeds."""

    new: Doubles
    same: Doubles
    accepted: Accepted
    matched: Bools | bool = False


def residuals(sample: Sample, slope: Doubles) -> Doubles:
    """Return each seed's difference from what the accepted result of that seed predicts."""
    centre = sample.accepted.mean[:, None]
    return (sample.new - centre) - slope[:, None] * (sample.same - centre)


def mean_bounds(sample: Sample, levels: tuple[float, float]) -> Bounds:
    """Bound the difference of means, candidate minus accepted; `levels` are of low and high bound.

    The known sd, of residuals where seeds match, is used unless the candidate's own is wider by an
    F test. Degrees of freedom: Satterthwaite (1946), Biometrics 2:110.
    """
    accepted, matched, n = sample.accepted, sample.matched, sample.new.shape[-1]
    slope = np.where(matched, accepted.slope, 0.0)
    difference = residuals(sample, slope)
    estimate, own = difference.mean(axis=-1), spread_of(difference)
    known = np.where(matched, accepted.residual_sd, accepted.sd)
    freedoms = np.array([accepted.repeats, accepted.seeds]) - 1
    limits = np.sqrt(scipy.special.fdtri(n - 1, np.maximum(freedoms, 1), 1 - WIDER))
    freedom, limit = (np.where(matched, *pair) for pair in (freedoms, limits))
    wider = own > known * limit
    candidate = np.where(wider, own, known) ** 2 / n
    reference = ((1 - slope) * accepted.sd) ** 2 / accepted.seeds
    error = np.sqrt(candidate + reference)
    used = np.where(wider, n - 1, freedom)
    with np.errstate(invalid="ignore", divide="ignore"):  # no spread at all: 0 / 0
        share = candidate / error**2
        joint = 1 / (share**2 / used + (1 - share) ** 2 / (accepted.seeds - 1))
    # Unless seeds match or the candidate is wider, both parts have the same sd: nothing to combine.
    joint = np.where(wider | matched, np.nan_to_num(joint, nan=1), freedom)
    low, high = (-scipy.special.stdtrit(joint, alpha) for alpha in levels)
    return estimate - low * error, estimate + high * error, estimate


def spread_bounds(sample: Sample, levels: tuple[float, float]) -> Bounds:
    """Bound the ratio of standard deviations over seeds, candidate to accepted.

    Where seeds match: Pitman (1939) and Morgan (1939), Biometrika 31:9 and 31:13; elsewhere F.
    """
    new, same, seeds, n = sample.new, sample.same, sample.accepted.seeds, sample.new.shape[-1]
    own, others = (np.where(sd == 0, np.nan, sd) for sd in (spread_of(new), spread_of(same)))
    centred = (new - new.mean(-1, keepdims=True)) * (same - same.mean(-1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio, paired = own / sample.accepted.sd, own / others
        r = centred.sum(-1) / ((n - 1) * own * others)
    bounds = []
    for alpha, sign in zip(levels, (-1, 1), strict=True):
        t = scipy.special.stdtrit(n - 2, alpha)
        k = 1 + 2 * (1 - r**2) * t**2 / (n - 2)
        pitman = paired * np.sqrt(k + sign * np.sqrt(np.maximum(k**2 - 1, 0)))
        quantile = scipy.special.fdtri(n - 1, seeds - 1, alpha if sign > 0 else 1 - alpha)
        bounds.append(np.where(sample.matched, pitman, ratio / np.sqrt(quantile)))
    return bounds[0], bounds[1], np.where(sample.matched, paired, ratio)


def degradation_bounds(metric: GateMetric, sample: Sample, levels: tuple[float, float]) -> Bounds:
    """Bound how much worse the candidate is, at `levels`; unknown bounds are infinite."""
    if metric.spread:
        low, high, estimate = spread_bounds(sample, levels)
    elif metric.lower_is_better:
        low, high, estimate = mean_bounds(sample, levels)
    else:
        high, low, estimate = (-bound for bound in mean_bounds(sample, levels[::-1]))
    unknown = ~(np.isfinite(low) & np.isfinite(high))
    return np.where(unknown, -np.inf, low), np.where(unknown, np.inf, high), estimate


@dataclass(frozen=True)
class MetricComparison:
    """One metric at one look: how much worse the candidate is, between one-sided bounds."""

    metric: GateMetric
    candidate: float
    accepted: float
    degradation: float
    low: float
    high: float
    status: Status
    seeds: int
    correlation: float  # with the accepted results of the same seeds
    reason: str = ""  # a defect of the values, which decided
    accepted_seeds: float = math.inf

    @property
    def improved(self) -> bool:
        """Whether the candidate is surely better by more than the margin."""
        return not self.metric.spread and self.high < -self.metric.margin

    @property
    def summary(self) -> str:
        """Say what was measured: «accuracy 0.03 points lower (99 % bound: at most 0.06), ...»."""
        name, show = self.metric.name, self.metric.show
        if self.reason:
            return f"{name}: {self.reason}"
        word, bound = ("at least", self.low) if self.status == "failed" else ("at most", self.high)
        limit = f"{word} {show(bound)}"
        if self.metric.spread:
            size = f"{self.degradation:.2f} times the accepted one"
        else:
            worse, better = ("higher", "lower")[:: 1 if self.metric.lower_is_better else -1]
            direction = worse if self.degradation >= 0 else better
            size = f"{show(abs(self.degradation))} {self.metric.unit} {direction}"
            if bound < 0:
                limit = f"at least {show(-bound)} {better}"
            elif direction == better:
                limit += f" {worse}"
        return f"{name} {size} (99 % bound: {limit}), margin {show(self.metric.margin)}"

    @property
    def seeds_needed(self) -> float:
        """Estimate how many seeds would let it pass if the estimate stays; infinite if none."""
        if self.reason or not math.isfinite(self.high) or self.degradation >= self.metric.margin:
            return math.inf
        ends = np.array([self.degradation, self.high, self.metric.margin])
        estimate, high, margin = np.log(ends) if self.metric.spread else ends
        known = 1 / self.accepted_seeds
        # The squared distance from estimate to bound shrinks like 1 / seeds + 1 / accepted seeds.
        wanted = ((margin - estimate) / (high - estimate)) ** 2 * (1 / self.seeds + known) - known
        return math.ceil(1 / wanted) if wanted > 0 else math.inf

    @property
    def what_would_decide(self) -> str:
        """Say for an undecided metric how many seeds, or which margin, would let it pass."""
        if self.reason or not math.isfinite(self.high):
            return "more seeds do not decide it"
        needed = self.seeds_needed
        if self.degradation >= self.metric.margin:
            text = "the estimate is beyond the margin, so more seeds are likely to fail it"
        elif needed > self.accepted_seeds:
            seeds = f"more than the {self.accepted_seeds} accepted seeds"
            text = f"{seeds} are needed to pass it: mnistlab baseline accept --seeds"
        else:
            text = f"if the estimate stays, about {needed} seeds would pass it (--seeds {needed})"
        # Half of the last digit more, so that the margin that is shown is enough.
        wider = self.metric.show(self.high + (0.005 if self.metric.spread else 0.00005))
        return f"{text}; a margin of {wider} {self.metric.unit} would pass it now"

    def verdict(self) -> Verdict:
        """Return the verdict on the upper bound of the degradation."""
        message = f"{self.summary}: {self.status} after {self.seeds} seeds"
        if self.improved:
            message += "; better by more than the margin"
        if self.status == "undecided":
            message += f"; {self.what_would_decide}"
        metric, name = self.metric, f"harm to {self.metric.name}"
        bound = metric.in_unit(metric.margin)
        claim = Requirement(name, GROUP, bound, "at most", metric.unit, metric.source)
        high = metric.in_unit(self.high) if math.isfinite(self.high) else None
        return replace(claim.judge(high), status=self.status, message=message)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``verdict.json``; None where nothing is known."""
        names = ("candidate", "accepted", "degradation", "low", "high", "correlation")
        numbers = {name: getattr(self, name) for name in names}
        plain = {k: round(x, 6) if math.isfinite(x) else None for k, x in numbers.items()}
        return {
            "name": self.metric.name,
            "harm": plain.pop("degradation"),
            **plain,
            "margin": self.metric.margin,
            "status": self.status,
            "improved": self.improved,
            "seeds": self.seeds,
        }
