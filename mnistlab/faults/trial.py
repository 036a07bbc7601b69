"""A trial: one run of the suite on one pipeline, in a process that runs many of them."""

import contextlib
import functools
import hashlib
import io
import json
import os
import pickle
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mnistlab import environment
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution import RetireWorkerError, WorkerProcess
from mnistlab.plugin import (
    SESSION_CACHE,
    SessionCache,
    check_name,
    make_session_cache,
    statuses,
    suite_arguments,
)
from mnistlab.requirement import Verdict

CATALOGUE_MODULE = "mnistlab.faults.catalogue"
INCOMPLETE = "incomplete"
"""Status of a trial in which nothing failed, but something was not judged that should have been."""
MAX_GIGABYTES = 4.0
"""Memory above which a process is not used again. A trial needs 1.7; Keras's loops leak."""


@dataclass(frozen=True)
class Trial:
    """The result of the suite on one pipeline."""

    name: str  # of the fault or control
    status: str  # "caught", "passed", "incomplete", "crashed", "timed out"; "error": no suite ran
    caught_by: str = ""  # the first check that failed, module::test[case]
    message: str = ""  # of that check, or of what was not judged first, or how the trial ended
    checks: dict[str, str] = field(default_factory=dict)  # check -> status, in the order of the run
    accuracy: float | None = None  # on the test images, a fraction, if it was measured
    seconds: float = 0.0
    side_effects: tuple[str, ...] = ()  # why its process was not used again

    def missed(self, check: str) -> bool:
        """Tell whether a check failed or stayed undecided."""
        return self.checks.get(check) in ("failed", "undecided")


@dataclass(frozen=True)
class TrialRunner:
    """Runs trials in this process, or in another one that it is pickled to."""

    settings: dict[str, Any]  # options of the suite, see `mnistlab.plugin.suite_arguments`
    dataset: Dataset
    pytest_arguments: tuple[str, ...] = ()  # such as "-x"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the hash of the accepted state, for `_arrived`."""
        fields = self.settings, self.dataset, self.pytest_arguments
        return _arrived, (*fields, environment.accepted_hash(self.dataset.name))

    @property
    def key(self) -> str:
        """A hash of everything that a trial's result depends on."""
        data = self.dataset.sha256, environment.accepted_hash(self.dataset.name)
        facts = [environment.versions(), self.settings, data, self.pytest_arguments]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def facts(self) -> dict[str, str]:
        """Describe the conditions of the trials for a reader of the report."""
        stops = "each trial was stopped at its first failure"
        versions = environment.versions().items()
        return {
            "mode": stops if "-x" in self.pytest_arguments else "every check ran in every trial",
            "data": f"{self.dataset.name} (SHA-256 {self.dataset.sha256[:12]}…)",
            "seed": str(self.settings["seed"]),
            "versions": ", ".join(f"{name} {version}" for name, version in versions),
        }

    def __call__(self, task: tuple[str, str]) -> Trial:
        """Run the suite on a pipeline, given by name and reference.

        RetireWorkerError with the trial if the pipeline left side effects in this process.
        """
        import resource  # not on Windows, where no campaign runs

        data = Path(self.dataset.source).expanduser().absolute()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", list(sys.path))  # the suite adds the pipeline's folder
            if data.exists():  # for pipelines that look for MNIST themselves
                patch.setenv("MNISTLAB_DATA", str(data))
            before = _process_state()
            trial = self._run(*task)
            after = _process_state()
        changed = [key for key, value in before.items() if after.get(key) != value]
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
        changed += ["memory"] if peak > MAX_GIGABYTES else []
        if changed:
            raise RetireWorkerError(replace(trial, side_effects=tuple(changed)))
        return trial

    def _run(self, name: str, reference: str) -> Trial:
        reset_process()
        hooks = _Hooks(_session_cache(self.dataset))
        output, start = io.StringIO(), time.perf_counter()
        caught = contextlib.redirect_stdout(output), contextlib.redirect_stderr(output)
        with tempfile.TemporaryDirectory() as folder, caught[0], caught[1]:
            settings = {**self.settings, "pipeline": reference, "report": folder}
            # pytest's faulthandler plugin would undo the worker's.
            arguments = [*suite_arguments(settings), "-p", "no:faulthandler"]
            code = pytest.main([*arguments, *self.pytest_arguments], plugins=[hooks])
        trial = _trial_of(name, hooks.collector.all_verdicts() if hooks.collector else [])
        if code and trial.status != "caught":
            last = (output.getvalue().strip().splitlines() or ["no output"])[-1]
            message = f"pytest ended with code {int(code)}: {last}"
            trial = replace(trial, status="error", message=message)
        return replace(trial, seconds=round(time.perf_counter() - start, 2))


