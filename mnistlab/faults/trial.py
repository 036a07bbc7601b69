"""A trial: one run of the suite on one pipeline, in a process that runs many of them."""

import contextlib
import functools
import hashlib
import io
import json
import pickle
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mnistlab import environment
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution import RetireWorkerError, WorkerProcess
from mnistlab.faults.isolation import peak_gigabytes, process_state, reset_process
from mnistlab.plugin import (
    SESSION_CACHE,
    SessionCache,
    check_name,
    make_session_cache,
    suite_arguments,
)
from mnistlab.requirement import Verdict

INCOMPLETE = "incomplete"
"""Status of a trial in which nothing failed, but something was not judged that should have been."""
MISSED = ("failed", "undecided")
SEVERITY = ("passed", "not run", "undecided", "failed")
"""What a check can come to. Of several verdicts of one check, the most severe counts."""
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
        return self.checks.get(check) in MISSED


@dataclass(frozen=True)
class TrialRunner:
    """Runs trials in this process, or in another one that it is pickled to."""

    settings: dict[str, Any]  # options of the suite, see `mnistlab.plugin.suite_arguments`
    dataset: Dataset
    pytest_arguments: tuple[str, ...] = ()  # such as "-x"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the fields and a hash of the accepted state, which must be the same elsewhere."""
        fields = self.settings, self.dataset, self.pytest_arguments
        return _unpickled, (*fields, environment.accepted_hash(self.dataset.name))

    @property
    def stops_at_first_failure(self) -> bool:
        """Whether a trial ends with the first check that fails."""
        return "-x" in self.pytest_arguments

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
            "mode": stops if self.stops_at_first_failure else "every check ran in every trial",
            "data": f"{self.dataset.name} (SHA-256 {self.dataset.sha256[:12]}…)",
            "seed": str(self.settings["seed"]),
            "versions": ", ".join(f"{name} {version}" for name, version in versions),
        }

    def __call__(self, task: tuple[str, str]) -> Trial:
        """Run the suite on a pipeline, given by name and reference.

        Raises
        ------
        RetireWorkerError
            With the trial, if the pipeline left side effects in this process.
        """
        data = Path(self.dataset.source).expanduser().absolute()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "path", list(sys.path))  # the suite adds the pipeline's folder
            if data.exists():  # for pipelines that look for MNIST themselves
                patch.setenv("MNISTLAB_DATA", str(data))
            before = process_state()
            trial = self._run(*task)
            after = process_state()
        changed = [key for key, value in before.items() if after.get(key) != value]
        changed += ["memory"] if peak_gigabytes() > MAX_GIGABYTES else []
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
        verdicts = hooks.collector.all_verdicts() if hooks.collector else []
        trial = _trial_of(name, verdicts)
        if code and trial.status != "caught":
            last = (output.getvalue().strip().splitlines() or ["no output"])[-1]
            message = f"pytest ended with code {int(code)}: {last}"
            trial = replace(trial, status="error", message=message)
        return replace(trial, seconds=round(time.perf_counter() - start, 2))


def _unpickled(
    settings: dict[str, Any], dataset: Dataset, pytest_arguments: tuple[str, ...], accepted: str
) -> TrialRunner:
    """Make a runner where it arrives; refuse if trials would be compared with another baseline."""
    if (found := environment.accepted_hash(dataset.name)) != accepted:
        raise MnistlabError(
            f"the accepted state on {dataset.name} has hash {found}, required {accepted}, as where "
            "the campaign was started; copy the folder baselines there and run the command again"
        )
    return TrialRunner(settings, dataset, pytest_arguments)


def _trial_of(name: str, verdicts: list[Verdict]) -> Trial:
    checks: dict[str, str] = {}
    missed: dict[str, str] = {}  # check -> its first message
    for verdict in verdicts:
        check = check_name(verdict.test)
        if not check:
            continue
        checks[check] = max(checks.get(check, "passed"), verdict.status, key=SEVERITY.index)
        if verdict.status in MISSED:
            missed.setdefault(check, verdict.message)
    not_judged = [
        verdict.message
        for verdict in verdicts
        if verdict.status == "not run" and verdict.asked and not verdict.name.endswith(" on MNIST")
    ]
    status = "caught" if missed else INCOMPLETE if not_judged else "passed"
    message = next(iter([*missed.values(), *not_judged]), "")
    measured = [verdict.measured for verdict in verdicts if verdict.name == "test accuracy"]
    accuracy = next((float(value) for value in measured if value is not None), None)
    return Trial(name, status, next(iter(missed), ""), message, checks, accuracy)


class _Hooks:
    """A pytest plugin that passes the session cache in and the collector out."""

    def __init__(self, cache: SessionCache) -> None:
        self._cache = cache
        self.collector: Any = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Find the collector, which the plugin has registered before this hook runs."""
        config.stash[SESSION_CACHE] = self._cache
        self.collector = config.pluginmanager.get_plugin("mnistlab-collector")


@functools.lru_cache(maxsize=1)
def _session_cache(dataset: Dataset) -> SessionCache:
    """Return what this process keeps from trial to trial."""
    return make_session_cache(dataset, _call_afresh, WorkerProcess())


def _call_afresh(call: bytes) -> Any:
    reset_process()
    return pickle.loads(call)()
