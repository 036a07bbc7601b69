"""The result of a campaign: which check caught which fault, and what survived."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mnistlab.faults.catalogue import Entry
from mnistlab.faults.trial import Trial

BARE_ACCURACY = 0.97
"""What many would assert of MNIST, and nothing else."""
RAISED = re.compile(r"\b(prepare_images|prepare_labels|build|fit|predict) raised \w+: ")
"""Part of a check's message if a method of the pipeline raised an error."""


@dataclass(frozen=True)
class Outcome:
    """A fault or control with its trial."""

    entry: Entry
    trial: Trial

    @property
    def ok(self) -> bool:
        """Whether the fault was caught, or the control passed."""
        return self.trial.status == ("caught" if self.entry.is_fault else "passed")

    @property
    def as_expected(self) -> bool:
        """Whether the check that names the fault's cause failed first.

        False if it failed because a method raised: then every check that calls the method fails.
        """
        test = self.trial.caught_by.rpartition("::")[2]
        names = (test, test.partition("[")[0])
        return self.entry.expected in names and not RAISED.search(self.trial.message)

    @property
    def missed_checks(self) -> list[str]:
        """The checks that failed or stayed undecided, in the order of the suite."""
        return [check for check in self.trial.checks if self.trial.missed(check)]

    @property
    def line(self) -> str:
        """The outcome in one line; "!" marks what should have ended otherwise."""
        trial = self.trial
        result = f"caught by {trial.caught_by}" if trial.status == "caught" else trial.status
        message = f": {trial.message}" if trial.message and not self.ok else ""
        mark = " " if self.ok else "!"
        return f"{mark} {self.entry.name:32} {trial.seconds:6.1f} s  {result}{message}"


class Summary:
    """All outcomes of a campaign, given what it was to try, and the trials so far by name."""

    def __init__(self, entries: Sequence[Entry], trials: Mapping[str, Trial]) -> None:
        tried = [Outcome(entry, trials[entry.name]) for entry in entries if entry.name in trials]
        self.missing = [entry for entry in entries if entry.name not in trials]
        self.faults = [outcome for outcome in tried if outcome.entry.is_fault]
        self.controls = [outcome for outcome in tried if not outcome.entry.is_fault]
        self.outcomes = self.faults + self.controls
        self.survivors = [outcome for outcome in self.faults if not outcome.ok]
        self.false_positives = [outcome for outcome in self.controls if not outcome.ok]
        self.unexpected = [it for it in self.faults if it.ok and not it.as_expected]
        # The longest run comes first, so that checks stand in the order of the suite.
        runs = sorted((outcome.trial.checks for outcome in tried), key=len, reverse=True)
        self.checks = list(dict.fromkeys(check for checks in runs for check in checks))
        missed = {check for outcome in tried for check in outcome.missed_checks}
        self.failing = [check for check in self.checks if check in missed]
        self.ok = not (self.missing or self.survivors or self.false_positives)

    def sentences(self) -> list[str]:
        """Return the result as lines of text."""
        lines = []
        faults, controls = len(self.faults), len(self.controls)
        if faults:
            caught = faults - len(self.survivors)
            expected = caught - len(self.unexpected)
            lines.append(f"{caught} of {faults} faults caught, {expected} by the expected check")
        if controls:
            passed = controls - len(self.false_positives)
            lines.append(f"{passed} of {controls} healthy controls passed")
        for title, outcomes in (
            ("faults that were not caught", self.survivors),
            ("healthy controls that did not pass", self.false_positives),
        ):
            names = ", ".join(f"{each.entry.name} ({each.trial.status})" for each in outcomes)
            lines += [f"{title}: {names}"] if outcomes else []
        measured = [it.trial.accuracy for it in self.faults if it.trial.accuracy is not None]
        if measured:
            caught = sum(not accuracy >= BARE_ACCURACY for accuracy in measured)  # also NaN
            claim = f"accuracy >= {BARE_ACCURACY} alone catches {caught} of the {len(measured)}"
            lines.append(f"{claim} faults whose accuracy was measured")
        return lines + [f"trials still to run: {len(self.missing)}"] * bool(self.missing)

    def symptoms(self, dataset: str, earlier: Mapping[str, Any]) -> dict[str, Any]:
        """Return the dictionary of `mnistlab.plugin.diagnosis`, with what an earlier one had."""
        checks = list(dict.fromkeys([*earlier.get("checks", ()), *self.failing]))
        faults, matrices = dict(earlier.get("faults", {})), dict(earlier.get("matrices", {}))
        rows = dict(matrices.get(dataset, {}))
        for entry, trial in ((it.entry, it.trial) for it in self.faults if it.ok):
            faults[entry.name] = [entry.part, entry.description]
            failed = [index for index, check in enumerate(checks) if trial.missed(check)]
            judged = {check for check, status in trial.checks.items() if status != "not run"}
            not_judged = [index for index, check in enumerate(checks) if check not in judged]
            rows[entry.name] = [failed, not_judged]
        return {"checks": checks, "faults": faults, "matrices": {**matrices, dataset: rows}}
