"""One trial of a campaign: the suite that users run, on one pipeline, in a process that runs many."""

from __future__ import annotations

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
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mnistlab import behaviour, suite
from mnistlab.data import Dataset
from mnistlab.kept import KEPT, Kept
from mnistlab.lane import Lane, SpentError
from mnistlab.requirement import Verdict

if TYPE_CHECKING:
    import pytest

FAULTS = "mnistlab.faults"
CAUGHT = ("failed", "undecided")
MOST_GIGABYTES = 4.0
"""Of a process that is used again: one trial takes 1.7, but what Keras's own loops took is not all given back."""
ORDER = ("passed", "not run", "undecided", "failed")
"""What a check can come to; of several verdicts of one check the last of these counts."""


@dataclass(frozen=True)
class Trial:
    """What became of one pipeline in the suite.

    Attributes
    ----------
    name : str
        Of the fault or twin.
    status : str
        ``"caught"``, ``"passed"``, ``"crashed"``, ``"timed out"``, or ``"error"`` if the suite did not run.
    first : str
        The check that failed first, ``module::test[case]``; empty if none did.
    message : str
        Its message, or how the trial ended.
    checks : dict
        Check -> ``"passed"``, ``"failed"``, ``"undecided"`` or ``"not run"``, in the order of the run.
    accuracy : float or None
        On the test images, a fraction; None if it was not measured.
    seconds : float
    traces : tuple of str
        What the pipeline left changed in its process, which then is not used again; too much memory counts.
    """

    name: str
    status: str
    first: str = ""
    message: str = ""
    checks: dict[str, str] = field(default_factory=dict)
    accuracy: float | None = None
    seconds: float = 0.0
    traces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Runner:
    """Runs trials; travels to other processes as its settings and where the data is.

    Attributes
    ----------
    settings : dict
        What pytest is told, see `mnistlab.suite.arguments`.
    dataset : Dataset
    further : tuple of str
        Arguments for pytest, such as ``-x``.
    """

    settings: dict[str, Any]
    dataset: Dataset
    further: tuple[str, ...] = ()

    @property
    def stops(self) -> bool:
        """Whether a trial ends at its first failure."""
        return "-x" in self.further

    def __call__(self, work: tuple[str, str]) -> Trial:
        """Run the suite on a pipeline, given as name and reference; end this process if the pipeline leaves traces."""
        import pytest

        name, reference = work
        forget_faults()
        _reseed()
        before, path = _traces(), list(sys.path)
        watcher, output, start = Watcher(_kept(self.dataset)), io.StringIO(), time.perf_counter()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(output):
            given = suite.arguments({**self.settings, "pipeline": reference, "report": folder})
            # pytest's faulthandler plugin would undo the lane's.
            code = int(pytest.main([*given, "-p", "no:faulthandler", *self.further], plugins=[watcher]))
        sys.path[:] = path  # where a pipeline is looked for is put into it
        trial = watcher.trial(name, code, output.getvalue(), time.perf_counter() - start)
        after = _traces()
        changed = [key for key, value in before.items() if after.get(key) != value]
        changed += ["memory"] if _peak_gigabytes() > MOST_GIGABYTES else []
        if changed:
            raise SpentError(dataclasses.replace(trial, traces=tuple(changed)))
        return trial


class Watcher:
    """A pytest plugin that hands over what is kept, and writes down what becomes of every check."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._record: Any = None
        self._order: dict[str, str] = {}

    def pytest_configure(self, config: pytest.Config) -> None:
        """Hand over what is kept; there is a record, as that of the plugin is registered first."""
        config.stash[KEPT] = self._kept
        self._record = config.pluginmanager.get_plugin("mnistlab-record")

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
        first = next(iter(messages), "")
        last = (output.strip().splitlines() or ["no output"])[-1]
        status = "caught" if first else "passed" if code == 0 else "error"
        message = messages[first] if first else "" if code == 0 else f"pytest ended with code {code}: {last}"
        return Trial(name, status, first, message, checks, _accuracy(verdicts), round(seconds, 2))


def _accuracy(verdicts: list[Verdict]) -> float | None:
    found = next((verdict.measured for verdict in verdicts if verdict.name == "test accuracy"), None)
    return float(found) if found is not None else None


@functools.lru_cache(maxsize=1)
def _kept(dataset: Dataset) -> Kept:
    """Make what this process keeps: half a gigabyte of corrupted images, when they are first asked for."""
    images: list[tuple[str, int, Any]] = []

    def corrupted() -> list[tuple[str, int, Any]]:
        if not images:
            images.extend(behaviour.corruptions(dataset.test_images))
            for *_, array in images:
                array.setflags(write=False)
        return images

    gc.collect()
    gc.freeze()  # all that is imported: pytest has garbage collected three times a trial, a fifth of a short one's time
    helper = Lane()

    def elsewhere(function: Callable[..., Any], *given: Any, **named: Any) -> Any:
        content = pickle.dumps(functools.partial(function, *given, **named))
        return pickle.loads(helper(pickle.dumps(_afresh), pickle.dumps(content)))

    return Kept(dataset, corrupted, elsewhere)


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

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


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
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    found.update({f"environment variable {name}": value for name, value in environment.items()})
    for name, module in list(sys.modules.items()):
        if name.startswith("mnistlab.") and not name.startswith(FAULTS):
            holders: list[Any] = [module, *(value for value in vars(module).values() if isinstance(value, type))]
            for holder in holders:
                for key, value in vars(holder).items():
                    found[f"{name}: {holder.__name__}.{key}"] = id(value)
    return found
