"""One trial of a campaign: the suite that users run, on one pipeline, in a process that runs many."""

import contextlib
import dataclasses
import functools
import gc
import io
import os
import pickle
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from mnistlab import environment
from mnistlab.data import Dataset, corrupt_all
from mnistlab.errors import MnistlabError
from mnistlab.execution import RetireWorkerError, WorkerProcess
from mnistlab.plugin import suite
from mnistlab.plugin.fixtures import SESSION_CACHE, SessionCache
from mnistlab.requirement import Verdict

FAULTS = "mnistlab.faults.catalogue"
DATA = "MNISTLAB_DATA"
UNJUDGED = "not judged whole"
CAUGHT = ("failed", "undecided")
MOST_GIGABYTES = 4.0
"""Of a process that is used again: one trial takes 1.7, but what Keras's own loops took is not all given back."""
ORDER = ("passed", "not run", "undecided", "failed")
"""What a check can come to; of several verdicts of one check the last of these counts."""


@dataclass(frozen=True)
class Trial:
    """What became of one pipeline in the suite."""

    name: str  # of the fault or control
    status: str  # "caught", "passed", "not judged whole", "crashed", "timed out"; "error" if the suite did not run
    first: str = ""  # the check that failed first, module::test[case]; empty if none did
    message: str = ""  # of that check, or of the first that was not judged, or how the trial ended
    checks: dict[str, str] = field(
        default_factory=dict
    )  # check -> as in ORDER, in the order of the run
    accuracy: float | None = None  # on the test images, a fraction, if it was measured
    seconds: float = 0.0
    traces: tuple[
        str, ...
    ] = ()  # what it left changed in its process, which is not used again; or too much memory


@dataclass(frozen=True)
class Runner:
    """Runs trials; travels as its fields, and a hash of what was accepted, which must be the same there."""

    settings: dict[str, Any]  # what pytest is told, see `mnistlab.plugin.suite.arguments`
    dataset: Dataset
    further: tuple[str, ...] = ()  # arguments for pytest, such as -x

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel; see `_arrived`."""
        accepted = environment.accepted_hash(self.dataset.name)
        return _arrived, (self.settings, self.dataset, self.further, accepted)

    @property
    def stops(self) -> bool:
        """Whether a trial ends at its first failure."""
        return "-x" in self.further

    def __call__(self, work: tuple[str, str]) -> Trial:
        """Run the suite on a pipeline, given as name and reference; end this process if the pipeline leaves traces."""
        with _data_from(self.dataset.source):
            before = _traces()
            trial = self._tried(*work)
            after = _traces()
        changed = [key for key, value in before.items() if after.get(key) != value]
        changed += ["memory"] if _peak_gigabytes() > MOST_GIGABYTES else []
        if changed:
            raise RetireWorkerError(dataclasses.replace(trial, traces=tuple(changed)))
        return trial

    def _tried(self, name: str, reference: str) -> Trial:
        forget_faults()
        _reseed()
        path, watcher = list(sys.path), Watcher(_kept(self.dataset))
        output, start = io.StringIO(), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(output):
            given = suite.arguments({**self.settings, "pipeline": reference, "report": folder})
            # pytest's faulthandler plugin would undo the worker's.
            code = int(
                pytest.main([*given, "-p", "no:faulthandler", *self.further], plugins=[watcher])
            )
        sys.path[:] = path  # where a pipeline is looked for is put into it
        return watcher.trial(name, code, output.getvalue(), time.perf_counter() - start)


def _arrived(
    settings: dict[str, Any], dataset: Dataset, further: tuple[str, ...], accepted: str
) -> Runner:
    """Return a runner where it has travelled to, unless trials would be held against something else there."""
    if (own := environment.accepted_hash(dataset.name)) != accepted:
        what = f"what was accepted on {dataset.name} has hash {own}, required {accepted} as where the campaign began"
        raise MnistlabError(
            f"{what}; bring the folder baselines there, then the same command goes on"
        )
    return Runner(settings, dataset, further)


@contextlib.contextmanager
def _data_from(source: str) -> Iterator[None]:
    """Have a pipeline that looks for MNIST itself find that of the trial."""
    before, place = os.environ.get(DATA), os.path.abspath(os.path.expanduser(source))
    if os.path.exists(
        place
    ):  # the digits are in scikit-learn, Keras's cache is found without being named
        os.environ[DATA] = place
    try:
        yield
    finally:
        os.environ.pop(DATA, None)
        os.environ.update({DATA: before} if before is not None else {})


class Watcher:
    """A pytest plugin that hands over what is kept, and writes down what becomes of every check."""

    def __init__(self, kept: SessionCache) -> None:
        self._kept = kept
        self._record: Any = None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Hand over what is kept; the record of the plugin, which is registered first, is there."""
        config.stash[SESSION_CACHE] = self._kept
        self._record = config.pluginmanager.get_plugin("mnistlab-collector")

    def trial(self, name: str, code: int, output: str, seconds: float) -> Trial:
        """Say what the run came to."""
        checks: dict[str, str] = {}
        messages: dict[str, str] = {}
        verdicts: list[Verdict] = self._record.all_verdicts() if self._record else []
        for verdict in verdicts:
            check = verdict.test.rpartition("/")[2].removeprefix("test_").replace(".py::", "::")
            if check and ORDER.index(verdict.status) >= ORDER.index(checks.get(check, "passed")):
                checks[check] = verdict.status
                messages.setdefault(check, verdict.message) if verdict.status in CAUGHT else None
        first, last = next(iter(messages), ""), (output.strip().splitlines() or ["no output"])[-1]
        unjudged = [
            each.message
            for each in verdicts
            if each.status == "not run" and each.asked and _is_here(each)
        ]
        message = next(iter([*messages.values(), *unjudged]), "")
        status = "caught" if first else UNJUDGED if unjudged else "passed"
        if code and not first:
            status, message = "error", f"pytest ended with code {code}: {last}"
        found = [
            each.measured
            for each in verdicts
            if each.name == "test accuracy" and each.measured is not None
        ]
        return Trial(
            name,
            status,
            first,
            message,
            checks,
            float(found[0]) if found else None,
            round(seconds, 2),
        )


