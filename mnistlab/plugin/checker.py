"""What a quality test measures with: it records a number, then fails the test if the number misses its bound."""

import base64
import dataclasses
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from mnistlab.plugin.collector import NOT_REQUIRED
from mnistlab.recipe import known_bound
from mnistlab.requirement import Requirement, Value, Verdict


@dataclasses.dataclass(frozen=True)
class Checker:
    """Records a measured number, then fails the test if it misses its bound."""

    record: Callable[[str, object], None]
    pipeline: Any

    def __call__(
        self, requirement: Requirement | str, measured: Value, detail: str = ""
    ) -> Verdict:
        """Checker a measured value by a requirement, or by the bound of the subject's spec with this name."""
        __tracebackhide__ = True
        if isinstance(requirement, str):
            requirement = self.required(requirement, measured)
        verdict = requirement.judge(measured, detail)
        self.record("mnistlab.verdict", json.dumps(dataclasses.asdict(verdict)))
        if verdict.status == "failed":
            pytest.fail(verdict.message, pytrace=False)
        return verdict

    def required(self, name: str, measured: Value = None) -> Requirement:
        """Return the bound of the subject's spec with this name, or skip the test; before dear work, or behind it."""
        __tracebackhide__ = True
        try:
            bound: Requirement = self.pipeline.spec.bound(name)
            return bound
        except KeyError:
            reason = f"the spec of {self.pipeline.name!r} states no bound for {name!r}"
        if known := known_bound(name):
            verdict = known.not_required(reason, measured)
            self.record("mnistlab.verdict", json.dumps(dataclasses.asdict(verdict)))
        pytest.skip(f"{NOT_REQUIRED}{reason}")

    def all(self, verdicts: Iterable[Verdict]) -> None:
        """Record verdicts that were reached elsewhere; fail the test if one failed or is undecided."""
        __tracebackhide__ = True
        found = list(verdicts)
        for verdict in found:
            self.record("mnistlab.verdict", json.dumps(dataclasses.asdict(verdict)))
        missed = [verdict.message for verdict in found if verdict.status in ("failed", "undecided")]
        if missed:
            pytest.fail("\n".join(missed), pytrace=False)

    def gate(self, name: str, found: dict[str, Any]) -> None:
        """Put what a gate found into ``verdict.json``."""
        self.record("mnistlab.context", json.dumps({"gate": {name: found}}))

    def timed(self, name: str, seconds: float) -> None:
        """Put the seconds that some work took on the page."""
        self.record("mnistlab.context", json.dumps({"seconds": {name: round(seconds, 2)}}))

    def picture(self, title: str, caption: str, figure: Any) -> None:
        """Put a matplotlib figure on the page, with a line that says how to read it."""
        from mnistlab.report import figures as plots

        png = base64.b64encode(plots.png(figure)).decode("ascii")
        self.record(
            "mnistlab.picture", json.dumps({"title": title, "caption": caption, "png": png})
        )
