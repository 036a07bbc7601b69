"""What a campaign came to: which fault was caught by which check, which was missed, which twin was wronged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mnistlab.faults.catalogue import Entry
from mnistlab.trial import CAUGHT, Trial

BARE = 0.97
"""What most would assert of MNIST, and nothing else."""
SCHEMA = 1


@dataclass(frozen=True)
class Tally:
    """What became of the entries of a campaign.

    Attributes
    ----------
    entries : tuple of Entry
        All that were wanted, in the order of the catalogue.
    trials : dict
        Name -> Trial, of those that were tried.
    """

    entries: tuple[Entry, ...]
    trials: Mapping[str, Trial]

    @property
    def faults(self) -> list[tuple[Entry, Trial]]:
        """The faults that were tried."""
        return [(entry, self.trials[entry.name]) for entry in self.entries if entry.is_fault and self._tried(entry)]

    @property
    def twins(self) -> list[tuple[Entry, Trial]]:
        """The twins that were tried."""
        return [(entry, self.trials[entry.name]) for entry in self.entries if not entry.is_fault and self._tried(entry)]

    @property
    def missing(self) -> list[Entry]:
        """What was not tried."""
        return [entry for entry in self.entries if not self._tried(entry)]

    @property
    def survivors(self) -> list[tuple[Entry, Trial]]:
        """The faults that no check caught: that passed, or ended otherwise than by a verdict."""
        return [(entry, trial) for entry, trial in self.faults if trial.status != "caught"]

    @property
    def wronged(self) -> list[tuple[Entry, Trial]]:
        """The twins that did not pass."""
        return [(entry, trial) for entry, trial in self.twins if trial.status != "passed"]

    @property
    def unexpected(self) -> list[tuple[Entry, Trial]]:
        """The faults that another check caught first than the one that names the cause."""
        caught = [(entry, trial) for entry, trial in self.faults if trial.status == "caught"]
        return [(entry, trial) for entry, trial in caught if not is_expected(entry, trial.first)]

    @property
    def measured(self) -> list[tuple[Entry, Trial]]:
        """The faults whose test accuracy was measured."""
        return [(entry, trial) for entry, trial in self.faults if trial.accuracy is not None]

    @property
    def bare(self) -> list[tuple[Entry, Trial]]:
        """The faults that a bare bound on accuracy would have caught, of those measured."""
        return [(entry, trial) for entry, trial in self.measured if not (trial.accuracy or 0) >= BARE]

    @property
    def checks(self) -> list[str]:
        """Every check that ran in any trial, in the order of the suite."""
        rows = sorted((list(trial.checks) for trial in self.trials.values()), key=len, reverse=True)
        return list(dict.fromkeys(check for row in rows for check in row))

    @property
    def well(self) -> bool:
        """Whether all were tried, every fault was caught and every twin passed."""
        return not (self.missing or self.survivors or self.wronged)

    def sentences(self) -> list[str]:
        """Say it for people, line by line."""
        faults, twins = len(self.faults), len(self.twins)
        lines = []
        if faults:
            caught = faults - len(self.survivors)
            lines.append(f"{caught} of {faults} faults caught, {caught - len(self.unexpected)} by the expected check")
        if twins:
            lines.append(f"{twins - len(self.wronged)} of {twins} healthy twins passed")
        if self.survivors:
            lines.append(f"not caught: {_names(self.survivors)}")
        if self.wronged:
            lines.append(f"twins that did not pass: {_names(self.wronged)}")
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
        for entry, trial in self.faults + self.twins:
            fits = {"as expected": is_expected(entry, trial.first)} if entry.is_fault else {}
            rows.append({**asdict(entry), "kind": "fault" if entry.is_fault else "twin", **asdict(trial), **fits})
        lists = {
            name: [entry.name for entry, _ in getattr(self, name)] for name in ("survivors", "wronged", "unexpected")
        }
        return {"schema": SCHEMA, "well": self.well, "summary": self.sentences(), **lists, "trials": rows}

    def _tried(self, entry: Entry) -> bool:
        return entry.name in self.trials


def is_expected(entry: Entry, check: str) -> bool:
    """Tell whether a check, ``module::test[case]``, is the one that is expected to catch a fault."""
    test = check.rpartition("::")[2]
    return entry.expected in (test, re.sub(r"\[.*", "", test))


def is_caught_by(trial: Trial, check: str) -> bool:
    """Tell whether a check failed."""
    return trial.checks.get(check) in CAUGHT


def _names(rows: Sequence[tuple[Entry, Trial]]) -> str:
    return ", ".join(entry.name for entry, _ in rows)
