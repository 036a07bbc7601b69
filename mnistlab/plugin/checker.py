"""What a quality test measures with: record a number, then fail if it misses its bound."""

import base64
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytest

from mnistlab.gate import HealthyRange, Worse, sides
from mnistlab.requirement import Requirement, Value, Verdict

NEW = "new: measured, not in the accepted state; accept again to judge it"


@dataclasses.dataclass
class Measurements:
    """What one test measured. It becomes the attribute ``mnistlab`` of the test's reports."""

    verdicts: list[Verdict] = dataclasses.field(default_factory=list)
    pictures: list[dict[str, str]] = dataclasses.field(default_factory=list)
    gate: dict[str, Any] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    required: bool = True  # False once the test skipped what the spec does not require


MEASUREMENTS = pytest.StashKey[Measurements]()
"""Where a test keeps them, in ``item.stash``."""
RUN_CONTEXT = pytest.StashKey[dict[str, Any]]()
"""Where the run's dataset, subject and bounds wait, in ``config.stash``, for the next report."""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number that a test measured of one seed."""

    value: float
    worse: Worse
    images: int | None
    test: str
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class AcceptedRanges:
    """The healthy ranges of the accepted state."""

    ranges: Mapping[str, HealthyRange] = dataclasses.field(default_factory=dict)
    missing: str = NEW  # why a number without one is not judged
    asked: bool = False  # whether the run then needs it


@dataclasses.dataclass(frozen=True)
class Checker:
    """Records numbers, and fails the test on a miss; a measuring run fills `figures` instead."""

    measurements: Measurements
    pipeline: Any
    accepted: AcceptedRanges = AcceptedRanges()
    test: str = ""  # module::test[case]
    figures: dict[str, Figure] | None = None

    def __call__(
        self, requirement: Requirement, measured: Value, detail: str = "", *, waived: str = ""
    ) -> None:
        """Judge and record a value, and fail the test on a miss; if `waived`, only say why."""
        __tracebackhide__ = True
        group = requirement.group or self.test.partition("::")[0]
        claim = dataclasses.replace(requirement, group=group)
        reached = claim.not_required(waived, measured) if waived else claim.judge(measured, detail)
        self.all([reached])

    def within_healthy_range(
        self,
        name: str,
        value: float,
        *,
        worse: Worse,
        images: int | None = None,
        unit: str = "",
        advice: str = "",
        detail: str = "",
    ) -> None:
        """Judge a number by the spec's bound of this name, else by its accepted healthy range.

        Without either, it is recorded as not judged, and why. `name` is unique within a run. An int
        is a count. `images` is of how many images (or other things) the value is a fraction, or a
        difference of two fractions, then the fewer; its unit is ``"fraction"``. `worse` is the side
        on which a value is suspicious: of "both", two requirements are judged, named "NAME, least"
        and "NAME, most". `advice` says what to look at after a miss, and `detail` what else was
        seen.
        """
        __tracebackhide__ = True
        unit = "fraction" if images else unit
        if self.figures is not None:
            plain = value.item() if isinstance(value, np.generic) else value
            self.figures[name] = Figure(plain, worse, images, self.test, unit)
            return
        claim = Requirement(name, self.test.partition("::")[0], unit=unit, advice=advice)
        verdicts = []
        for side, direction in sides(name, worse):
            sided = dataclasses.replace(claim, name=side, direction=direction)
            bound = self._bound(name, sided)
            if bound.bound is None:
                why_not = bound.not_run if self.accepted.asked else bound.not_required
                verdicts.append(why_not(self.accepted.missing, value))
            else:
                verdicts.append(bound.judge(value, detail))
        self.all(verdicts)

    def least(self, name: str) -> float:
        """Return the least value that the spec or the accepted state allows; NaN if any."""
        bound = self._bound(name, Requirement(name, direction="at least")).bound
        return bound if isinstance(bound, int | float) else np.nan

    def _bound(self, figure: str, claim: Requirement) -> Requirement:
        """Add to a claim the bound of the spec, or of the figure's healthy range, if it has one."""
        __tracebackhide__ = True
        stated: Requirement
        for stated in self.pipeline.spec.bounds:
            if stated.name == claim.name:
                return stated.completed(claim)
        accepted = self.accepted.ranges.get(figure)
        if accepted is None:
            return claim
        end = accepted.low if claim.direction == "at least" else accepted.high
        return dataclasses.replace(claim, bound=end, source=accepted.source)

    def all(self, verdicts: Iterable[Verdict]) -> None:
        """Record verdicts that are already reached; fail the test if one failed or is undecided."""
        __tracebackhide__ = True
        verdicts = list(verdicts)
        self.measurements.verdicts += verdicts
        missed = [verdict.message for verdict in verdicts if verdict.is_missed]
        if missed:
            pytest.fail("\n".join(missed), pytrace=False)

    def gate(self, name: str, findings: dict[str, Any]) -> None:
        """Put the findings of a gate into ``verdict.json``."""
        self.measurements.gate[name] = findings

    def timed(self, name: str, seconds: float) -> None:
        """Put the seconds that some work took into ``verdict.json`` and on the page."""
        self.measurements.seconds[name] = round(seconds, 2)

    def picture(self, title: str, caption: str, figure: Any) -> None:
        """Put a matplotlib figure on the page, with a caption that says how to read it."""
        from mnistlab.report.figures import png

        encoded = base64.b64encode(png(figure)).decode("ascii")
        self.measurements.pictures.append({"title": title, "caption": caption, "png": encoded})
