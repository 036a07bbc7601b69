"""Runs the suite on every fault and control, over many processes; resumes where it was interrupted."""

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnistlab import environment
from mnistlab.execution import Backend, Pool, WorkerDiedError, available_cores
from mnistlab.faults.catalogue import Entry
from mnistlab.faults.trial import Runner, Trial

TRIALS = "trials.jsonl"
AGAIN = ("crashed", "timed out", "error")
"""What may have come of the machine, and is not taken for the result when a campaign is resumed."""
SAMPLE = (
    *(
        "no-scaling",
        "train-serve-skew",
        "labels-shifted",
        "127-units",
        "frozen-layer",
        "learning-rate-doubled",
    ),
    *("order-frozen", "scaled-again-at-prediction", "functional-api", "scaled-by-a-table"),
)
"""One or two of every part of a pipeline, and two controls: what CI tries."""
CONTROL_WEIGHT = 6
"""How many faults, stopped at their first failure, take as long as a trial of the whole suite; for the time left."""


def key_of(runner: Runner) -> str:
    """Return a hash of all that a trial's result depends on."""
    data = runner.dataset.sha256, environment.accepted_hash(runner.dataset.name)
    facts = [environment.versions(), runner.settings, data, runner.further]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


class Log:
    """The trials so far, by name, in a file line by line: a later campaign of the same kind goes on with them.

    Also the seconds of every run of the command up to its last trial. What crashed, took too long or did not run at all
    is there to be seen, but tried again.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key, self._begin = path, key, time.perf_counter()
        self.trials: dict[str, Trial] = {}
        self.seconds: dict[int, float] = {}
        for number, seconds, trial in _read(path, key):
            self.seconds[number] = seconds
            self.trials[trial.name] = trial
        self.trials = {
            name: trial for name, trial in self.trials.items() if trial.status not in AGAIN
        }
        self._run = len(self.seconds)

    def add(self, trial: Trial) -> None:
        """Take a finished trial in, and write it down at once."""
        self.trials[trial.name] = trial
        self.seconds[self._run] = seconds = round(time.perf_counter() - self._begin, 1)
        cut_off = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        row = {"key": self._key, "run": self._run, "elapsed": seconds, **asdict(trial)}
        with self._path.open("a", encoding="ascii") as file:
            file.write("\n" * cut_off + json.dumps(row) + "\n")


def _read(path: Path, key: str) -> Iterator[tuple[int, float, Trial]]:
    """Yield run, seconds since its begin, and trial, of this kind; pass over a line that was cut off."""
    text = path.read_bytes().decode("ascii", errors="replace") if path.exists() else ""
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), start=1):
        try:
            row = json.loads(line)
            if row.pop("key") == key:
                yield row.pop("run"), row.pop("elapsed"), Trial(**row)
        except (ValueError, KeyError, TypeError, AttributeError):
            print(f"{path}: line {number} is damaged; its trial is run again", file=sys.stderr)


def time_of(log: Log, place: Backend) -> str:
    """Say how long the trials took, on what, and whether in one go."""
    where = (
        "a Dask cluster" if place.scheduler else f"{place.processes or available_cores()} processes"
    )
    resumed = (
        f", in {len(log.seconds)} runs of the command, as it was resumed"
        if len(log.seconds) > 1
        else ""
    )
    return f"{sum(log.seconds.values()):.0f} s, {where}, {os.cpu_count()} CPUs here{resumed}"


def run(pool: Pool, runner: Any, entries: Sequence[Entry], log: Log) -> None:
    """Try entries and log what becomes of each; a process that dies or takes too long is that entry's result.

    The dear ones come first, so that all processes end at about the same time: controls run the whole suite, and of
    the faults those in late parts of a pipeline are found late.
    """
    controls = [entry for entry in entries if not entry.is_fault]
    order = controls + [entry for entry in reversed(entries) if entry.is_fault]
    by_work = {(entry.name, entry.reference): entry for entry in order}
    start, left = time.perf_counter(), len(order)
    weights = {
        work: 1 if entry.is_fault and runner.stops else CONTROL_WEIGHT
        for work, entry in by_work.items()
    }
    waiting = sum(weights.values())
    total = waiting
    for work, result in pool.completed(runner, by_work):
        try:
            trial = result()
        except WorkerDiedError as error:
            status = "timed out" if str(error).startswith("timed out") else "crashed"
            trial = Trial(work[0], status, "", str(error), seconds=error.seconds)
        log.add(trial)
        left -= 1
        waiting -= weights[work]
        seconds = (time.perf_counter() - start) / (total - waiting) * waiting
        rest = f"about {seconds / 60:.0f} min" if seconds > 90 else f"about {seconds:.0f} s"
        print(f"{line_of(by_work[work], trial)}  [{left} left, {rest}]", flush=True)


def line_of(entry: Entry, trial: Trial) -> str:
    """Say in one line what became of an entry."""
    what = f"caught by {trial.first}" if trial.status == "caught" else trial.status
    wrong = trial.status != ("caught" if entry.is_fault else "passed")
    message = f": {trial.message}" if wrong and trial.message else ""
    return f"{'!' if wrong else ' '} {entry.name:32} {trial.seconds:6.1f} s  {what}{message}"
