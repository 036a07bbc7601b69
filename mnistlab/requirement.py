"""Requirement -> Verdict: the only place where a number meets a bound."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

import numpy as np

from mnistlab.errors import MnistlabError

Value = float | int | str | bool | None
Direction = Literal["at least", "at most", "equal to", "holds"]
Status = Literal["passed", "failed", "undecided", "not run"]


@dataclass(frozen=True)
class Verdict:
    """The outcome of one requirement; the fields are those of ``verdict.json``."""

    name: str
    group: str
    test: str
    measured: Value
    bound: Value
    direction: Direction | None
    unit: str
    status: Status
    source: str
    message: str
    asked: bool = True  # False: neither the spec nor the accepted state requires it

    @property
    def margin(self) -> float | None:
        """How far the measured number is on the good side of its bound, in its unit, or None."""
        if not (is_number(self.measured) and is_number(self.bound)):
            return None
        above = self.measured - self.bound
        sides: dict[Any, float] = {"at least": above, "at most": -above}
        return sides.get(self.direction)

    @property
    def is_missed(self) -> bool:
        """Whether the requirement was judged and is not met: failed or undecided."""
        return self.status in ("failed", "undecided")


@dataclass(frozen=True)
class Requirement:
    """A claim with a bound.

    `direction` is ``"at least"``, ``"at most"`` or ``"equal to"``; ``"holds"`` for a claim without
    a number. It is None in a spec: the check of this name knows it.
    """

    name: str  # what is measured, in words; unique within a run
    group: str = ""  # the part of the work that it is about, for instance "training"
    bound: Value = None
    direction: Direction | None = "holds"
    unit: str = ""  # "fraction" is shown in percent; any other unit follows the number
    source: str = ""  # where the bound comes from
    advice: str = ""  # the likely cause of a miss and what to look at next

    def completed(self, claim: "Requirement") -> "Requirement":
        """Return a bound of a spec with what only the claim of its check knows."""
        names = ("group", "direction", "unit", "advice")
        known = {name: getattr(self, name) or getattr(claim, name) for name in names}
        if known["unit"] == "fraction" and is_number(self.bound) and abs(self.bound) > 1:
            what = f"bounds.{self.name!r} = {self.bound}"
            raise MnistlabError(f"{what}; required a fraction, not percent")
        return replace(self, **known)

    def judge(self, measured: Any, detail: str = "") -> Verdict:
        """Compare a measured value with the bound: passed or failed, with a message of one line.

        NaN and infinity miss every bound that is a number. `detail` says what else was seen, for
        instance an interval; it ends the message.
        """
        measured = _plain(measured)
        passed = self._is_met_by(measured)
        if self.direction == "holds":
            message = f"{self.name}: {'holds' if passed else 'does not hold'}"
        else:
            required = f"required {self.direction} {show(self.bound, self.unit)}"
            message = f"{self.name}: measured {show(measured, self.unit)}, {required}"
        verdict = self._verdict(measured, "passed" if passed else "failed", "")
        if not passed:
            if verdict.margin is not None:
                message += f", missed by {show_difference(-verdict.margin, self.unit)}"
            message += f"; {self.advice}" if self.advice else ""
        message += f" ({detail})" if detail else ""
        return replace(verdict, message=message)

    def not_run(self, reason: str, measured: Any = None) -> Verdict:
        """Return a verdict that it was not judged, and why, with what was measured anyway."""
        measured = _plain(measured)
        number = "" if measured is None else f" measured {show(measured, self.unit)},"
        message = f"{self.name}:{number} not judged; {reason}"
        return self._verdict(measured, "not run", message)

    def not_required(self, reason: str, measured: Any = None) -> Verdict:
        """Return a verdict that it was not judged, and that the run may pass without it."""
        return replace(self.not_run(reason, measured), asked=False)

    def _is_met_by(self, measured: Value) -> bool:
        bound = _plain(self.bound)
        if self.direction == "holds":
            return measured is True
        if self.direction == "equal to":
            return measured == bound and isinstance(measured, bool) == isinstance(bound, bool)
        if not (is_number(measured) and is_number(bound)):
            return False
        return measured >= bound if self.direction == "at least" else measured <= bound

    def _verdict(self, measured: Value, status: Status, message: str) -> Verdict:
        shared = (_plain(self.bound), self.direction, self.unit, status, self.source, message)
        return Verdict(self.name, self.group, "", measured, *shared)


def overall(verdicts: Iterable[Verdict]) -> Literal["PASSED", "FAILED", "NOT RUN"]:
    """Return the verdict on a run: FAILED if one is missed, else NOT RUN if one was not judged."""
    statuses = {verdict.status for verdict in verdicts if verdict.asked}
    if statuses & {"failed", "undecided"}:
        return "FAILED"
    return "PASSED" if statuses == {"passed"} else "NOT RUN"


def show(value: Value, unit: str = "") -> str:
    """Format a value: a fraction in percent, an integer in full, a float with four digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value or "nothing"
    if unit == "fraction":
        return f"{100 * value:.2f} %"
    text = f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def show_difference(value: float, unit: str = "") -> str:
    """Format the difference of two values; two fractions differ by percentage points."""
    if unit != "fraction":
        return show(value, unit)
    points = 100 * value
    return f"{points:.2f} points" if abs(points) >= 0.005 or not points else f"{points:.1g} points"


def _plain(value: Any) -> Value:
    """Turn a NumPy scalar into Python's, and NaN or infinity into a word, as JSON lacks them."""
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether a value is a number that is neither NaN nor too large for an array."""
    is_real = isinstance(value, int | float) and not isinstance(value, bool)
    return is_real and -(2**63) <= value <= 2**63
