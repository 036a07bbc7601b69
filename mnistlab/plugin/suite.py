"""The suite that is shipped with the package: where it is, and what pytest is told to run it."""

import os
from collections.abc import Mapping
from typing import Any

from mnistlab.environment import suite_folder

OPTIONS = (
    *("dataset", "mnist_data", "seed", "report", "margin", "seeds", "baselines"),
    *("model", "pipeline", "spec", "scheduler"),
)


def arguments(settings: Mapping[str, Any]) -> list[str]:
    """Return pytest's arguments that run the suite, whatever the working directory and its configuration.

    `settings` are values of the plugin's options by their names with underscores, and ``strict``; None stands for the
    default, and other names are passed over.
    """
    suite = suite_folder()
    given = ["-p", "mnistlab.plugin", "-p", "no:cacheprovider", "--import-mode=importlib", "-q"]
    given += ["-c", os.devnull, f"--rootdir={suite.parent}"]
    for name in OPTIONS:
        value = settings.get(name)
        given += [f"--{name.replace('_', '-')}={value}"] if value is not None else []
    given += ["--strict"] if settings.get("strict") else []
    return [*given, str(suite)]