def _is_here(verdict: Verdict) -> bool:
    """Tell whether a requirement is about the dataset in use, and not one on MNIST where there was no MNIST."""
    return not verdict.name.endswith(" on MNIST")


@functools.lru_cache(maxsize=1)
def _kept(dataset: Dataset) -> SessionCache:
    """Make what this process keeps: half a gigabyte of corrupted images, when they are first asked for."""
    images: list[tuple[str, int, Any]] = []

    def corrupted() -> list[tuple[str, int, Any]]:
        if not images:
            images.extend(corrupt_all(dataset.test_images))
            for *_, array in images:
                array.setflags(write=False)
        return images

    gc.collect()
    gc.freeze()  # all that is imported: pytest has garbage collected three times a trial, a fifth of a short one's time
    helper = WorkerProcess()

    def run_in_subprocess(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        content = pickle.dumps(functools.partial(function, *given, **named))
        return pickle.loads(helper(pickle.dumps(_afresh), pickle.dumps(content)))

    return SessionCache(dataset, corrupted, run_in_subprocess)


def _afresh(content: bytes) -> Any:
    """Call a pickled function in a process that has forgotten the pipelines before."""
    forget_faults()
    _reseed()
    return pickle.loads(content)()


def forget_faults() -> None:
    """Have every pipeline of the catalogue imported anew: what a class of theirs keeps is gone."""
    for name in [name for name in sys.modules if name == FAULTS or name.startswith(f"{FAULTS}.")]:
        del sys.modules[name]


def _reseed() -> None:
    """Forget seeds that a pipeline set for all, and names that Keras counted, as in a process that just began."""
    import keras
    import tensorflow as tf

    keras.utils.clear_session()
    tf.random.set_seed(None)
    random.seed()
    np.random.seed()


def _peak_gigabytes() -> float:
    import resource  # not on Windows, as little as the rest of a campaign

    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024)
        / 1e9
    )


def _traces() -> dict[str, Any]:
    """Return what a pipeline might change for those behind it: settings, environment, mnistlab's own code."""
    import keras
    import tensorflow as tf

    found: dict[str, Any] = {
        "Keras's floatx": keras.config.floatx(),
        "Keras's epsilon": keras.config.epsilon(),
        "Keras's dtype policy": keras.config.dtype_policy().name,
        "eager execution": tf.config.functions_run_eagerly(),
        "working directory": os.getcwd(),
        "NumPy's error handling": np.geterr(),
    }
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")
    }
    found.update({f"environment variable {name}": value for name, value in environment.items()})
    for name, module in list(sys.modules.items()):
        if name.startswith("mnistlab.") and not name.startswith(FAULTS):
            holders: list[Any] = [
                module,
                *(value for value in vars(module).values() if isinstance(value, type)),
            ]
            for holder in holders:
                for key, value in vars(holder).items():
                    found[f"{name}: {holder.__name__}.{key}"] = id(value)
    return found
