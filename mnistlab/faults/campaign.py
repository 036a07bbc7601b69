"""The command ``mnistlab faults``: runs the suite on every fault and twin, over many processes; resumes."""

import argparse
import difflib
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
from mnistlab.errors import MnistlabError
from mnistlab.execution.pool import Place, Pool, available_cores, opened
from mnistlab.execution.worker import DiedError
from mnistlab.faults import catalogue as faults
from mnistlab.faults.catalogue import Entry
from mnistlab.faults.summary import Tally
from mnistlab.faults.trial import Runner, Trial
from mnistlab.report.files import check_writable
from mnistlab.report.page import table

TRIALS = "trials.jsonl"
AGAIN = ("crashed", "timed out", "error")
"""What may have come of the machine, and is not taken for the result when a campaign is resumed."""
SAMPLE = (
    *("no-scaling", "train-serve-skew", "labels-shifted", "127-units", "frozen-layer", "learning-rate-doubled"),
    *("order-frozen", "scaled-again-at-prediction", "functional-api", "scaled-by-a-table"),
)
"""One or two of every part of a pipeline, and two twins: what CI tries."""
TWIN_WEIGHT = 6
"""How many faults, stopped at their first failure, take as long as a trial of the whole suite; for the time left."""


def command(options: argparse.Namespace) -> int:
    """Run the campaign, or list what it would try; 0 if every fault was caught and every twin passed."""
    entries = chosen([*faults.ENTRIES.values()], [*options.only, *(SAMPLE if options.sample else ())])
    if options.list:
        print(listed(entries))
        return 0
    from mnistlab.faults import page as campaign_page

    place = Place(options.scheduler, options.processes, options.timeout)
    folder = Path(options.out)
    _refuse_unwritable("--out", folder, *campaign_page.FILES)
    if options.docs:
        _refuse_unwritable("--docs", options.docs, *campaign_page.DOCS)
    runner = prepared(options)
    log = Log(folder / TRIALS, key_of(runner))
    left = [entry for entry in entries if entry.name not in log.trials]
    if len(left) < len(entries):
        print(f"{len(entries) - len(left)} of {len(entries)} trials are in {folder / TRIALS} already")
    try:
        with opened(place) as pool:
            run(pool, runner, left, log)
    except KeyboardInterrupt:
        print("\nmnistlab: interrupted; what is there is kept: the same command goes on", file=sys.stderr)
    tally = Tally(entries, log.trials)
    print("\n".join(tally.sentences()))
    print(f"Page: {campaign_page.write(tally, about(runner) | {'time': time_of(log, place)}, folder, options.docs)}")
    return 0 if tally.well else 1


def _refuse_unwritable(option: str, folder: Path, *names: str) -> None:
    """Say now, and not after the campaign, that files with these names cannot be written to a folder."""
    try:
        check_writable(folder, *names)
    except OSError as error:
        what = f"{error.filename or folder}: {error.strerror}"
        raise MnistlabError(f"{what}; name a folder with {option} that can be written") from error


def chosen(entries: Sequence[Entry], names: Sequence[str]) -> list[Entry]:
    """Return the entries with these names, all without names; MnistlabError with near names if there is none of one."""
    known = [entry.name for entry in entries]
    for name in names:
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, 5, 0.4)) or "nothing is like it"
            raise MnistlabError(f"--only {name}: no such fault or twin; near: {near}; see all: mnistlab faults --list")
    return [entry for entry in entries if not names or entry.name in names]


def listed(entries: Sequence[Entry]) -> str:
    """Lay entries out as a table for a terminal; below it, what of DeepCrime is in no entry, and why."""
    headings = ("name", "how it happens", "source", "expected to be caught by")
    rows = ((each.name, each.how, each.source, each.expected or "nothing: a healthy twin") for each in entries)
    lines = [f"{operator} of DeepCrime is not here, as it {reason}" for operator, reason in faults.EXCUSED.items()]
    return "\n".join([table(headings, rows, None if sys.stdout.isatty() else 200), *lines])


def prepared(options: argparse.Namespace) -> Runner:
    """Return what runs a trial: the data is found here, once, so that what is wrong with it is said at once."""
    from mnistlab.data.datasets import load_dataset

    dataset = load_dataset(options.dataset, options.mnist_data)
    if dataset.note:
        print(f"This is not MNIST: {dataset.note}")
    settings = {"dataset": dataset.name, "seed": options.seed}
    return Runner(settings, dataset, () if options.full else ("-x",))


def about(runner: Runner) -> dict[str, str]:
    """Return what a reader of the page must know of the campaign."""
    dataset = runner.dataset
    mode = "each trial was stopped at its first failure" if runner.stops else "every check ran in every trial"
    data = f"{dataset.name} (SHA-256 {dataset.sha256[:12]}…)"
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    return {"mode": mode, "data": data, "seed": str(runner.settings["seed"]), "versions": versions}


def key_of(runner: Runner) -> str:
    """Return a hash of all that a trial's result depends on."""
    data = runner.dataset.sha256, environment.accepted(runner.dataset.name)
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
        self.trials = {name: trial for name, trial in self.trials.items() if trial.status not in AGAIN}
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


def time_of(log: Log, place: Place) -> str:
    """Say how long the trials took, on what, and whether in one go."""
    where = "a Dask cluster" if place.scheduler else f"{place.processes or available_cores()} processes"
    resumed = f", in {len(log.seconds)} runs of the command, as it was resumed" if len(log.seconds) > 1 else ""
    return f"{sum(log.seconds.values()):.0f} s, {where}, {os.cpu_count()} CPUs here{resumed}"


def run(pool: Pool, runner: Any, entries: Sequence[Entry], log: Log) -> None:
    """Try entries and log what becomes of each; a process that dies or takes too long is that entry's result.

    The dear ones come first, so that all processes end at about the same time: twins run the whole suite, and of
    the faults those in late parts of a pipeline are found late.
    """
    twins = [entry for entry in entries if not entry.is_fault]
    order = twins + [entry for entry in reversed(entries) if entry.is_fault]
    by_work = {(entry.name, entry.reference): entry for entry in order}
    start, left = time.perf_counter(), len(order)
    weights = {work: 1 if entry.is_fault and runner.stops else TWIN_WEIGHT for work, entry in by_work.items()}
    waiting = sum(weights.values())
    total = waiting
    for work, result in pool.completed(runner, by_work):
        try:
            trial = result()
        except DiedError as error:
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
