"""Measure the numbers of the suite's own tests on a healthy seed: what is accepted of them.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

import contextlib
import functools
import gc
import io
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
from mnistlab.plugin.suite import (
    BROKEN_METHODS,
    FIGURES,
    PIPELINE,
    SESSION_CACHE,
    SessionCache,
    check_name,
    make_session_cache,
    suite_arguments,
)
from mnistlab.requirement import Verdict


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

    Its first run in a process is of the whole suite. Later ones leave out the tests that measured
    nothing.
    """

    pipeline: Any
    dataset: Dataset
    tests: frozenset[str] = field(default_factory=frozenset, init=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without what it learnt."""
        return SeedMeasurer, (self.pipeline, self.dataset)

    def __call__(self, seed: int) -> Measured:
        """Measure one seed.

        Raises
        ------
        MnistlabError
            If the suite does not run to its end, or a method of the pipeline breaks its contract.
        """
        if "keras" in sys.modules:
            sys.modules["keras"].utils.clear_session()  # a process keeps all graphs otherwise
        hooks = _Hooks(self)
        output = io.StringIO()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(output):
            settings = {"dataset": self.dataset.name, "seed": seed, "report": folder}
            # pytest's faulthandler plugin would undo the worker's.
            arguments = [*suite_arguments(settings), "-p", "no:faulthandler"]
            code = pytest.main(arguments, plugins=[hooks])
        verdicts: list[Verdict] = hooks.collector.all_verdicts() if hooks.collector else []
        failed = tuple(each.message for each in verdicts if each.is_missed)
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or hooks.broken:
            lines = output.getvalue().strip().splitlines() or ["the suite did not run"]
            raise MnistlabError(f"seed {seed}: {next(iter(failed), lines[-1].strip('! '))}")
        if self.tests:
            return Measured(seed, hooks.figures, whole=False)
        gc.freeze()  # pytest need not look at Keras after every run
        self.tests = frozenset(figure.test for figure in hooks.figures.values())
        not_judged = tuple(
            check_name(test)
            for test, verdicts_of in hooks.collector.verdicts.items()
            if test in hooks.collector.skipped and all(each.asked for each in verdicts_of)
        )
        return Measured(seed, hooks.figures, True, not_judged, failed)


class _Hooks:
    """A pytest plugin that passes the pipeline in and the figures out."""

    def __init__(self, measurer: SeedMeasurer) -> None:
        self._measurer = measurer
        self._config: pytest.Config | None = None
        self.figures: dict[str, Figure] = {}
        self.collector: Any = None

    @property
    def broken(self) -> bool:
        """Whether a method of the pipeline broke its contract."""
        return self._config is not None and bool(self._config.stash.get(BROKEN_METHODS, None))

    def pytest_configure(self, config: pytest.Config) -> None:
        """Find the collector, which the plugin has registered before this hook runs."""
        config.stash[SESSION_CACHE] = _session_cache(self._measurer.dataset)
        config.stash[PIPELINE] = self._measurer.pipeline
        config.stash[FIGURES] = self.figures
        self._config, self.collector = config, config.pluginmanager.get_plugin("mnistlab-collector")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out the tests that measure nothing, if they are known."""
        known = self._measurer.tests
        items[:] = [item for item in items if not known or check_name(item.nodeid) in known]


@functools.lru_cache(maxsize=1)
def _session_cache(dataset: Dataset) -> SessionCache:
    """Return what this process keeps from seed to seed."""
    return make_session_cache(dataset, _call, WorkerProcess())


def _call(function: bytes) -> Any:
    return pickle.loads(function)()
