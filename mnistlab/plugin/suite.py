"""How to run the shipped suite from Python: pytest's arguments, and what several runs can share.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from mnistlab.arrays import Bytes
from mnistlab.data import Dataset
from mnistlab.environment import suite_folder

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


SESSION_CACHE = pytest.StashKey[SessionCache]()
"""Where the fixtures look for it, in ``config.stash``; without it a run makes its own."""
PIPELINE = pytest.StashKey[Any]()
"""Where `validate` leaves a pipeline object, in ``config.stash``."""
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
