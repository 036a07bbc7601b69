"""One metric of the recipe gate at one look: how much worse, at most and at least, and what that decides."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.gate.margins import Margin
from mnistlab.requirement import Status, Verdict
from mnistlab.stats import Array, Moments, difference_bounds, moments, non_inferiority, ratio_bounds

GROUP = "regression"


@dataclass(frozen=True)
class MetricComparison:
    """What a look says of one metric."""

    margin: Margin
    candidate: float  # means over the seeds; of a spread the standard deviations
    accepted: float
    degradation: (
        float  # how much worse the candidate is, in the metric's unit; of a spread the ratio
    )
    low: float  # its bounds, each one-sided; infinite where nothing can be said
    high: float
    status: Status
    seeds: int  # of the candidate, at this look
    unknown: str = ""  # why nothing can be said, where it cannot

    @property
    def improved(self) -> bool:
        """Whether the mean is better by surely more than the margin."""
        return self.margin.kind == "mean" and self.high < -self.margin.margin

    @property
    def summary(self) -> str:
        """What was found, for a person: «accuracy 0.03 points lower (99 % bound: at most 0.06), margin 0.10»."""
        name, limit = self.margin.name, self._show(self.margin.margin)
        if self.unknown:
            return f"{name}: {self.unknown}"
        surely = self.low if self.status == "failed" else self.high
        word = "at least" if self.status == "failed" else "at most"
        if self.margin.kind == "spread":
            return f"{name} {self.degradation:.2f} times the accepted one (99 % bound: {word} {surely:.2f}), margin {limit}"
        worse, better = ("higher", "lower") if self.margin.is_loss else ("lower", "higher")
        if surely < 0:
            word, surely = f"at least {self._show(-surely)} {better}", 0.0
        else:
            word = f"{word} {self._show(surely)}{'' if self.degradation >= 0 else f' {worse}'}"
        size = f"{self._show(abs(self.degradation))} {self._unit} {worse if self.degradation >= 0 else better}"
        return f"{name} {size} (99 % bound: {word}), margin {limit}"

    def verdict(self) -> Verdict:
        """Return the verdict on "the harm is at most the margin"; measured is the bound on the harm."""
        message = f"{self.summary}: {self.status} after {self.seeds} seeds"
        if self.improved:
            message += "; better by more than the margin"
        measured = self._scaled(self.high) if math.isfinite(self.high) else None
        name = f"harm to {self.margin.name}"
        bound, source = self._scaled(self.margin.margin), self.margin.source
        return Verdict(
            name, GROUP, "", measured, bound, "at most", self._unit, self.status, source, message
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``verdict.json``; None where nothing can be said."""
        numbers = {name: getattr(self, name) for name in ("candidate", "accepted", "low", "high")}
        numbers["harm"] = self.degradation
        rounded = {
            name: round(value, 6) if math.isfinite(value) else None
            for name, value in numbers.items()
        }
        margin = self.margin.margin
        found = {"status": self.status, "improved": self.improved, "seeds": self.seeds}
        return {"name": self.margin.name, **rounded, "margin": margin, **found}

    @property
    def _unit(self) -> str:
        return (
            "times" if self.margin.kind == "spread" else "nats" if self.margin.is_loss else "points"
        )

    def _scaled(self, value: float) -> float:
        return round(100 * value if self._unit == "points" else value, 4)

    def _show(self, value: float) -> str:
        return f"{self._scaled(value):.{4 if self._unit == 'nats' else 2}f}"


def compare_metric(
    margin: Margin,
    new: NDArray[np.float64],
    old: NDArray[np.float64],
    pass_level: float,
    fail_level: float,
) -> MetricComparison:
    """Compare one metric of the candidate's seeds with the accepted ones, independent draws; see `degradation_bounds`."""
    arms = moments(new), moments(old)
    low, high, degradation = map(float, degradation_bounds(margin, *arms, (pass_level, fail_level)))
    candidate, accepted = (float(arm[margin.kind == "spread"]) for arm in arms)
    status, unknown = non_inferiority(low, high, margin.margin), ""
    if arms[1][1] == 0:
        unknown = f"all {len(old)} accepted seeds gave {old[0]:.6g}, so nothing can be held against them: did the seed "
        unknown += "reach their training? accept others: mnistlab baseline accept"
    elif arms[0][1] == 0:
        unknown = f"all {len(new)} seeds gave {new[0]:.6g}"
        unknown += (
            ": does the seed reach the training?"
            if status == "failed"
            else ", so their spread is not known"
        )
    return MetricComparison(
        margin, candidate, accepted, degradation, low, high, status, len(new), unknown
    )


def degradation_bounds(
    margin: Margin, new: Moments, old: Moments, levels: tuple[float, float]
) -> tuple[Array, Array, Array]:
    """Bound the harm at one look of one gate or of many: low, high and estimate, in the metric's unit or as a ratio.

    Levels are one-sided, in (0, 0.5), of the upper and of the lower bound. The bounds are infinite, and decide nothing,
    where all seeds of an arm agree, as a few may in an accuracy by chance; only if the candidate's agree in a loss, to
    the last bit, does the seed surely not reach the training, which fails.
    """
    arms = (
        (new, old) if margin.is_loss or margin.kind == "spread" else (old, new)
    )  # what is lower is worse
    with np.errstate(divide="ignore", invalid="ignore"):  # arms without spread, replaced below
        bounds = ratio_bounds if margin.kind == "spread" else difference_bounds
        low, high, degradation = bounds(*arms, levels[1], levels[0])
    same = new[1] == 0
    unknown = same | (old[1] == 0)
    low = np.where(unknown, np.where(same & margin.is_loss, np.inf, -np.inf), low)
    return low, np.where(unknown, np.inf, high), degradation
