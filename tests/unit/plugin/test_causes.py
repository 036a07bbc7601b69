"""A failed cause stops what depends on it, never itself, and whatever order the tests ended in."""

from types import SimpleNamespace

import pytest

from mnistlab.plugin.causes import CAUSES, Marks, causes_first, marks_of, not_judged
from mnistlab.plugin.collector import VerdictCollector


class Item:
    """A test with markers, in the form in which pytest gives them."""

    def __init__(self, nodeid, **marks):
        self.nodeid, self._marks = nodeid, marks

    def iter_markers(self, kind):
        """Yield the markers of one kind."""
        return [SimpleNamespace(args=(name,)) for name in self._marks.get(kind, ())]


def order(*items, own=()):
    return [item.nodeid for item in causes_first(items, own)]


A = Item("a", depends_on=["x"])
B = Item("b")
X = Item("x", provides=["x"])


def test_a_provider_runs_before_what_depends_on_it_and_the_rest_keeps_its_order():
    assert order(B, A, Item("c"), X, Item("d")) == ["b", "x", "a", "c", "d"]


def test_a_provider_that_depends_on_another_runs_after_it():
    middle = Item("m", provides=["y"], depends_on=["x"])
    assert order(Item("z", depends_on=["y"]), middle, X) == ["x", "m", "z"]


def test_tests_in_a_circle_run_once_each():
    ring = [
        Item("p", provides=["p"], depends_on=["q"]),
        Item("q", provides=["q"], depends_on=["p"]),
    ]
    assert sorted(order(*ring)) == ["p", "q"]


def test_an_unknown_name_is_refused_with_the_known_ones_and_the_nearest():
    wrong = Item("test_fit.py::test_a", depends_on=["imges"])
    known = f"known: {', '.join(CAUSES)}, x; did you mean images"
    with pytest.raises(pytest.UsageError, match=f"test_a depends on 'imges', .*; {known}"):
        order(wrong, X)


def test_names_of_the_suite_and_of_the_settings_need_no_provider_in_the_run():
    assert order(Item("a", depends_on=["labels"]), Item("b", depends_on=["mine"]), own=["mine"])


def test_a_test_does_not_depend_on_what_it_provides_itself():
    item = Item("a", provides=["x"], depends_on=["x", "y", "y"])
    assert marks_of(item) == Marks(("x",), ("y",))


@pytest.mark.parametrize("names", [["x", "a"], ["a", "x"]])
def test_what_depends_on_a_failed_test_is_not_judged_in_any_order(names):
    marks = {"x": Marks(("scale",)), "a": Marks((), ("scale",)), "b": Marks()}
    marks = {name: marks[name] for name in [*names, "b"]}
    failed = {"x": "pixels are scaled", "a": "it is robust", "b": "it is fast"}
    assert not_judged(marks, failed) == {"a": "depends on scale, which failed: pixels are scaled"}


def test_what_depends_on_a_test_that_was_not_judged_names_the_test_that_failed():
    marks = {"x": Marks(("x",)), "y": Marks(("y",), ("x",)), "z": Marks((), ("y",))}
    reason = "depends on x, which failed: the cause"
    assert not_judged(marks, {"x": "the cause"}) == {"y": reason, "z": reason}


def test_without_a_failed_provider_all_is_judged():
    marks = {"x": Marks(("scale",)), "a": Marks((), ("scale",))}
    assert not_judged(marks, {"a": "it is robust"}) == {}


def test_no_circle_hides_the_only_failure():
    marks = {"p": Marks(("p",), ("q",)), "q": Marks(("q",), ("p",))}
    assert list(not_judged(marks, {"p": "one"})) == ["q"]
    assert len(not_judged(marks, {"p": "one", "q": "two"})) == 1


def test_under_xdist_a_test_that_ran_without_knowing_the_cause_is_not_judged_after_all():
    collector = VerdictCollector()
    for test, *marks in [("test_contrast", [], ["images"]), ("test_scaling", ["images"], [])]:
        measured = {"group": "g", "marks": marks, "pictures": []}
        shared = {"nodeid": f"a.py::{test}", "skipped": False, "longrepr": "bad"}
        for when in ("setup", "call", "teardown"):
            report = SimpleNamespace(**shared, when=when, failed=when == "call", mnistlab=measured)
            collector.pytest_runtest_logreport(report)
    assert [(row["name"], row["status"]) for row in collector.summary()["requirements"]] == [
        ("contrast", "not run"),
        ("scaling", "failed"),
    ]
    assert collector.unjudgeable() == (), "a healthy model may well be judged by it"
