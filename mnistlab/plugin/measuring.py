"""Measure the numbers of the suite's own tests on a healthy seed: what is accepted of them.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

import functools
import gc
import pickle
import sys
import tempfile
from dataclasses import dataclass, field
from typing import Any

import pytest

from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution import WorkerProcess
from mnistlab.plugin.checker import Figure
from mnistlab.plugin.collector import COLLECTOR
from mnistlab.plugin.suite import (
    BROKEN_METHODS,
    FIGURES,
    PIPELINE,
    SESSION_CACHE,
    SessionCache,
    SuiteRun,
    check_name,
    make_session_cache,
    suite_arguments,
)


@dataclass(frozen=True)
class Measured:
    """What the suite measured of one seed.

    `not_judged` and `failed` are known of runs of the whole suite only: tests that could not be
    judged, and messages of those that failed.
    """

    seed: int
    figures: dict[str, Figure]
    whole: bool
    not_judged: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(eq=False)
class SeedMeasurer:
    """Runs the suite on one seed a call, without its gates, and measures instead of judging.

    `suites` are further folders of tests. The first run in a process is of the whole suite. Later
    ones leave out the tests that measured nothing.
    """

    pipeline: Any
    dataset: Dataset
    suites: tuple[str, ...] = ()
    tests: frozenset[str] = field(default_factory=frozenset, init=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what it learnt."""
        return SeedMeasurer, (self.pipeline, self.dataset, self.suites)

    def __call__(self, seed: int) -> Measured:
        """Measure one seed.

        Raises
        ------
        MnistlabError
            If the suite does not run to its end, or a method of the pipeline breaks its contract.
        """
        if "keras" in sys.modules:
            sys.modules["keras"].utils.clear_session()  # a process keeps all graphs otherwise
        figures: dict[str, Figure] = {}
        cache = _session_cache(self.dataset)
        stashed = {SESSION_CACHE: cache, PIPELINE: self.pipeline, FIGURES: figures}
        with tempfile.TemporaryDirectory() as folder:
            settings = {"dataset": self.dataset.name, "seed": seed, "report": folder}
            # pytest's faulthandler plugin would undo the worker's.
            arguments = [*suite_arguments(settings), *self.suites, "-p", "no:faulthandler"]
            run = SuiteRun(arguments, stashed, self)
        collector = run.stash(COLLECTOR)
        verdicts = collector.all_verdicts() if collector else []
        failed = tuple(each.message for each in verdicts if each.is_missed)
        ended = run.code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if not ended or run.stash(BROKEN_METHODS):
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
            items[:] = [item for item in items if check_name(item.nodeid) in self.tests]


@functools.lru_cache(maxsize=1)
def _session_cache(dataset: Dataset) -> SessionCache:
    """Return what this process keeps from seed to seed."""
    return make_session_cache(dataset, _call, WorkerProcess())


def _call(function: bytes) -> Any:
    return pickle.loads(function)()
