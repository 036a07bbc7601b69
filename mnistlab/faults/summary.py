"""What a campaign came to: which fault was caught by which check, which was missed, which control was wronged."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mnistlab.faults.catalogue.registry import Entry
from mnistlab.faults.trial import CAUGHT, Trial

BARE = 0.97
"""What most would assert of MNIST, and nothing else."""
SCHEMA = 1
RAISED = re.compile(r"\b(prepare_images|prepare_labels|build|fit|predict) raised \w+: ")
"""What a message says if a method did, see `mnistlab.loading.checked_pipeline`."""


class Summary:
    """What became of the entries of a campaign, in the order of the catalogue, given the trials so far by name."""

    def __init__(self, entries: Sequence[Entry], trials: Mapping[str, Trial]) -> None:
        rows = [(entry, trials[entry.name]) for entry in entries if entry.name in trials]
        self.missing = [entry for entry in entries if entry.name not in trials]
        self.faults = [row for row in rows if row[0].is_fault]
        self.controls = [row for row in rows if not row[0].is_fault]
        self.rows = self.faults + self.controls
        self.survivors = [
            row for row in self.faults if row[1].status != "caught"
        ]  # no check failed, for any reason
        self.false_positives = [row for row in self.controls if row[1].status != "passed"]
        self.unexpected = [
            row for row in self.faults if row[1].status == "caught" and not is_expected(*row)
        ]
        self.measured = [row for row in self.faults if row[1].accuracy is not None]
        self.bare = [
            row for row in self.measured if not (row[1].accuracy or 0) >= BARE
        ]  # NaN is caught, too
        runs = sorted((trial.checks for _, trial in rows), key=len, reverse=True)
        self.checks = list(
            dict.fromkeys(check for checks in runs for check in checks)
        )  # in the order of the suite
        self.failing = [
            check for check in self.checks if any(is_caught_by(trial, check) for _, trial in rows)
        ]
        self.ok = not (self.missing or self.survivors or self.false_positives)

    def sentences(self) -> list[str]:
        """Say it for people, line by line."""
        faults, controls = len(self.faults), len(self.controls)
        lines = []
        if faults:
            caught = faults - len(self.survivors)
            lines.append(
                f"{caught} of {faults} faults caught, {caught - len(self.unexpected)} by the expected check"
            )
        if controls:
            lines.append(
                f"{controls - len(self.false_positives)} of {controls} healthy controls passed"
            )
        for what, rows in (
            ("not caught", self.survivors),
            ("controls that did not pass", self.false_positives),
        ):
            names = (f"{entry.name} ({trial.status})" for entry, trial in rows)
            lines += [f"{what}: {', '.join(names)}"] if rows else []
        if self.measured:
            lines.append(
                f"a bare accuracy >= {BARE} catches {len(self.bare)} of the {len(self.measured)} faults whose "
                "accuracy was measured"
            )
        if self.missing:
            lines.append(f"not tried yet: {len(self.missing)}")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Return what ``faults.json`` says."""
        rows = []
        for entry, trial in self.rows:
            fits = {"as expected": is_expected(entry, trial)} if entry.is_fault else {}
            rows.append(
                {
                    **asdict(entry),
                    "kind": "fault" if entry.is_fault else "control",
                    **asdict(trial),
                    **fits,
                }
            )
        lists = {
            name: [entry.name for entry, _ in getattr(self, name)]
            for name in ("survivors", "false_positives", "unexpected")
        }
        return {
            "schema": SCHEMA,
            "ok": self.ok,
            "summary": self.sentences(),
            **lists,
            "trials": rows,
        }


def is_expected(entry: Entry, trial: Trial) -> bool:
    """Tell whether the check that failed first, ``module::test[case]``, is the one that names the fault's cause.

    It is not where a method of the pipeline raised: then any check that calls the method fails.
    """
    test = trial.first.rpartition("::")[2]
    return entry.expected in (test, re.sub(r"\[.*", "", test)) and not RAISED.search(trial.message)


def is_caught_by(trial: Trial, check: str) -> bool:
    """Tell whether a check failed."""
    return trial.checks.get(check) in CAUGHT
