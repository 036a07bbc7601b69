"""One metric of the recipe gate at one look: how much worse, at most and at least, and what that decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.margins import Margin
from mnistlab.requirement import Status, Verdict
from mnistlab.stats import non_inferiority, spread_ratio, welch_difference

GROUP = "regression"


@dataclass(frozen=True)
class Reading:
    """What a look says of one metric.

    Attributes
    ----------
    margin : Margin
    candidate, accepted : float
        Means over the seeds; of a spread the standard deviations.
    harm, low, high : float
        How much worse the candidate is, in the metric's unit, and its bounds, each one-sided; of a spread the ratio.
        Infinite where nothing can be said.
    status : str
        ``"passed"``, ``"failed"`` or ``"undecided"``.
    seeds : int
        Of the candidate, at this look.
    """

    margin: Margin
    candidate: float
    accepted: float
    harm: float
    low: float
    high: float
    status: Status
    seeds: int

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
            message += "; better by more than the margin: to make it the new standard, mnistlab baseline accept"
        measured = self._scaled(self.high) if math.isfinite(self.high) else None
        name = f"harm to {self.margin.name}"
        bound, source = self._scaled(self.margin.margin), self.margin.source
        return Verdict(name, GROUP, "", measured, bound, "at most", self._unit, self.status, source, message)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for ``verdict.json``; None where nothing can be said."""
        numbers = {name: getattr(self, name) for name in ("candidate", "accepted", "harm", "low", "high")}
        rounded = {name: round(value, 6) if math.isfinite(value) else None for name, value in numbers.items()}
        margin = self.margin.margin
        return {"name": self.margin.name, **rounded, "margin": margin, "status": self.status, "seeds": self.seeds}

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
    """Compare one metric of the candidate's seeds with the accepted ones.

    Parameters
    ----------
    margin : Margin
    new, old : numpy.ndarray of float64, shape (seeds,)
        Independent draws, at least two each.
    pass_level, fail_level : float
        One-sided levels, (0, 0.5), of the upper and the lower bound on the harm.

    Returns
    -------
    Reading
        Failed if all seeds have one accuracy, for then the seed does not reach the training; undecided if they agree
        in a finer metric, which a few seeds may do by chance.
    """
    worse = 1 if margin.is_loss or margin.kind == "spread" else -1
    if np.ptp(new) == 0 or np.ptp(old) == 0:
        same: Status = "failed" if margin.metric == "accuracy" else "undecided"
        harm = worse * float(new.mean() - old.mean())
        return Reading(margin, float(new[0]), float(old.mean()), harm, -math.inf, math.inf, same, len(new))
    if margin.kind == "spread":
        ratio = spread_ratio(new, old, fail_level, pass_level)
        center, low, high = ratio.estimate, ratio.low, ratio.high
        shown = float(new.std(ddof=1)), float(old.std(ddof=1))
    else:
        difference = welch_difference(worse * new, worse * old, fail_level, pass_level)
        center, low, high = difference.estimate, difference.low, difference.high
        shown = float(new.mean()), float(old.mean())
    found = non_inferiority(low, high, margin.margin)
    status: Status = "passed" if found == "PASSED" else "failed" if found == "FAILED" else "undecided"
    return Reading(margin, *shown, center, low, high, status, len(new))
