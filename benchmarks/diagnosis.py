"""The worth of the diagnosis: leave each fault out and ask whether its relatives are of its kind.

    python benchmarks/diagnosis.py [DATASET [FILE]]

Two faults are of a kind if the same part of the pipeline is defective, or if they have the same
cause: the check that names it in the catalogue. Faults without a relative are not asked for. The
lower half hides the check that names the cause, as if the suite did not have it.
"""

import math
import random
import sys
from pathlib import Path

from mnistlab.faults import FAULTS
from mnistlab.plugin import Symptoms, load_symptoms, rank
from mnistlab.plugin.diagnosis import LEAST, SYMPTOMS
from mnistlab.stats import wilson


def relatives(fault: Symptoms, known: list[Symptoms], hidden: str) -> list[tuple[float, Symptoms]]:
    """Return the other faults by likeness; `hidden` is a test that the run does not judge."""
    checks = frozenset[str]().union(*(each.failed for each in known)) - fault.not_judged
    judged = {check for check in checks if check.partition("::")[2].partition("[")[0] != hidden}
    return rank(fault.failed & judged, judged, [each for each in known if each is not fault])


def report(known: list[Symptoms], kinds: dict[str, str], label: str, hide: bool) -> None:
    """Print how often the nearest fault, and one of the nearest three, is of the fault's kind."""
    counts = {kind: list(kinds.values()).count(kind) for kind in kinds.values()}
    asked = [fault for fault in known if counts[kinds[fault.fault]] > 1]
    found = {}
    for fault in asked:
        hidden = FAULTS[fault.fault].expected.partition("[")[0] if hide else ""
        best = relatives(fault, known, hidden)[:3]
        likeness = best[0][0] if best else 0.0
        found[fault.fault] = likeness, [kinds[it.fault] == kinds[fault.fault] for _, it in best]
    for top in (1, 3):
        rate = wilson(sum(any(same[:top]) for _, same in found.values()), len(asked))
        others = len(known) - 1
        misses = [math.comb(others - counts[kinds[fault.fault]] + 1, top) for fault in asked]
        chance = 1 - sum(misses) / len(asked) / math.comb(others, top)
        text = f"{rate.estimate:.0%} ({rate.low:.0%} to {rate.high:.0%}) of {len(asked)}"
        print(f"same {label}, top {top}: {text}; by chance {chance:.0%}")
    said = [same[0] for likeness, same in found.values() if likeness >= LEAST]
    print(f"same {label}, of the {len(said)} with a likeness of at least {LEAST}: {sum(said)}")


if __name__ == "__main__":
    dataset, file = (*sys.argv[1:], *("mnist", SYMPTOMS)[len(sys.argv) - 1 :])
    faults = load_symptoms(dataset, Path(file))
    random.Random(0).shuffle(faults)  # `rank` leaves equally likely faults in the given order
    parts = {fault.fault: fault.kind for fault in faults}
    causes = {fault.fault: FAULTS[fault.fault].expected for fault in faults}
    for hide in (False, True):
        print("Without the check that names the cause:" if hide else f"{len(faults)} faults:")
        report(faults, parts, "part", hide)
        report(faults, causes, "cause", hide)
