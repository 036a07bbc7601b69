"""What a quality test measures with: record a number, then fail if it misses its bound."""

import base64
import dataclasses
from collections.abc import Iterable
from typing import Any

import pytest

from mnistlab.errors import NotRequiredError
from mnistlab.recipe import known_bound
from mnistlab.requirement import Requirement, Value, Verdict


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
class Checker:
    """Records measured numbers and fails the test if one misses its bound."""

    measurements: Measurements
    pipeline: Any

    def __call__(
        self, requirement: Requirement | str, measured: Value, detail: str = ""
    ) -> Verdict:
        """Judge a measured value, record the verdict, and fail the test if it failed.

        A string names a bound of the pipeline's spec. The test is skipped if there is none.
        """
        __tracebackhide__ = True
        if isinstance(requirement, str):
            requirement = self.required(requirement, measured)
        verdict = requirement.judge(measured, detail)
        self.all([verdict])
        return verdict

    def required(self, name: str, measured: Value = None) -> Requirement:
        """Return the bound of the pipeline's spec with this name, or skip the test.

        Call it before long work; `measured` is for numbers that are known anyway.
        """
        __tracebackhide__ = True
        try:
            bound: Requirement = self.pipeline.spec.bound(name)
            return bound
        except KeyError:
            reason = f"the spec of {self.pipeline.name!r} states no bound for {name!r}"
        if known := known_bound(name):
            self.measurements.verdicts.append(known.not_required(reason, measured))
        raise NotRequiredError(reason)

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
