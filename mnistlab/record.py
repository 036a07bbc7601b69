"""What a run found out: collected from the tests' reports, on the process that writes the page."""

from __future__ import annotations

import base64
import dataclasses
import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mnistlab import __version__
from mnistlab.pipeline import Pipeline
from mnistlab.requirement import Requirement, Value, Verdict, overall

SCHEMA = 1
PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "matplotlib", "pytest", "pytest-html")


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture for the page: a PNG in base64, with a title and a line that says how to read it."""

    title: str
    caption: str
    png: str


@dataclasses.dataclass(eq=False)
class Record:
    """Gathers verdicts, pictures and circumstances while the tests run; a pytest plugin.

    Everything arrives as the user properties of a test's report, which also pass from pytest-xdist's workers.
    """

    verdicts: dict[str, list[Verdict]] = dataclasses.field(default_factory=dict)
    pictures: list[Picture] = dataclasses.field(default_factory=list)
    context: dict[str, Any] = dataclasses.field(default_factory=dict)
    expected: dict[str, Requirement] = dataclasses.field(default_factory=dict)
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a test recorded; a test without a verdict of its own is a claim that holds or does not."""
        found = [(key, json.loads(str(value))) for key, value in report.user_properties if key.startswith("mnistlab.")]
        group = next((value for key, value in found if key == "mnistlab.group"), None)
        if group is None:
            return
        verdicts = [Verdict(**value) for key, value in found if key == "mnistlab.verdict"]
        if report.when == "teardown":
            self._take(found)
        elif report.when == "setup" and report.passed:
            return
        elif report.skipped:
            verdicts.append(_claim(report.nodeid, group).not_run(_reason(report)))
        elif report.failed and not any(verdict.status == "failed" for verdict in verdicts):
            verdicts.append(_claim(report.nodeid, group).judge(False, _reason(report)))
        elif not verdicts:
            verdicts.append(_claim(report.nodeid, group).judge(True))
        if report.when != "teardown" or report.failed:
            self.verdicts[report.nodeid] = [dataclasses.replace(verdict, test=report.nodeid) for verdict in verdicts]

    def _take(self, found: list[tuple[str, Any]]) -> None:
        for key, value in found:
            if key == "mnistlab.picture":
                self.pictures.append(Picture(**value))
            elif key == "mnistlab.context":
                for bound in value.pop("expected", ()):
                    self.expected[bound["name"]] = Requirement(**bound)
                for name, facts in value.items():
                    self.context.setdefault(name, {}).update(facts)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note the requirements that the user chose not to judge."""
        for item in items:
            verdict = _claim(item.nodeid, item.path.stem.removeprefix("test_")).not_run(
                "deselected on the command line"
            )
            if is_quality(item):
                self.verdicts[item.nodeid] = [dataclasses.replace(verdict, test=item.nodeid)]

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the run was stopped before its end, and why."""
        verdict = Requirement("the whole run", "run").not_run(str(excinfo.value) or "interrupted")
        self.verdicts["run"] = [verdict]

    def all_verdicts(self) -> list[Verdict]:
        """Return every verdict in the order of the tests, and at the end the bounds that no test judged."""
        verdicts = [verdict for found in self.verdicts.values() for verdict in found]
        judged = {verdict.name for verdict in verdicts}
        note = self.context.get("dataset", {}).get("note", "")
        missing = [bound for name, bound in self.expected.items() if name not in judged]
        return verdicts + [bound.not_run(note or "no test of this run judged it") for bound in missing]

    @property
    def judged_anything(self) -> bool:
        """Whether the run was about a model at all, and not only about mnistlab's own code."""
        return bool(self.verdicts)

    def summary(self) -> dict[str, Any]:
        """Return the content of ``verdict.json``: schema 1, see the README."""
        verdicts = self.all_verdicts()
        rows = [dataclasses.asdict(verdict) for verdict in verdicts]
        return {
            "schema": SCHEMA,
            "verdict": overall(verdicts),
            "subject": self.context.get("subject", {}),
            "dataset": self.context.get("dataset", {}),
            "requirements": rows,
            "gate": {},
            "environment": environment(),
            "seconds": {**self.context.get("seconds", {}), "total": round(time.perf_counter() - self.started, 2)},
        }


@dataclasses.dataclass(frozen=True)
class Judge:
    """Records a measured number, then fails the test if it misses its bound."""

    record: Callable[[str, object], None]
    pipeline: Pipeline

    def __call__(self, requirement: Requirement | str, measured: Value, detail: str = "") -> Verdict:
        """Judge a measured value by a requirement, or by the bound of the subject's spec with this name."""
        __tracebackhide__ = True
        if isinstance(requirement, str):
            try:
                requirement = self.pipeline.spec.bound(requirement)
            except KeyError:
                pytest.skip(f"the spec of {self.pipeline.name!r} states no bound for {requirement!r}")
        verdict = requirement.judge(measured, detail)
        self.record("mnistlab.verdict", json.dumps(dataclasses.asdict(verdict)))
        if verdict.status == "failed":
            pytest.fail(verdict.message, pytrace=False)
        return verdict

    def timed(self, name: str, seconds: float) -> None:
        """Put the seconds that some work took on the page."""
        self.record("mnistlab.context", json.dumps({"seconds": {name: round(seconds, 2)}}))

    def picture(self, title: str, caption: str, figure: Any) -> None:
        """Put a matplotlib figure on the page, with a line that says how to read it."""
        from mnistlab import plots

        png = base64.b64encode(plots.png(figure)).decode("ascii")
        self.record("mnistlab.picture", json.dumps({"title": title, "caption": caption, "png": png}))


def is_quality(item: pytest.Item) -> bool:
    """Tell whether a test belongs to the suite that judges a subject."""
    return item.path.parent.name == "quality"


def _claim(nodeid: str, group: str) -> Requirement:
    """Make a requirement of a test's name, which states its claim."""
    return Requirement(nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " "), group)


def environment() -> dict[str, Any]:
    """Return what the numbers may depend on: versions and the machine."""
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    machine = {"python": platform.python_version(), "platform": platform.platform(), "cores": os.cpu_count()}
    return {**machine, "mnistlab": __version__, **versions}


def write_atomically(path: Path, text: str) -> None:
    """Write a text file to the side and rename it, so that nobody ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _reason(report: pytest.TestReport) -> str:
    """Return the first line of why a test failed or was skipped."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr)
    return text.strip().splitlines()[0] if text.strip() else "no message"
