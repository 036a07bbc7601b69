"""A campaign: the suite on many faults and controls, in many processes, resumed if interrupted."""

import difflib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend, Pool, WorkerDiedError, available_cores
from mnistlab.faults.catalogue import Entry
from mnistlab.faults.summary import Outcome
from mnistlab.faults.trial import Trial, TrialRunner

RETRIED = ("crashed", "timed out", "error")
"""Statuses that the machine may have caused: a resumed campaign runs such trials again."""
# fmt: off
SAMPLE = (
    "no-scaling", "train-serve-skew", "labels-shifted", "127-units", "frozen-layer",
    "learning-rate-doubled", "order-frozen", "scaled-again-at-prediction",
    "functional-api", "scaled-by-a-table",
)
# fmt: on
"""Faults in every part of a pipeline, and two controls: what CI runs."""
CONTROL_WEIGHT = 6
"""A run of the whole suite takes as long as this many trials that stop at their first failure."""


class CampaignLog:
    """The trials of a campaign so far, appended to a file of JSON lines.

    Lines with another key are ignored: they belong to another campaign. See `TrialRunner.key`.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key, self._start = path, key, time.perf_counter()
        self._seconds: dict[int, float] = {}  # of each run of the command, up to its last trial
        trials: dict[str, Trial] = {}
        for run, seconds, trial in _read(path, key):
            self._seconds[run] = seconds
            trials[trial.name] = trial
        self.trials = {name: trial for name, trial in trials.items() if trial.status not in RETRIED}
        self._run = len(self._seconds)

    def add(self, trial: Trial) -> None:
        """Add a finished trial and write it to the file at once."""
        self.trials[trial.name] = trial
        self._seconds[self._run] = seconds = round(time.perf_counter() - self._start, 1)
        row = {"key": self._key, "run": self._run, "elapsed": seconds, **asdict(trial)}
        cut_off = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="ascii") as file:
            file.write("\n" * cut_off + json.dumps(row) + "\n")

    def describe_time(self, backend: Backend) -> str:
        """Return how long the trials took, where, and in how many runs of the command."""
        processes = f"{backend.processes or available_cores()} processes"
        text = f"{sum(self._seconds.values()):.0f} s, "
        text += "a Dask cluster" if backend.scheduler else processes
        text += f", {os.cpu_count()} CPUs here"
        runs = len(self._seconds)
        return f"{text}, in {runs} runs of the command" if runs > 1 else text


def _read(path: Path, key: str) -> Iterator[tuple[int, float, Trial]]:
    """Yield run, seconds since its start, and trial; skip other campaigns and damaged lines."""
    text = path.read_bytes().decode("ascii", errors="replace") if path.exists() else ""
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        try:
            row = json.loads(line)
            if row.pop("key") == key:
                yield row.pop("run"), row.pop("elapsed"), Trial(**row)
        except (ValueError, KeyError, TypeError, AttributeError):
            print(f"{path}: line {number} is damaged; its trial is run again", file=sys.stderr)


def select_entries(catalogue: Mapping[str, Entry], names: Sequence[str]) -> list[Entry]:
    """Return the entries with these names, or all if no name is given.

    Raises
    ------
    MnistlabError
        For an unknown name, with similar names.
    """
    for name in names:
        if name not in catalogue:
            near = ", ".join(difflib.get_close_matches(name, catalogue, 5, 0.4)) or "none"
            unknown = f"--only {name}: no such fault or control"
            raise MnistlabError(f"{unknown}; similar: {near}; list all with mnistlab faults --list")
    return [entry for name, entry in catalogue.items() if not names or name in names]


def run_trials(pool: Pool, runner: TrialRunner, entries: Sequence[Entry], log: CampaignLog) -> None:
    """Try entries, log every result, and print it with the time left.

    A process that dies or takes too long is the result of its entry.
    """
    # Long trials start first, so that all processes end at about the same time: controls run the
    # whole suite, and a fault in a late part of a pipeline is found late.
    controls = [entry for entry in entries if not entry.is_fault]
    faults = [entry for entry in entries if entry.is_fault]
    tasks = {(entry.name, entry.reference): entry for entry in (*controls, *reversed(faults))}
    start, done, total = time.perf_counter(), 0, sum(_weight(entry, runner) for entry in entries)
    for count, (task, result) in enumerate(pool.completed(runner, tasks), start=1):
        entry = tasks[task]
        try:
            trial = result()
        except WorkerDiedError as error:
            status = "timed out" if str(error).startswith("timed out") else "crashed"
            trial = Trial(entry.name, status, message=str(error), seconds=error.seconds)
        log.add(trial)
        done += _weight(entry, runner)
        seconds = (time.perf_counter() - start) / done * (total - done)
        left = f"about {seconds / 60:.0f} min" if seconds > 90 else f"about {seconds:.0f} s"
        print(f"{Outcome(entry, trial).line}  [{len(tasks) - count} left, {left}]", flush=True)


def _weight(entry: Entry, runner: TrialRunner) -> int:
    return 1 if entry.is_fault and runner.stops_at_first_failure else CONTROL_WEIGHT
