"""Run the suite from Python: arguments, a run, what runs share. PYTEST_DONT_REWRITE."""

import contextlib
import dataclasses
import functools
import gc
import io
import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import cloudpickle
import pytest

from mnistlab.arrays import Bytes
from mnistlab.data import Dataset, corrupt_all
from mnistlab.environment import suite_folder
from mnistlab.execution import WorkerProcess
from mnistlab.plugin.causes import marks_of

OPTIONS = (
    "dataset", "data", "mnist_data", "seed", "report", "margin", "seeds", "baselines", "model",
    "pipeline", "spec", "scheduler",
)  # fmt: skip
"""Options of the plugin that `suite_arguments` passes on."""


@dataclasses.dataclass(frozen=True, eq=False)
class SessionCache:
    """Holds what no pipeline can change, for a process that runs the suite many times."""

    dataset: Dataset
    corrupted: Callable[[], Iterable[tuple[str, int, Bytes]]]  # (name, severity, images)
    run_in_subprocess: Callable[..., Any]


# What a caller leaves in ``config.stash`` for the fixtures:
SESSION_CACHE = pytest.StashKey[SessionCache]()
PIPELINE = pytest.StashKey[Any]()
FIGURES = pytest.StashKey[dict[str, Any]]()
"""In a measuring run, where the figures go by name; see `Checker`."""
SUMMARY = pytest.StashKey[dict[str, Any]]()
"""The content of ``verdict.json``, which the run leaves there."""


def suite_arguments(settings: Mapping[str, Any]) -> list[str]:
    """Return pytest's arguments that run the shipped suite and ignore any local configuration."""
    suite = suite_folder()
    arguments = ["-p", "mnistlab.plugin", "-p", "no:cacheprovider", "--import-mode=importlib", "-q"]
    arguments += ["-c", os.devnull, f"--rootdir={suite.parent}"]
    for name in OPTIONS:
        if settings.get(name) is not None:
            arguments.append(f"--{name.replace('_', '-')}={settings[name]}")
    if settings.get("strict"):
        arguments.append("--strict")
    return [*arguments, str(suite)]


class SuiteRun:
    """One run of the suite in this process, its output caught; `stashed` goes to the fixtures."""

    def __init__(self, arguments: list[str], stashed: Mapping[Any, Any], *plugins: object) -> None:
        self._stashed = stashed
        self.config: pytest.Config | None = None
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            self.code = pytest.main(arguments, plugins=[self, *plugins])
        lines = output.getvalue().strip().splitlines() or ["the suite did not run"]
        self.last_line = lines[-1].strip("! ").removeprefix("ERROR: ")

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep the configuration, and give it what the caller passes in."""
        self.config = config
        for key, value in self._stashed.items():
            config.stash[key] = value

    def stash(self, key: pytest.StashKey[Any]) -> Any:
        """Return what the run left under a key, or None."""
        return self.config.stash.get(key, None) if self.config else None


def call_pickled(function: bytes) -> Any:
    """Call a pickled function of no arguments."""
    return pickle.loads(function)()


def calls_in(
    worker: WorkerProcess, call: Callable[[bytes], Any] = call_pickled
) -> Callable[..., Any]:
    """Return a function that calls functions in another process, by means of `call`."""

    def run_in_subprocess(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # By value, for a pipeline may be defined in a notebook or in the user's main script.
        pickled = cloudpickle.dumps(functools.partial(function, *args, **kwargs))
        return pickle.loads(worker(pickle.dumps(call), pickle.dumps(pickled)))

    return run_in_subprocess


def make_session_cache(
    dataset: Dataset, call: Callable[[bytes], Any], worker: WorkerProcess
) -> SessionCache:
    """Make what a process keeps from run to run; see `calls_in`."""

    @functools.cache
    def corrupted() -> list[tuple[str, int, Bytes]]:
        images = list(corrupt_all(dataset.test_images))  # half a gigabyte, made when needed
        for *_, array in images:
            array.setflags(write=False)
        return images

    # pytest collects garbage three times a run: without what is imported now, a fifth faster.
    gc.collect()
    gc.freeze()
    return SessionCache(dataset, corrupted, calls_in(worker, call))


def is_quality(item: pytest.Item | pytest.Collector) -> bool:
    """Whether a test judges a model: by a fixture or marker of this plugin, or in the suite."""
    fixtures = getattr(item, "_fixtureinfo", None)
    used = fixtures.name2fixturedefs.values() if fixtures else ()
    if any(definitions[-1].func.__module__.startswith(f"{__package__}.") for definitions in used):
        return True
    marked = isinstance(item, pytest.Item) and any(marks_of(item))
    return marked or item.path.parent == suite_folder()


def group_of(item: pytest.Item | pytest.Collector) -> str:
    """Return what a test or module of the suite is about: the name of its file."""
    return item.path.stem.removeprefix("test_")


def check_name(nodeid: str) -> str:
    """Shorten a test's node id: ``tests/quality/test_fit.py::test_x[1]`` is ``fit::test_x[1]``."""
    return nodeid.rpartition("/")[2].removeprefix("test_").replace(".py::", "::")


def claim_name(nodeid: str) -> str:
    """Return a test's name in words, which states its claim."""
    return nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
