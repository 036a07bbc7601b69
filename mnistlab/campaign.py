"""The command ``mnistlab faults``: runs the suite on every fault and twin, over many processes; resumes."""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mnistlab import faults, fingerprint
from mnistlab.errors import MnistlabError
from mnistlab.faults import Entry
from mnistlab.lane import DiedError
from mnistlab.tally import Tally
from mnistlab.trial import Runner, Trial
from mnistlab.workers import Place, Pool, opened

TRIALS = "trials.jsonl"
SAMPLE = (
    *("no-scaling", "train-serve-skew", "labels-shifted", "127-units", "frozen-layer", "learning-rate-doubled"),
    *("order-frozen", "scaled-again-at-prediction", "functional-api", "scaled-by-a-table"),
)
"""One or two of every part of a pipeline, and two twins: what CI tries."""
TWIN_WEIGHT = 6
"""How many faults, stopped at their first failure, take as long as a trial of the whole suite; for the time left."""


def command(options: argparse.Namespace) -> int:
    """Run the campaign, or list what it would try; 0 if every fault was caught and every twin passed."""
    from mnistlab import campaign_page

    entries = chosen([*faults.ENTRIES.values()], [*options.only, *(SAMPLE if options.sample else ())])
    if options.list:
        print(listed(entries))
        return 0
    folder = Path(options.out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MnistlabError(f"{folder}: {error.strerror}; name a folder with --out that can be written") from error
    runner = prepared(options)
    log = Log(folder / TRIALS, key_of(runner))
    left = [entry for entry in entries if entry.name not in log.trials]
    if len(left) < len(entries):
        print(f"{len(entries) - len(left)} of {len(entries)} trials are in {folder / TRIALS} already")
    try:
        with opened(Place(options.scheduler, options.processes, options.timeout)) as pool:
            run(pool, runner, left, log)
    except KeyboardInterrupt:
        print("\nmnistlab: interrupted; what is there is kept: the same command goes on", file=sys.stderr)
    tally = Tally(tuple(entries), {entry.name: log.trials[entry.name] for entry in entries if entry.name in log.trials})
    print("\n".join(tally.sentences()))
    print(f"Page: {campaign_page.write(tally, about(runner), folder, options.docs)}")
    return 0 if tally.well else 1


def chosen(entries: Sequence[Entry], names: Sequence[str]) -> list[Entry]:
    """Return the entries with these names; without names, all.

    Raises
    ------
    MnistlabError
        If there is none with a name; it lists the nearest.
    """
    known = [entry.name for entry in entries]
    for name in names:
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, 5, 0.4)) or "nothing is like it"
            raise MnistlabError(f"--only {name}: no such fault or twin; near: {near}; see all: mnistlab faults --list")
    return [entry for entry in entries if not names or entry.name in names]


def listed(entries: Sequence[Entry]) -> str:
    """Lay entries out as a table for a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("name", "how it happens", "source", "expected to be caught by"):
        table.add_column(heading, overflow="fold")
    for entry in entries:
        cells = (entry.name, entry.how, entry.source, entry.expected or "nothing: a healthy twin")
        table.add_row(*(Text(cell) for cell in cells))
    console = Console(color_system=None, width=None if sys.stdout.isatty() else 200)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip()


def prepared(options: argparse.Namespace) -> Runner:
    """Return what runs a trial: the data is found here, once, so that what is wrong with it is said at once."""
    from mnistlab.data import load_dataset

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
    versions = ", ".join(f"{name} {version}" for name, version in fingerprint.versions().items())
    return {"mode": mode, "data": data, "seed": str(runner.settings["seed"]), "versions": versions}


def key_of(runner: Runner) -> str:
    """Return a hash of all that a trial's result depends on."""
    facts = [fingerprint.versions(), runner.settings, runner.dataset.sha256, runner.further]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


class Log:
    """The trials so far: in a file, which a later campaign of the same kind goes on with, and line by line here.

    Attributes
    ----------
    trials : dict
        Name -> Trial.
    """

    def __init__(self, path: Path, key: str) -> None:
        self._path, self._key = path, key
        self.trials = dict(_read(path, key))

    def add(self, trial: Trial) -> None:
        """Take a finished trial in, and write it down at once."""
        self.trials[trial.name] = trial
        cut_off = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" * cut_off + json.dumps({"key": self._key, **asdict(trial)}, ensure_ascii=False) + "\n")


def _read(path: Path, key: str) -> Iterator[tuple[str, Trial]]:
    """Yield the trials of a file that are of this kind; pass over a line that was cut off."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if row.pop("key") == key:
                yield row["name"], Trial(**row)
        except (ValueError, KeyError, TypeError, AttributeError):
            print(f"{path}: line {number} is damaged; its trial is run again", file=sys.stderr)


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
        print(f"{line_of(by_work[work], trial)}  [{left} left, {_minutes(seconds)}]", flush=True)


def line_of(entry: Entry, trial: Trial) -> str:
    """Say in one line what became of an entry."""
    what = f"caught by {trial.first}" if trial.status == "caught" else trial.status
    wrong = trial.status != ("caught" if entry.is_fault else "passed")
    message = f": {trial.message}" if wrong and trial.message else ""
    return f"{'!' if wrong else ' '} {entry.name:32} {trial.seconds:6.1f} s  {what}{message}"


def _minutes(seconds: float) -> str:
    return f"about {seconds / 60:.0f} min" if seconds > 90 else f"about {seconds:.0f} s"
