"""Count how many defects that nobody tuned for are caught and named.

    python benchmarks/strangers.py --part first > benchmarks/strangers-first.md

Each stranger is judged by the whole suite, in a worker process. The cause counts as named if the
stranger's pattern, written before any run, is found in what a reader sees first: the message of the
first failing check, of one of the first three, or the diagnosis. Healthy strangers must not fail.
"""

import argparse
import dataclasses
import faulthandler
import functools
import importlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

PARTS = {"first": "strangers_first", "second": "strangers_second", "healthy": "strangers_healthy"}
LIMIT_SECONDS = 1200
TASKS_PER_PROCESS = 4  # Keras's models stay in a process's memory
SHOWN = 150  # characters of a message in the table


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What the suite said of one subject."""

    verdict: str  # "PASSED", "FAILED", "NOT RUN", or "ERROR": the suite gave none
    messages: tuple[str, ...]  # of the failing checks, one each, in the order of the page
    checks: tuple[str, ...]  # their tests, in the same order
    diagnosis: str = ""

    def named_by(self, cause: str) -> str:
        """Tell where the cause is named: "first", "top three", "diagnosis" or "-"."""
        places = (
            ("first", self.messages[:1]),
            ("top three", self.messages[:3]),
            ("diagnosis", [self.diagnosis]),
        )
        found = (
            place
            for place, texts in places
            if any(re.search(cause, text, re.IGNORECASE) for text in texts)
        )
        return next(found, "-") if cause else ""


def judge(task: tuple[str, str, dict[str, Any]]) -> Judgement:
    """Run the suite on a subject, given by reference."""
    from mnistlab import MnistlabError, validate

    faulthandler.dump_traceback_later(LIMIT_SECONDS, exit=True)
    reference, dataset, options = task
    with tempfile.TemporaryDirectory() as report:
        try:
            result = validate(reference, dataset, report=report, **options)
        except MnistlabError as error:
            return Judgement("ERROR", (str(error),), ("the run",))
    first: dict[str, str] = {}  # test -> its first message
    for row in result.failed:
        text = row.message if row.message.startswith(row.name) else f"{row.name}: {row.message}"
        first.setdefault(row.test.rpartition("/")[2], text)
    if result.verdict == "NOT RUN" and not first:
        rows = (row for row in result.requirements if row.status == "not run" and row.asked)
        first = {row.test.rpartition("/")[2]: row.message for row in rows}
    diagnosis = json.dumps(result.summary.get("diagnosis", ""))
    return Judgement(result.verdict, tuple(first.values()), tuple(first), diagnosis)


def judge_all(tasks: Iterable[tuple[str, str, dict[str, Any]]]) -> Iterator[Judgement]:
    """Judge subjects one after another in a worker process; a dead one is replaced."""
    context = multiprocessing.get_context("spawn")
    make = functools.partial(ProcessPoolExecutor, 1, context, max_tasks_per_child=TASKS_PER_PROCESS)
    executor = make()
    for task in tasks:
        try:
            yield executor.submit(judge, task).result()
        except BrokenProcessPool as error:
            yield Judgement("ERROR", (str(error),), ("the run",))
            executor = make()
    executor.shutdown()


def table_of(module: str, entry: str) -> dict[str, Any]:
    """Return the classes of a module that are entered in its table, by name."""
    members = vars(importlib.import_module(module)).items()
    return {name: member for name, member in members if entry in getattr(member, "__dict__", ())}


def accept(references: Iterable[str], dataset: str, folder: str, seeds: int) -> dict[str, str]:
    """Accept a state of each subject; return what went wrong, by reference."""
    trouble = {}
    for reference in references:
        command = [sys.executable, "-c", "from mnistlab.cli import main; main()", "baseline"]
        command += ["accept", f"--pipeline={reference}", f"--dataset={dataset}"]
        command += [f"--seeds={seeds}", f"--figures={seeds}", f"--baselines={folder}"]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            lines = (run.stderr + run.stdout).strip().splitlines() or ["no output"]
            trouble[reference] = lines[-1]
    return trouble


def cell(text: str) -> str:
    """Make a text fit a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "/")[:SHOWN]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that a count of strangers and one of public programs share."""
    parser.add_argument("names", nargs="*", help="only these classes")
    parser.add_argument("--dataset", choices=("digits", "mnist"), default="digits")
    parser.add_argument("--list", action="store_true", help="print the table without judging")
    help_text = "accept a state on so many seeds first, where a program is not the published recipe"
    parser.add_argument("--accept", type=int, metavar="SEEDS", help=help_text)


def count(rows: list[tuple[Any, Judgement]], kind: str) -> str:
    """Say how many were caught, and how many were named."""
    caught = [(entry, result) for entry, result in rows if result.verdict in ("FAILED", "ERROR")]
    places = [result.named_by(entry.cause) for entry, result in caught]
    named = sum(place != "-" for place in places)
    first = places.count("first")
    return (
        f"{kind}: {len(caught)} of {len(rows)} caught, {named} of {len(rows)} named "
        f"({first} by the first message, {places.count('top three')} by the second or third, "
        f"{places.count('diagnosis')} by the diagnosis)"
    )


def print_table(columns: Iterable[str]) -> None:
    """Print the head of a Markdown table."""
    names = list(columns)
    print(f"| {' | '.join(names)} |\n{'|---' * len(names)}|")


def main() -> None:
    """Judge a part of the table and print it with its counts, as Markdown."""
    parser = argparse.ArgumentParser(description="Count the strangers that the suite catches.")
    add_options(parser)
    parser.add_argument("--part", choices=PARTS, default="first")
    options = parser.parse_args()
    os.environ |= {"STRANGERS_DATASET": options.dataset, "OPENBLAS_NUM_THREADS": "1"}
    is_healthy, here = options.part == "healthy", Path(__file__).parent
    table = table_of(PARTS[options.part], "stranger")
    chosen = {name: table[name] for name in options.names or table}
    references = {name: f"{here / PARTS[options.part]}.py:{name}" for name in chosen}
    has_own_state = {name for name in chosen if options.accept and table[name].name != "seed"}
    twins = {references[name] for name in has_own_state} if is_healthy else set()
    if has_own_state and not is_healthy:  # of the bare program, broken or not
        twins = {f"{here / PARTS['healthy']}.py:BareHealthy"}
    print_table(("stranger", "area", "seen", "verdict", "named by", "failing", "first message"))
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        trouble = accept(twins, options.dataset, folder, options.accept)
        own: dict[str, Any] = {"baselines": folder, "strict": is_healthy}
        tasks = (
            (references[name], options.dataset, own if name in has_own_state else {})
            for name in chosen
        )
        results = iter(()) if options.list else judge_all(tasks)
        for name, subject in chosen.items():
            entry = subject.stranger
            result = next(results, Judgement("", (), ()))
            rows.append((entry, result))
            messages = trouble.get(references[name]), *result.messages, subject.__doc__
            place, failing = result.named_by(entry.cause), str(len(result.checks))
            cells = name, entry.area, entry.seen, result.verdict, place, failing
            print(f"| {' | '.join(cells)} | {cell(next(filter(None, messages)))} |", flush=True)
    print()
    if is_healthy:
        print(f"{sum(r.verdict == 'FAILED' for _, r in rows)} of {len(rows)} healthy ones failed")
        return
    for kind, is_bare in (("Published recipe", False), ("Promising nothing of layers", True)):
        part = [(entry, result) for entry, result in rows if (entry.area == "bare") == is_bare]
        print(f"{count(part, kind)}  ")


if __name__ == "__main__":
    main()
