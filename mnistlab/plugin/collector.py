"""What a run found out: collected from the tests' reports, on the process that writes the page."""

import dataclasses
import json
import time
from collections.abc import Generator
from typing import Any

import pytest

from mnistlab.environment import environment
from mnistlab.requirement import Requirement, Verdict, overall

Collecting = Generator[None, pytest.CollectReport, pytest.CollectReport]

SCHEMA = 1
NOT_REQUIRED = "not asked: "
"""How the reason begins why a test was skipped that the subject's spec does not ask for."""


@dataclasses.dataclass(eq=False)
class VerdictCollector:
    """Gathers verdicts, pictures and circumstances while the tests run; a pytest plugin.

    Everything arrives as the user properties of a test's report, which also pass from pytest-xdist's workers.
    """

    verdicts: dict[str, list[Verdict]] = dataclasses.field(default_factory=dict)
    pictures: list[dict[str, str]] = dataclasses.field(
        default_factory=list
    )  # title, caption, PNG in base64, group
    context: dict[str, Any] = dataclasses.field(default_factory=dict)
    expected: dict[str, Requirement] = dataclasses.field(default_factory=dict)
    others: list[Verdict] = dataclasses.field(default_factory=list)
    collected: bool = False
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a test recorded; a test without a verdict of its own is a claim that holds or does not."""
        found = [
            (key, json.loads(str(value)))
            for key, value in report.user_properties
            if key.startswith("mnistlab.")
        ]
        known = next((verdict.group for verdict in self.verdicts.get(report.nodeid, ())), None)
        group = next(
            (value for key, value in found if key == "mnistlab.group"), known
        )  # a crash's report has none
        if group is None:
            return
        claim = _claim(report.nodeid, group)
        verdicts = [Verdict(**value) for key, value in found if key == "mnistlab.verdict"]
        if report.when == "teardown":
            self._take(found, group)
            verdicts = self.verdicts[report.nodeid]
        if report.skipped:
            verdicts += (
                []
                if any(not verdict.asked for verdict in verdicts)
                else [_skipped(claim, _reason(report))]
            )
        elif report.failed and not any(
            verdict.status in ("failed", "undecided") for verdict in verdicts
        ):
            verdicts = [verdict for verdict in verdicts if verdict.name != claim.name]
            verdicts.append(claim.judge(False, _reason(report)))
        elif report.when == "setup":
            verdicts.append(
                claim.not_run("it did not come to its end")
            )  # holds until the test's next report
        elif not verdicts:
            verdicts.append(claim.judge(True))
        self.verdicts[report.nodeid] = [
            dataclasses.replace(verdict, test=report.nodeid) for verdict in verdicts
        ]

    def _take(self, found: list[tuple[str, Any]], group: str) -> None:
        for key, value in found:
            if key == "mnistlab.picture":
                self.pictures.append({**value, "group": group})
            elif key == "mnistlab.context":
                for bound in value.pop("expected", ()):
                    self.expected[bound["name"]] = Requirement(**bound)
                for name, facts in value.items():
                    self.context.setdefault(name, {}).update(facts)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note the requirements that the user chose not to judge."""
        for item in filter(is_quality, items):
            verdict = _claim(item.nodeid, group_of(item)).not_run("deselected on the command line")
            self.others.append(dataclasses.replace(verdict, test=item.nodeid))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send what collection found out from a worker of pytest-xdist, as only workers collect."""
        if hasattr(session.config, "workeroutput"):
            rows = [dataclasses.asdict(verdict) for verdict in self.others]
            session.config.workeroutput["mnistlab.others"] = rows

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take in what a worker sent; every worker sends the same."""
        found = [
            Verdict(**row) for row in getattr(node, "workeroutput", {}).get("mnistlab.others", ())
        ]
        self.others += [verdict for verdict in found if verdict not in self.others]

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the run was stopped before its end, and why."""
        self.others.append(
            Requirement("the whole run", "run").not_run(str(excinfo.value) or "interrupted")
        )

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Collecting:
        """Note a module of the suite that cannot be read as failed."""
        report = yield
        if report.failed and is_quality(collector):
            claim = Requirement(f"{collector.path.name} can be collected", group_of(collector))
            self.others.append(
                dataclasses.replace(claim.judge(False, _reason(report)), test=collector.nodeid)
            )
        return report

    def all_verdicts(self) -> list[Verdict]:
        """Return every verdict in the order of the tests, and at the end what no test judged."""
        verdicts = [verdict for found in self.verdicts.values() for verdict in found] + self.others
        judged = {verdict.name for verdict in verdicts}
        note = self.context.get("dataset", {}).get("note", "")
        missing = [bound for name, bound in self.expected.items() if name not in judged]
        return verdicts + [
            bound.not_run(note or "no test of this run judged it") for bound in missing
        ]

    @property
    def judged_anything(self) -> bool:
        """Whether the run was about a model at all, and not only about mnistlab's own code."""
        return (
            self.collected
            or bool(self.verdicts)
            or any(verdict.status == "failed" for verdict in self.others)
        )

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
            "gate": self.context.get("gate", {}),
            "environment": environment(),
            "seconds": {
                **self.context.get("seconds", {}),
                "total": round(time.perf_counter() - self.started, 2),
            },
        }


def is_quality(item: pytest.Item | pytest.Collector) -> bool:
    """Tell whether a test or a module of tests belongs to the suite that judges a subject."""
    return item.path.parent.name == "quality"


def group_of(item: pytest.Item | pytest.Collector) -> str:
    """Return what a test or a module of the suite is about, which is its file's name."""
    return item.path.stem.removeprefix("test_")


def _claim(nodeid: str, group: str) -> Requirement:
    """Make a requirement of a test's name, which states its claim."""
    return Requirement(nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " "), group)


def _skipped(claim: Requirement, reason: str) -> Verdict:
    """Return what became of a skipped test's claim: the reason tells whether anybody asked for it."""
    asked = not reason.startswith(NOT_REQUIRED)
    return claim.not_run(reason) if asked else claim.not_required(reason.removeprefix(NOT_REQUIRED))


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return in one line why a test failed or was skipped: its message's first, or of a long one the error itself."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr).removeprefix("Failed: ")
    lines = text.strip().splitlines() or ["no message"]
    return next((line[1:].strip() for line in lines if line.startswith("E ")), lines[0])
