"""Run the suite from Python: pytest's arguments, one run, and what several runs can share.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

import contextlib
import dataclasses
import functools
import gc
import io
import os
import pickle
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from mnistlab.arrays import Bytes
from mnistlab.data import Dataset, corrupt_all
from mnistlab.environment import suite_folder
from mnistlab.execution import WorkerProcess

OPTIONS = (
    "dataset", "mnist_data", "seed", "report", "margin", "seeds", "baselines", "model", "pipeline",
    "spec", "scheduler",
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
# What the run leaves there:
BROKEN_METHODS = pytest.StashKey[dict[str, str]]()
"""The pipeline's methods that broke their contract, each with the reason that others give."""
FAILED_CAUSES = pytest.StashKey[dict[str, str]]()
"""The names of `provides` whose test failed, each with the reason that others give."""
SUMMARY = pytest.StashKey[dict[str, Any]]()
"""The content of ``verdict.json``."""


def suite_arguments(settings: Mapping[str, Any]) -> list[str]:
    """Return pytest's arguments that run the shipped suite and ignore any local configuration.

    `settings` maps the plugin's options, with underscores, and ``strict`` to values; None is the
    default. Other names are ignored.
    """
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
    """One run of the suite in this process, by pytest's arguments, with its output caught.

    `stashed` is put into ``config.stash`` before any fixture runs. Afterwards, `config` is pytest's
    configuration, None if it refused the arguments.
    """

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


def make_session_cache(
    dataset: Dataset, call: Callable[[bytes], Any], helper: WorkerProcess
) -> SessionCache:
    """Make what a process keeps from run to run.

    `helper` is the other process of ``run_in_subprocess``. There it calls `call`, a function of a
    module, with a pickled function of no arguments.
    """

    @functools.cache
    def corrupted() -> list[tuple[str, int, Bytes]]:
        images = list(corrupt_all(dataset.test_images))  # half a gigabyte, made when needed
        for *_, array in images:
            array.setflags(write=False)
        return images

    def run_in_subprocess(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        pickled = pickle.dumps(functools.partial(function, *arguments, **options))
        return pickle.loads(helper(pickle.dumps(call), pickle.dumps(pickled)))

    # pytest collects garbage three times a run: without what is imported now, a fifth faster.
    gc.collect()
    gc.freeze()
    return SessionCache(dataset, corrupted, run_in_subprocess)


def is_quality(item: pytest.Item | pytest.Collector) -> bool:
    """Tell whether a test judges a model.

    It uses a fixture of this plugin, directly or through another, or lies in the shipped suite.
    """
    fixtures = getattr(item, "_fixtureinfo", None)
    used = fixtures.name2fixturedefs.values() if fixtures else ()
    if any(definitions[-1].func.__module__.startswith(f"{__package__}.") for definitions in used):
        return True
    return item.path.parent == suite_folder()


def group_of(item: pytest.Item | pytest.Collector) -> str:
    """Return what a test or module of the suite is about: the name of its file."""
    return item.path.stem.removeprefix("test_")


def check_name(nodeid: str) -> str:
    """Shorten a test's node id: ``tests/quality/test_fit.py::test_x[1]`` is ``fit::test_x[1]``."""
    return nodeid.rpartition("/")[2].removeprefix("test_").replace(".py::", "::")


def claim_name(nodeid: str) -> str:
    """Return a test's name in words, which states its claim."""
    return nodeid.rpartition("::")[2].removeprefix("test_").replace("_", " ")
