"""Requirement -> Verdict: the only place where a number meets a bound."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeGuard

import numpy as np

Value = float | int | str | bool | None
Direction = Literal["at least", "at most", "equal to", "holds"]
Status = Literal["passed", "failed", "undecided", "not run"]


@dataclass(frozen=True)
class Verdict:
    """What became of one requirement; the fields are those of ``verdict.json``.

    What the subject's spec does not ask for is not run, whatever was measured, and the run may pass without it.
    """

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
    asked: bool = True

    @property
    def margin(self) -> float | None:
        """How far the measured number is on the good side of its bound, in its unit; None where neither is one."""
        if not (_is_number(self.measured) and _is_number(self.bound)):
            return None
        return {"at least": self.measured - self.bound, "at most": self.bound - self.measured}.get(
            self.direction
        )


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

    def judge(self, measured: Any, detail: str = "") -> Verdict:
        """Hold a measured value against the bound.

        Against the bound of a number, whatever is none fails: NaN, infinity, text, yes or no.

        Parameters
        ----------
        measured : float, int, str, bool or None, or a scalar of NumPy
            In the unit of the requirement.
        detail : str
            What else was seen, for instance an interval; ends the message.

        Returns
        -------
        Verdict
            Passed or failed, with one line that says what, how much, by how far, and what to do.
        """
        measured = _plain(measured)
        passed = self._holds(measured)
        if self.direction == "holds":
            message = f"{self.name}: {'holds' if passed else 'does not hold'}"
        else:
            required = f"required {self.direction} {show(self.bound, self.unit)}"
            message = f"{self.name}: measured {show(measured, self.unit)}, {required}"
        verdict = self._verdict(measured, "passed" if passed else "failed", message)
        if not passed:
            missed = verdict.margin
            message += (
                f", missed by {show_difference(-missed, self.unit)}" if missed is not None else ""
            )
            message += f"; {self.advice}" if self.advice else ""
        return self._verdict(measured, verdict.status, message + (f" ({detail})" if detail else ""))

    def not_run(self, reason: str) -> Verdict:
        """Say that the requirement was not judged, and why."""
        return self._verdict(None, "not run", f"{self.name}: not judged; {reason}")

    def not_required(self, reason: str, measured: Any = None) -> Verdict:
        """Say that the subject's spec does not ask for it, and what would have been judged."""
        measured = _plain(measured)
        seen = "" if measured is None else f" measured {show(measured, self.unit)},"
        message = f"{self.name}:{seen} not judged; {reason}"
        return replace(self._verdict(measured, "not run", message), asked=False)

    def _holds(self, measured: Value) -> bool:
        bound = _plain(self.bound)
        if self.direction == "holds":
            return measured is True
        if self.direction == "equal to":
            return measured == bound and isinstance(measured, bool) == isinstance(bound, bool)
        if not (_is_number(measured) and _is_number(bound)):
            return False
        return measured >= bound if self.direction == "at least" else measured <= bound

    def _verdict(self, measured: Value, status: Status, message: str) -> Verdict:
        shared = (_plain(self.bound), self.direction, self.unit, status, self.source, message)
        return Verdict(self.name, self.group, "", measured, *shared)


def overall(verdicts: Iterable[Verdict]) -> Literal["PASSED", "FAILED", "NOT RUN"]:
    """Return the verdict on a run: what failed or is undecided weighs most, then what was not judged."""
    statuses = {verdict.status for verdict in verdicts if verdict.asked}
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
    if unit != "fraction":
        return show(value, unit)
    points = 100 * value
    return f"{points:.2f} points" if abs(points) >= 0.005 or not points else f"{points:.1g} points"


def _plain(value: Any) -> Value:
    """Turn a scalar of NumPy into Python's, and NaN or infinity, which JSON lacks, into a word."""
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _is_number(value: Value) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
