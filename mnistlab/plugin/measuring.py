"""Measure the numbers of the suite's own tests on a healthy seed. PYTEST_DONT_REWRITE."""

import functools
import gc
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any

import pytest

from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution import WorkerProcess
from mnistlab.plugin import suite
from mnistlab.plugin.checker import Figure
from mnistlab.plugin.collector import COLLECTOR


@dataclass(frozen=True)
class Measured:
    """What the suite measured of one seed."""

    seed: int
    figures: dict[str, Figure]
    whole: bool  # was this a run of the whole suite? Only then are these known:
    not_judged: tuple[str, ...] = ()  # tests that could not be judged
    failed: tuple[str, ...] = ()  # messages of tests that failed


@dataclass(eq=False)
class SeedMeasurer:
    """Runs the suite on one seed a call, without its gates, and measures instead of judging."""

    pipeline: Any
    dataset: Dataset
    suites: tuple[str, ...] = ()  # further folders of tests
    # After a run of the whole suite, those that measured something: later runs leave out the rest.
    tests: frozenset[str] = field(default_factory=frozenset, init=False)

    def __call__(self, seed: int) -> Measured:
        """Measure one seed; MnistlabError if the suite does not end, or a method is broken."""
        if "keras" in sys.modules:
            sys.modules["keras"].utils.clear_session()  # a process keeps all graphs otherwise
        figures: dict[str, Figure] = {}
        cache = _session_cache(self.dataset)
        stashed = {
            suite.SESSION_CACHE: cache,
            suite.PIPELINE: self.pipeline,
            suite.FIGURES: figures,
        }
        with tempfile.TemporaryDirectory() as folder:
            settings = {"dataset": self.dataset.name, "seed": seed, "report": folder}
            # pytest's faulthandler plugin would undo the worker's.
            arguments = [*suite.suite_arguments(settings), *self.suites, "-p", "no:faulthandler"]
            run = suite.SuiteRun(arguments, stashed, self)
        collector = run.stash(COLLECTOR)
        verdicts = collector.all_verdicts() if collector else []
        failed = tuple(each.message for each in verdicts if each.is_missed)
        ended = run.code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if not ended or collector.broken_methods:
            raise MnistlabError(f"seed {seed}: {next(iter(failed), run.last_line)}")
        if self.tests:
            return Measured(seed, figures, whole=False)
        gc.freeze()  # pytest need not look at Keras after every run
        self.tests = frozenset(figure.test for figure in figures.values())
        return Measured(seed, figures, True, collector.unjudgeable(), failed)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests that measure nothing, if they are known."""
        if self.tests:
            items[:] = [item for item in items if suite.check_name(item.nodeid) in self.tests]


@functools.lru_cache(maxsize=1)
def _session_cache(dataset: Dataset) -> suite.SessionCache:
    """Return what this process keeps from seed to seed."""
    return suite.make_session_cache(dataset, suite.call_pickled, WorkerProcess())
