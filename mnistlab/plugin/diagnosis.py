"""Which known faults a failed run looks like, judged by the checks that failed.

`mnistlab faults --full --symptoms FILE` makes the dictionary of symptoms that this module reads.
"""

import json
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.arrays import Array
from mnistlab.plugin.suite import check_name
from mnistlab.requirement import Verdict

SYMPTOMS = Path(__file__).with_name("symptoms.json")
NAMED, TOLD_APART_BY = 3, 2
LEAST = 0.5
"""Likeness below which nothing is said."""
SEVERITY = ("passed", "not run", "undecided", "failed")


@dataclass(frozen=True)
class Symptoms:
    """What the suite found of one fault: the checks that failed, and those that were not judged."""

    fault: str
    kind: str  # the part of the pipeline that has the defect
    story: str
    failed: Set[str]
    not_judged: Set[str]


def load_symptoms(dataset: str, path: Path = SYMPTOMS) -> list[Symptoms]:
    """Return the known faults as they showed on a dataset, else on the first one in the file."""
    content = json.loads(path.read_text(encoding="utf-8"))
    matrices, faults = content["matrices"], content["faults"]
    names = np.array(content["checks"], object)
    return [
        Symptoms(fault, *faults[fault], *(frozenset(names[indices]) for indices in row))
        for fault, row in (matrices.get(dataset) or next(iter(matrices.values()))).items()
    ]


def statuses(verdicts: Iterable[Verdict]) -> dict[str, str]:
    """Return the most severe status of each check, in the order of the run."""
    found: dict[str, str] = {}
    for verdict in verdicts:
        if check := check_name(verdict.test):
            found[check] = max(found.get(check, "passed"), verdict.status, key=SEVERITY.index)
    return found


def rank(
    failed: Set[str], judged: Set[str], known: Sequence[Symptoms]
) -> list[tuple[float, Symptoms]]:
    """Return the known faults with their likeness to a run, from 0 to 1, the most alike first.

    The likeness is the cosine of the failed checks. The weight of a check is the square of its
    inverse document frequency (Sparck Jones 1972, J. Doc. 28:11), since a check that every fault
    fails says little, divided by the number of checks that fail together with it, since ten checks
    that always fail together say one thing. A check that the run did not judge, or that no known
    fault fails, does not count.
    """
    checks = sorted(frozenset[str]().union(*(fault.failed for fault in known)) & judged)
    if not failed & set(checks):
        return []
    matrix: Array = np.array([[check in it.failed for check in checks] for it in known], float)
    counts = matrix.sum(axis=0)
    together = (matrix.T @ matrix) ** 2 / np.outer(counts, counts)
    weights = np.log((len(known) + 1) / (counts + 0.5)) ** 2 / together.sum(axis=0)
    run = np.array([check in failed for check in checks], float)
    lengths = np.sqrt((weights @ run) * np.maximum(matrix @ weights, 1e-9))
    likeness = (matrix @ (weights * run) / lengths).round(6)
    order = np.argsort(-likeness, kind="stable")
    return [(float(likeness[index]), known[index]) for index in order]


def diagnose(verdicts: Sequence[Verdict], dataset: str) -> list[dict[str, Any]]:
    """Return the known faults that a run looks like, for ``verdict.json``, the most alike first."""
    found = statuses(verdicts)
    failed = {check for check, status in found.items() if status in ("failed", "undecided")}
    if not failed or any(verdict.group == "run" for verdict in verdicts):
        return []
    judged = {check for check, status in found.items() if status != "not run"}
    not_asked = {check_name(verdict.test) for verdict in verdicts if not verdict.asked}
    # What another run could judge comes last.
    available = sorted(
        (it for it in found if it not in not_asked), key=lambda check: found[check] == "not run"
    )
    ranked = rank(failed, judged, load_symptoms(dataset))
    rows = []
    for likeness, fault in ranked[:NAMED]:
        if likeness >= LEAST:
            other = next(each for _, each in ranked if each is not fault)  # the likeliest other one
            apart = (fault.failed ^ other.failed) - fault.not_judged - other.not_judged
            first = [check for check in available if check in apart][:TOLD_APART_BY]
            facts = [f"{it} {'fails' if it in fault.failed else 'passes'}" for it in first]
            row = {"fault": fault.fault, "likeness": round(likeness, 2), "story": fault.story}
            rows.append({**row, "tells_apart": facts})
    return rows
