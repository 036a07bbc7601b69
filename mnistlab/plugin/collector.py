"""Collect what the tests measured, in the process that writes the report."""

import dataclasses
import difflib
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from mnistlab.environment import environment, suite_folder
from mnistlab.plugin.causes import Marks, not_judged
from mnistlab.plugin.diagnosis import diagnose
from mnistlab.plugin.suite import check_name, claim_name, group_of, is_quality
from mnistlab.requirement import Requirement, Verdict, overall

SCHEMA = 1


@dataclasses.dataclass(eq=False)
class VerdictCollector:
    """Gathers what arrives as the attribute ``mnistlab`` of reports, also of xdist's workers."""

    verdicts: dict[str, list[Verdict]] = dataclasses.field(default_factory=dict)  # of each test
    others: list[Verdict] = dataclasses.field(default_factory=list)  # of no test that ran
    pictures: list[dict[str, str]] = dataclasses.field(default_factory=list)
    context: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    expected: dict[str, Requirement] = dataclasses.field(default_factory=dict)
    marks: dict[str, Marks] = dataclasses.field(default_factory=dict)  # of each test
    broken_methods: dict[str, str] = dataclasses.field(default_factory=dict)  # and the reason why
    skipped: set[str] = dataclasses.field(default_factory=set)
    not_judged: set[str] = dataclasses.field(default_factory=set)  # when the state was accepted
    broken_modules: dict[Path, Verdict] = dataclasses.field(default_factory=dict)
    quality_tests_collected: bool = False
    started: float = dataclasses.field(default_factory=time.perf_counter)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take over what a test measured; a test that recorded no verdict is itself a claim."""
        measured = getattr(report, "mnistlab", {})  # pytest-xdist's report of a crash has none
        earlier = self.verdicts.get(report.nodeid, [])
        if not measured and not earlier:
            return
        for bound in measured.get("expected", ()):
            self.expected[bound["name"]] = Requirement(**bound)
        self.not_judged.update(measured.get("not_judged", ()))
        for name in {"dataset", "subject", "gate", "seconds"} & measured.keys():
            self.context.setdefault(name, {}).update(measured[name])
        if "marks" in measured:
            self.marks[report.nodeid] = Marks(*map(tuple, measured["marks"]))
        claim = _claim(report.nodeid, measured.get("group") or earlier[0].group)
        verdicts = [Verdict(**row) for row in measured.get("verdicts", ())]
        if report.when == "teardown":
            verdicts = earlier
            self.pictures += [{**each, "group": claim.group} for each in measured["pictures"]]
        if report.skipped:
            self.skipped.add(report.nodeid)
            if all(verdict.asked for verdict in verdicts):
                required = measured.get("required", True)
                why_not = claim.not_run if required else claim.not_required
                verdicts.append(why_not(_reason(report)))
        elif report.failed and not any(verdict.is_missed for verdict in verdicts):
            verdicts = [verdict for verdict in verdicts if verdict.name != claim.name]
            verdicts.append(claim.judge(False, _reason(report)))
        elif report.when == "setup":  # stays only if no further report of this test arrives
            verdicts.append(claim.not_run("the test did not finish"))
        elif not verdicts:
            verdicts.append(claim.judge(True))
        self.verdicts[report.nodeid] = [_of_test(verdict, report.nodeid) for verdict in verdicts]

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note the claims that the user chose not to judge."""
        for item in filter(is_quality, items):
            verdict = _claim(item.nodeid, group_of(item)).not_run("deselected on the command line")
            self.others.append(_of_test(verdict, item.nodeid))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send the verdicts of collection from a pytest-xdist worker: only workers collect."""
        if hasattr(session.config, "workeroutput"):
            rows = [dataclasses.asdict(verdict) for verdict in self.others]
            session.config.workeroutput["mnistlab"] = rows

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker sent at its end; every worker sends the same."""
        sent = [Verdict(**row) for row in getattr(node, "workeroutput", {}).get("mnistlab", ())]
        self.others += [verdict for verdict in sent if verdict not in self.others]

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that the run was stopped before its end, and why."""
        claim = Requirement("the whole run", "run")
        self.others.append(claim.not_run(str(excinfo.value) or "interrupted"))

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Note a module that cannot be imported."""
        report = yield
        if report.failed:
            claim = Requirement(f"{collector.path.name} can be collected", group_of(collector))
            verdict = claim.judge(False, _reason(report))
            self.broken_modules[collector.path] = _of_test(verdict, collector.nodeid)
        return report

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Fail the modules that cannot be imported in folders with tests that judge a model."""
        folders = {item.path.parent for item in session.items if is_quality(item)}
        self.quality_tests_collected = bool(folders)
        folders.add(suite_folder())
        self.others += [it for path, it in self.broken_modules.items() if path.parent in folders]

    def all_verdicts(self) -> list[Verdict]:
        """Return the verdicts in the order of the tests, then those on what no test judged."""
        stopped = self.stopped()
        verdicts = []
        for test, of_test in self.verdicts.items():
            if test in stopped:
                claim = _claim(test, of_test[0].group)
                verdicts.append(_of_test(claim.not_run(stopped[test]), test))
            elif test in self.skipped and check_name(test) in self.not_judged:
                for each in of_test:  # it is not asked for
                    text = f"{each.message}; nor was it when the result was accepted"
                    verdicts.append(dataclasses.replace(each, asked=False, message=text))
            else:
                verdicts += of_test
        verdicts += self.others
        judged = {verdict.name for verdict in verdicts}
        numbers = [verdict.name for verdict in verdicts if verdict.direction != "holds"]
        note = self.context.get("dataset", {}).get("note")
        for name in [name for name in self.expected if name not in judged]:
            near = ", ".join(difflib.get_close_matches(name, numbers, 3))
            reason = "no test of this run judged it" + (f"; similar names: {near}" if near else "")
            verdicts.append(self.expected[name].not_run(note or reason))
        return verdicts

    def stopped(self) -> dict[str, str]:
        """Return the tests that depend on a failed one, whether they ran or not, and the reason."""
        failed = {
            test: claim_name(test)
            for test, verdicts in self.verdicts.items()
            if any(verdict.is_missed for verdict in verdicts)
        }
        return not_judged(self.marks, failed)

    def unjudgeable(self) -> tuple[str, ...]:
        """Return the tests that could not be judged of this model, whatever else failed."""
        stopped = self.stopped()
        return tuple(
            check_name(test)
            for test, verdicts in self.verdicts.items()
            if test in self.skipped and test not in stopped and all(each.asked for each in verdicts)
        )

    @property
    def judged_anything(self) -> bool:
        """Whether the run was about a model, not only about other tests."""
        failed = any(verdict.status == "failed" for verdict in self.others)
        return self.quality_tests_collected or bool(self.verdicts) or failed

    def summary(self, stopped: bool = False) -> dict[str, Any]:
        """Return the content of ``verdict.json``; a run that was stopped early has no diagnosis."""
        verdicts = self.all_verdicts()
        dataset = self.context.get("dataset", {})
        total = round(time.perf_counter() - self.started, 2)
        return {
            "schema": SCHEMA,
            "verdict": overall(verdicts),
            "subject": self.context.get("subject", {}),
            "dataset": dataset,
            "requirements": [dataclasses.asdict(verdict) for verdict in verdicts],
            "diagnosis": [] if stopped else diagnose(verdicts, dataset.get("name", "")),
            "gate": self.context.get("gate", {}),
            "environment": environment(),
            "seconds": {**self.context.get("seconds", {}), "total": total},
        }


COLLECTOR = pytest.StashKey[VerdictCollector]()
"""Where the run's collector is, in ``config.stash``."""


def _claim(nodeid: str, group: str) -> Requirement:
    return Requirement(claim_name(nodeid), group)


def _of_test(verdict: Verdict, nodeid: str) -> Verdict:
    return dataclasses.replace(verdict, test=nodeid)


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return why a test failed or was skipped: the message that the test gave, else one line."""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr).removeprefix("Failed: ")
    message, explained, _ = text.partition("\nassert ")  # what pytest adds to the message
    if explained:
        return message.removeprefix("AssertionError: ")
    lines = text.strip().splitlines() or ["no message"]
    # pytest marks the lines of the error itself with "E"; a long traceback begins otherwise.
    return next((line[1:].strip() for line in lines if line.startswith("E ")), lines[0])
