"""Requirement -> Verdict: the only place where a number meets a bound."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Value = float | int | str | bool | None
Direction = Literal["at least", "at most", "equal to", "holds"]
Status = Literal["passed", "failed", "undecided", "not run"]


@dataclass(frozen=True)
class Verdict:
    """What became of one requirement; the fields are those of ``verdict.json``."""

    name: str
    group: str
    test: str
    measured: Value
    bound: Value
    direction: Direction
    unit: str
    status: Status
    source: str
    message: str

    @property
    def margin(self) -> float | None:
        """How far the measured number is on the good side of its bound, in its unit; None where neither is one."""
        if self.direction not in ("at least", "at most") or self.measured is None or self.bound is None:
            return None
        distance = float(self.measured) - float(self.bound)
        return distance if self.direction == "at least" else -distance


@dataclass(frozen=True)
class Requirement:
    """A claim with a bound.

    Parameters
    ----------
    name : str
        What is measured, in words; unique within a run.
    group : str
        The part of the work it is about: data, preparation, architecture, training, result, serving.
    bound : float, int or str
        What the measured value is held against.
    direction : str
        ``"at least"``, ``"at most"`` or ``"equal to"``; ``"holds"`` for a claim without a number.
    unit : str
        ``"fraction"`` is shown in percent; anything else is shown behind the number.
    source : str
        Where the bound comes from.
    advice : str
        What is likely wrong when it is missed and what to look at next.
    """

    name: str
    group: str
    bound: Value = None
    direction: Direction = "holds"
    unit: str = ""
    source: str = ""
    advice: str = ""

    def judge(self, measured: Value, detail: str = "") -> Verdict:
        """Hold a measured value against the bound.

        A value that is not a number (NaN) fails, whatever the bound.

        Parameters
        ----------
        measured : float, int, str, bool or None
            In the unit of the requirement.
        detail : str
            What else was seen, for instance an interval; ends the message.

        Returns
        -------
        Verdict
            Passed or failed, with one line that says what, how much, by how far, and what to do.
        """
        passed = self._holds(measured)
        if self.direction == "holds":
            message = f"{self.name}: {'holds' if passed else 'does not hold'}"
        else:
            required = f"required {self.direction} {show(self.bound, self.unit)}"
            message = f"{self.name}: measured {show(measured, self.unit)}, {required}"
        verdict = self._verdict(measured, "passed" if passed else "failed", message)
        if not passed:
            missed = verdict.margin
            message += f", missed by {show_difference(-missed, self.unit)}" if missed is not None else ""
            message += f"; {self.advice}" if self.advice else ""
        return self._verdict(measured, verdict.status, message + (f" ({detail})" if detail else ""))

    def not_run(self, reason: str) -> Verdict:
        """Say that the requirement was not judged, and why."""
        return self._verdict(None, "not run", f"{self.name}: not judged; {reason}")

    def _holds(self, measured: Value) -> bool:
        if self.direction == "holds":
            return measured is True
        if self.direction == "equal to":
            return measured == self.bound
        if measured is None or self.bound is None or math.isnan(float(measured)):
            return False
        if self.direction == "at least":
            return float(measured) >= float(self.bound)
        return float(measured) <= float(self.bound)

    def _verdict(self, measured: Value, status: Status, message: str) -> Verdict:
        shared = (self.bound, self.direction, self.unit, status, self.source, message)
        return Verdict(self.name, self.group, "", measured, *shared)


def overall(verdicts: Iterable[Verdict]) -> Literal["PASSED", "FAILED", "NOT RUN"]:
    """Return the verdict on a run: what failed or is undecided weighs most, then what was not judged."""
    statuses = {verdict.status for verdict in verdicts}
    if statuses & {"failed", "undecided"}:
        return "FAILED"
    return "PASSED" if statuses == {"passed"} else "NOT RUN"


def show(value: Value, unit: str = "") -> str:
    """Write a value for people: a fraction as percent, a count in full, another number in four digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, str):
        return value or "nothing"
    if unit == "fraction":
        return f"{100 * value:.2f} %"
    text = f"{value:,}".replace(",", " ") if isinstance(value, int) else f"{value:.4g}"
    return f"{text} {unit}".rstrip()


def show_difference(value: float, unit: str = "") -> str:
    """Write the difference of two values: of fractions in percentage points."""
    return f"{100 * value:.2f} points" if unit == "fraction" else show(value, unit)
