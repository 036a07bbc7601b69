"""A campaign: the suite on many faults and controls, in many processes, resumed if interrupted."""

import difflib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
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


class CampaignLog:
    """The trials of a campaign so far, appended to a file of JSON lines, each with the key."""

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        trials = {}
        text = path.read_bytes().decode("ascii", errors="replace") if path.exists() else ""
        for number, line in enumerate(text.splitlines(), start=1):
            try:
                row = json.loads(line)
                if row.pop("key") == key:  # else it is of another campaign
                    trials[row["name"]] = Trial(**row)
            except (ValueError, KeyError, TypeError, AttributeError):
                print(f"{path}: line {number} is damaged; its trial is run again", file=sys.stderr)
        self.trials = {name: trial for name, trial in trials.items() if trial.status not in RETRIED}

    def add(self, trial: Trial) -> None:
        """Add a finished trial and write it to the file at once."""
        self.trials[trial.name] = trial
        cut_off = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="ascii") as file:
            file.write("\n" * cut_off + json.dumps({"key": self._key, **asdict(trial)}) + "\n")

    def describe_time(self, backend: Backend) -> str:
        """Return how long the trials took together, and where they ran."""
        processes = f"{backend.processes or available_cores()} processes"
        place = "a Dask cluster" if backend.scheduler else processes
        seconds = sum(trial.seconds for trial in self.trials.values())
        return f"{seconds:.0f} s of trials on {place}, {os.cpu_count()} CPUs here"


def select_entries(catalogue: Mapping[str, Entry], names: Sequence[str]) -> list[Entry]:
    """Return the entries with these names, or all if no name is given."""
    for name in names:
        if name not in catalogue:
            near = ", ".join(difflib.get_close_matches(name, catalogue, 5, 0.4)) or "none"
            unknown = f"--only {name}: no such fault or control"
            raise MnistlabError(f"{unknown}; similar: {near}; list all with mnistlab faults --list")
    return [entry for name, entry in catalogue.items() if not names or name in names]


def run_trials(pool: Pool, runner: TrialRunner, entries: Sequence[Entry], log: CampaignLog) -> None:
    """Try entries, log every result, a process's death too, and print it with the time left."""
    # Long trials start first, so that all processes end at about the same time: controls run the
    # whole suite, and a fault in a late part of a pipeline is found late.
    latest_first = sorted(reversed(entries), key=lambda entry: entry.is_fault)
    tasks = {(entry.name, entry.reference): entry for entry in latest_first}
    start = time.perf_counter()
    for count, (task, result) in enumerate(pool.completed(runner, tasks), start=1):
        entry = tasks[task]
        try:
            trial = result()
        except WorkerDiedError as error:
            status = "timed out" if str(error).startswith("timed out") else "crashed"
            trial = Trial(entry.name, status, message=str(error), seconds=error.seconds)
        log.add(trial)
        left = len(tasks) - count
        minutes = (time.perf_counter() - start) / count * left / 60
        line = Outcome(entry, trial).line
        print(f"{line}  [{left} left, about {minutes:.0f} min]", flush=True)