def _arrived(
    settings: dict[str, Any], dataset: Dataset, arguments: tuple[str, ...], accepted: str
) -> TrialRunner:
    """Refuse to arrive where trials would be compared with another accepted state."""
    found = environment.accepted_hash(dataset.name)
    if found != accepted:
        where = f"required {accepted}, as where the campaign was started"
        advice = "copy the folder baselines there and run the command again"
        what = f"the accepted state on {dataset.name} has hash {found}"
        raise MnistlabError(f"{what}, {where}; {advice}")
    return TrialRunner(settings, dataset, arguments)


def _trial_of(name: str, verdicts: list[Verdict]) -> Trial:
    missed = [it for it in verdicts if it.is_missed and check_name(it.test)]
    asked = [it for it in verdicts if it.asked and not it.name.endswith(" on MNIST")]
    not_judged = [it for it in asked if it.status == "not run"]
    status = "caught" if missed else INCOMPLETE if not_judged else "passed"
    message = next((it.message for it in [*missed, *not_judged]), "")
    measured = [it.measured for it in verdicts if it.name == "test accuracy"]
    accuracy = next((float(value) for value in measured if value is not None), None)
    caught_by = check_name(missed[0].test) if missed else ""
    return Trial(name, status, caught_by, message, statuses(verdicts), accuracy)


class _Hooks:
    """A pytest plugin that passes the session cache in and the collector out."""

    def __init__(self, cache: SessionCache) -> None:
        self.cache = cache
        self.collector: Any = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Find the collector, which the plugin has registered before this hook runs."""
        config.stash[SESSION_CACHE] = self.cache
        self.collector = config.pluginmanager.get_plugin("mnistlab-collector")


@functools.lru_cache(maxsize=1)
def _session_cache(dataset: Dataset) -> SessionCache:
    """Return what this process keeps from trial to trial."""
    return make_session_cache(dataset, _call_afresh, WorkerProcess())


def _call_afresh(call: bytes) -> Any:
    reset_process()
    return pickle.loads(call)()


def reset_process() -> None:
    """Forget what earlier pipelines left: classes, global seeds and Keras's name counters."""
    import keras
    import tensorflow as tf

    # The next trial imports the catalogue anew, without what its classes cached.
    for name in [name for name in sys.modules if f"{name}.".startswith(f"{CATALOGUE_MODULE}.")]:
        del sys.modules[name]
    keras.utils.clear_session()
    tf.random.set_seed(None)
    random.seed()
    np.random.seed()


def _process_state() -> dict[str, Any]:
    """Return what a pipeline could change for later trials: settings and mnistlab's own code."""
    import keras
    import tensorflow as tf

    variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    state: dict[str, Any] = {
        "Keras's floatx": keras.config.floatx(),
        "Keras's epsilon": keras.config.epsilon(),
        "Keras's dtype policy": keras.config.dtype_policy().name,
        "eager execution": tf.config.functions_run_eagerly(),
        "working directory": os.getcwd(),
        "NumPy's error handling": np.geterr(),
        **{f"environment variable {name}": value for name, value in variables.items()},
    }
    for name, module in list(sys.modules.items()):
        if name.startswith("mnistlab.") and not name.startswith(CATALOGUE_MODULE):
            holders: list[Any] = [each for each in vars(module).values() if isinstance(each, type)]
            for holder in (module, *holders):
                for key, value in vars(holder).items():
                    state[f"{name}: {holder.__name__}.{key}"] = id(value)
    # Every trial imports the catalogue anew, which is no side effect.
    state.pop(f"mnistlab.faults: {CATALOGUE_MODULE}", None)
    return state
