"""Causes first: what a test provides, what it depends on, and what is not judged in consequence."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import pytest

from mnistlab.spelling import did_you_mean

CAUSES = (
    "images", "labels", "deterministic", "training data", "gradients", "last epoch", "predict",
)  # fmt: skip
"""Names that the suite's own tests provide: what preparation, fit and predict must give."""
OWN_CAUSES = "mnistlab_causes"
"""The pytest setting that lists further names, for runs of a part of a suite."""
MARKERS = (
    "provides(name): mnistlab: a failure of this test is a cause; what depends on the name is then "
    "not judged",
    "depends_on(*names): mnistlab: run after all tests that provide these names, and do not judge "
    f"if one failed; names: {', '.join(CAUSES)}, and those that other tests provide",
)


class Marks(NamedTuple):
    """The names on a test's markers. A test does not depend on what it provides itself."""

    provides: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()


def marks_of(item: pytest.Item) -> Marks:
    """Return the names on a test's markers."""
    provides, depends_on = (
        tuple(dict.fromkeys(name for mark in item.iter_markers(kind) for name in mark.args))
        for kind in Marks._fields
    )
    return Marks(provides, tuple(name for name in depends_on if name not in provides))


def failure(name: str, test: str) -> str:
    """Return why a test is not judged: it depends on a name whose test failed."""
    return f"depends on {name}, which failed: {test}"


def causes_first(items: Iterable[pytest.Item], own: Iterable[str]) -> list[pytest.Item]:
    """Move each test after those that provide what it depends on; keep the order otherwise."""
    marks = {item: marks_of(item) for item in items}
    providers: dict[str, list[pytest.Item]] = {name: [] for name in (*CAUSES, *own)}
    for item, names in marks.items():
        for name in names.provides:
            providers.setdefault(name, []).append(item)
    placed: dict[pytest.Item, None] = {}
    waiting: set[pytest.Item] = set()

    def place(item: pytest.Item) -> None:
        if item in waiting:  # placed already, or part of a circle
            return
        waiting.add(item)
        for name in marks[item].depends_on:
            if name not in providers:
                what = f"{item.nodeid} depends on {name!r}, which no test provides"
                known = f"known: {', '.join(providers)}"
                raise pytest.UsageError(f"{what}; {known}{did_you_mean(name, providers)}")
            for provider in providers[name]:
                place(provider)
        placed[item] = None

    for item in marks:
        place(item)
    return list(placed)


def not_judged(marks: Mapping[str, Marks], failed: Mapping[str, str]) -> dict[str, str]:
    """Return the tests that depend on a failed one, each with the reason."""
    reasons: dict[str, str] = {}  # name -> why what depends on it is not judged
    stopped: dict[str, str] = {}
    causes: set[str] = set()  # failed tests that are the reason for others stay failed
    known = -1
    while known < len(reasons):  # pytest-xdist's tests come in any order
        known = len(reasons)
        for test, (provides, depends_on) in marks.items():
            reason = next((reasons[name] for name in depends_on if name in reasons), "")
            if reason and test not in causes:
                stopped[test] = reason
            elif test in failed and provides:
                causes.add(test)
                reason = ""
            for name in provides if test in stopped or test in causes else ():
                reasons.setdefault(name, reason or failure(name, failed[test]))
    return stopped
