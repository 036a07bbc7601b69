"""How to run the shipped suite from Python: pytest's arguments, and what several runs can share.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

import dataclasses
import functools
import gc
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


SESSION_CACHE = pytest.StashKey[SessionCache]()
"""Where the fixtures look for it, in ``config.stash``; without it a run makes its own."""
BROKEN_METHODS = pytest.StashKey[set[str]]()
"""Where a run remembers the pipeline's methods that broke their contract, in ``config.stash``."""
PIPELINE = pytest.StashKey[Any]()
"""Where a caller leaves a pipeline object, in ``config.stash``."""
FIGURES = pytest.StashKey[dict[str, Any]]()
"""Where a measuring run leaves its figures by name, in ``config.stash``; see `Checker`."""
SUMMARY = pytest.StashKey[dict[str, Any]]()
"""Where a run leaves the content of ``verdict.json``, in ``config.stash``."""


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


def make_session_cache(
    dataset: Dataset, call: Callable[[bytes], Any], helper: WorkerProcess
) -> SessionCache:
    """Make what a process keeps from run to run.

    Parameters
    ----------
    dataset : Dataset
    call : callable
        A function of a module that `helper` calls with a pickled function of no arguments.
    helper : WorkerProcess
        The other process of ``run_in_subprocess``.
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


def check_name(nodeid: str) -> str:
    """Shorten a test's node id: ``tests/quality/test_fit.py::test_x[1]`` is ``fit::test_x[1]``."""
    return nodeid.rpartition("/")[2].removeprefix("test_").replace(".py::", "::")
