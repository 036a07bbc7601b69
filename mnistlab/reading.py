"""One metric of the recipe gate at one look: how much worse, at most and at least, and what that decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.margins import Margin
from mnistlab.requirement import Status, Verdict
from mnistlab.stats import Interval, non_inferiority, spread_ratio, welch_difference

GROUP = "regression"


@dataclass(frozen=True)
class Reading:
    """What a look says of one metric."""

    margin: Margin
    candidate: float  # means over the seeds; of a spread the standard deviations
    accepted: float
    harm: float  # how much worse the candidate is, in the metric's unit; of a spread the ratio
    low: float  # its bounds, each one-sided; infinite where nothing can be said
    high: float
    status: Status
    seeds: int  # of the candidate, at this look

    @property
    def improved(self) -> bool:
        """Whether the mean is better by surely more than the margin."""
        return self.margin.kind == "mean" and self.high < -self.margin.margin

    @property
    def finding(self) -> str:
        """What was found, for a person: «accuracy 0.03 points lower (99 % bound: at most 0.06), margin 0.10»."""
        name, limit = self.margin.name, self._show(self.margin.margin)
        if not math.isfinite(self.high):
            return f"{name} is {self.candidate:.6g} with all {self.seeds} seeds: does the seed reach the training?"
        surely = self.low if self.status == "failed" else self.high
        word = "at least" if self.status == "failed" else "at most"
        if self.margin.kind == "spread":
            return f"{name} {self.harm:.2f} times the accepted one (99 % bound: {word} {surely:.2f}), margin {limit}"
        worse, better = ("higher", "lower") if self.margin.is_loss else ("lower", "higher")
        if surely < 0:
            word, surely = f"at least {self._show(-surely)} {better}", 0.0
        else:
            word = f"{word} {self._show(surely)}{'' if self.harm >= 0 else f' {worse}'}"
        size = f"{self._show(abs(self.harm))} {self._unit} {worse if self.harm >= 0 else better}"
        return f"{name} {size} (99 % bound: {word}), margin {limit}"

    def verdict(self) -> Verdict:
        """Return the verdict on "the harm is at most the margin"; measured is the bound on the harm."""
        message = f"{self.finding}: {self.status} after {self.seeds} seeds"
        if self.improved:
            message += "; better by more than the margin"
        measured = self._scaled(self.high) if math.isfinite(self.high) else None
        name = f"harm to {self.margin.name}"
        bound, source = self._scaled(self.margin.margin), self.margin.source
        return Verdict(name, GROUP, "", measured, bound, "at most", self._unit, self.status, source, message)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``verdict.json``; None where nothing can be said."""
        numbers = {name: getattr(self, name) for name in ("candidate", "accepted", "harm", "low", "high")}
        rounded = {name: round(value, 6) if math.isfinite(value) else None for name, value in numbers.items()}
        margin = self.margin.margin
        found = {"status": self.status, "improved": self.improved, "seeds": self.seeds}
        return {"name": self.margin.name, **rounded, "margin": margin, **found}

    @property
    def _unit(self) -> str:
        return "times" if self.margin.kind == "spread" else "nats" if self.margin.is_loss else "points"

    def _scaled(self, value: float) -> float:
        return round(100 * value if self._unit == "points" else value, 4)

    def _show(self, value: float) -> str:
        return f"{self._scaled(value):.{4 if self._unit == 'nats' else 2}f}"


def read(
    margin: Margin, new: NDArray[np.float64], old: NDArray[np.float64], pass_level: float, fail_level: float
) -> Reading:
    """Compare one metric of the candidate's seeds with the accepted ones: independent draws, at least two each.

    The levels, (0, 0.5), are one-sided, of the upper and the lower bound on the harm. Failed if all seeds have one
    accuracy, for then the seed does not reach the training; undecided if they agree in a finer metric, which a few
    seeds may do by chance.
    """
    worse = 1 if margin.is_loss or margin.kind == "spread" else -1
    if np.ptp(new) == 0 or np.ptp(old) == 0:
        same: Status = "failed" if margin.metric == "accuracy" else "undecided"
        means = float(new.mean()), float(old.mean())
        return Reading(margin, *means, worse * (means[0] - means[1]), -math.inf, math.inf, same, len(new))
    harm: Interval
    if margin.kind == "spread":
        harm = spread_ratio(new, old, fail_level, pass_level)
        shown = float(new.std(ddof=1)), float(old.std(ddof=1))
    else:
        harm = welch_difference(worse * new, worse * old, fail_level, pass_level)
        shown = float(new.mean()), float(old.mean())
    status = non_inferiority(harm.low, harm.high, margin.margin)
    return Reading(margin, *shown, harm.estimate, harm.low, harm.high, status, len(new))
