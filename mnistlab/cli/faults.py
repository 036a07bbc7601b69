"""``mnistlab faults``: run the suite on faulty pipelines and healthy controls, write the report."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mnistlab import faults
from mnistlab.cli.shared import load_data, require_writable
from mnistlab.execution import Backend, open_pool
from mnistlab.report import table

LOG_FILE = "trials.jsonl"


def run(options: argparse.Namespace) -> int:
    """Run the campaign, or list what it would try; 0 if every fault and control ended rightly."""
    entries = faults.select_entries(
        faults.CATALOGUE, [*options.only, *(faults.SAMPLE if options.sample else ())]
    )
    if options.list:
        print(as_table(entries))
        return 0
    backend = Backend(options.scheduler, options.processes, options.timeout)
    folder = Path(options.out)
    require_writable("--out", folder, faults.REPORT_FILES)
    if options.docs:
        require_writable("--docs", options.docs, faults.DOCS_FILES)
    if options.symptoms and not options.full:
        options.refuse("--symptoms needs every check of each fault: add --full")
    runner = make_runner(options)
    path = folder / LOG_FILE
    log = faults.CampaignLog(path, runner.key)
    left = [entry for entry in entries if entry.name not in log.trials]
    if len(left) < len(entries):
        print(f"{len(entries) - len(left)} of {len(entries)} trials are in {path} already")
    try:
        with open_pool(backend) as pool:
            faults.run_trials(pool, runner, left, log)
    except KeyboardInterrupt:
        message = f"interrupted; finished trials are in {path}: run the same command to go on"
        print(f"\nmnistlab: {message}", file=sys.stderr)
    summary = faults.Summary(entries, log.trials)
    print("\n".join(summary.sentences()))
    facts = {**runner.facts(), "time": log.describe_time(backend)}
    if options.symptoms:
        faults.write_symptoms(summary, runner.dataset.name, options.symptoms)
    print(f"Page: {faults.write_report(summary, facts, folder, options.docs)}")
    return 0 if summary.ok else 1


def as_table(entries: Sequence[faults.Entry]) -> str:
    """Return entries as a table for the terminal, and the operators that do not apply."""
    headings = ("name", "how it happens", "source", "expected to be caught by")
    rows = [
        (each.name, each.description, each.source, each.expected or "nothing: a healthy control")
        for each in entries
    ]
    lines = [
        f"Operator {operator} of DeepCrime does not apply: it {reason}"
        for operator, reason in faults.NOT_APPLICABLE.items()
    ]
    return "\n".join([table(headings, rows, None if sys.stdout.isatty() else 200), *lines])


def make_runner(options: argparse.Namespace) -> faults.TrialRunner:
    """Return the runner of trials. Load the data here, so that a problem shows before any trial."""
    dataset = load_data(options)
    settings = {"dataset": dataset.name, "seed": options.seed}
    return faults.TrialRunner(settings, dataset, () if options.full else ("-x",))
