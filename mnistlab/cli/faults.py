"""``mnistlab faults``: run the suite on every fault and healthy control, and write the page."""

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path

from mnistlab import environment
from mnistlab.data import load_dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend, open_pool
from mnistlab.faults import campaign, page
from mnistlab.faults.catalogue import ENTRIES, NOT_APPLICABLE, Entry
from mnistlab.faults.summary import Summary
from mnistlab.faults.trial import Runner
from mnistlab.report import check_writable, table


def run(options: argparse.Namespace) -> int:
    """Run the campaign, or list what it would try; 0 if every fault was caught and every control passed."""
    entries = chosen(
        [*ENTRIES.values()], [*options.only, *(campaign.SAMPLE if options.sample else ())]
    )
    if options.list:
        print(listed(entries))
        return 0
    place = Backend(options.scheduler, options.processes, options.timeout)
    folder = Path(options.out)
    _refuse_unwritable("--out", folder, *page.FILES)
    if options.docs:
        _refuse_unwritable("--docs", options.docs, *page.DOCS)
    runner = prepared(options)
    log = campaign.Log(folder / campaign.TRIALS, campaign.key_of(runner))
    left = [entry for entry in entries if entry.name not in log.trials]
    if len(left) < len(entries):
        print(
            f"{len(entries) - len(left)} of {len(entries)} trials are in {folder / campaign.TRIALS} already"
        )
    try:
        with open_pool(place) as pool:
            campaign.run(pool, runner, left, log)
    except KeyboardInterrupt:
        print(
            "\nmnistlab: interrupted; what is there is kept: the same command goes on",
            file=sys.stderr,
        )
    summary = Summary(entries, log.trials)
    print("\n".join(summary.sentences()))
    print(
        f"Page: {page.write(summary, about(runner) | {'time': campaign.time_of(log, place)}, folder, options.docs)}"
    )
    return 0 if summary.ok else 1


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
            raise MnistlabError(
                f"--only {name}: no such fault or control; near: {near}; see all: mnistlab faults --list"
            )
    return [entry for entry in entries if not names or entry.name in names]


def listed(entries: Sequence[Entry]) -> str:
    """Lay entries out as a table for a terminal; below it, what of DeepCrime is in no entry, and why."""
    headings = ("name", "how it happens", "source", "expected to be caught by")
    rows = (
        (each.name, each.how, each.source, each.expected or "nothing: a healthy control")
        for each in entries
    )
    lines = [
        f"{operator} of DeepCrime is not here, as it {reason}"
        for operator, reason in NOT_APPLICABLE.items()
    ]
    return "\n".join([table(headings, rows, None if sys.stdout.isatty() else 200), *lines])


def prepared(options: argparse.Namespace) -> Runner:
    """Return what runs a trial: the data is found here, once, so that what is wrong with it is said at once."""
    dataset = load_dataset(options.dataset, options.mnist_data)
    if dataset.note:
        print(f"This is not MNIST: {dataset.note}")
    settings = {"dataset": dataset.name, "seed": options.seed}
    return Runner(settings, dataset, () if options.full else ("-x",))


def about(runner: Runner) -> dict[str, str]:
    """Return what a reader of the page must know of the campaign."""
    dataset = runner.dataset
    mode = (
        "each trial was stopped at its first failure"
        if runner.stops
        else "every check ran in every trial"
    )
    data = f"{dataset.name} (SHA-256 {dataset.sha256[:12]}…)"
    versions = ", ".join(f"{name} {version}" for name, version in environment.versions().items())
    return {"mode": mode, "data": data, "seed": str(runner.settings["seed"]), "versions": versions}
