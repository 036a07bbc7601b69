"""A failed run is compared with the symptoms of known faults; here mostly with made-up ones."""

import dataclasses

import numpy as np
import pytest
from scipy.spatial.distance import cosine

from mnistlab.environment import suite_folder
from mnistlab.plugin import Symptoms, check_name, diagnosis, load_symptoms, rank
from mnistlab.requirement import Requirement

CLAIM = Requirement("a claim", "fit", 1, "at least")


def known(**faults):
    """Return faults, given the letters of the checks that failed and, after a /, not judged."""
    parts = {name: letters.partition("/") for name, letters in faults.items()}
    return [
        Symptoms(name, "training", f"The story of {name}.", set(failed), set(not_judged))
        for name, (failed, _, not_judged) in parts.items()
    ]


def likeness(failed, judged, faults):
    return {fault.fault: score for score, fault in rank(set(failed), set(judged), faults)}


@pytest.fixture
def diagnose(monkeypatch):
    """Return the diagnosis of a run, given the status of each check, by these faults."""
    lone = {f"lone-{check}": check for check in "hijkl"}
    faults = known(shifted="abcd", mirrored="ab", slow="efg/a", **lone)
    monkeypatch.setattr(diagnosis, "load_symptoms", lambda dataset: faults)
    verdict = {"failed": CLAIM.judge(0), "passed": CLAIM.judge(1), "not run": CLAIM.not_run("no")}
    verdict["undecided"] = dataclasses.replace(verdict["failed"], status="undecided")
    verdict["not asked"] = CLAIM.not_required("no")

    def diagnosed(group="fit", **statuses):
        names = {check: statuses.get(check, "passed") for check in "abcdefghijkl"}
        run = [
            dataclasses.replace(verdict[status], test=check, group=group)
            for check, status in names.items()
        ]
        monkeypatch.setattr(diagnosis, "check_name", str)
        return diagnosis.diagnose(run, "mnist")

    return diagnosed


def test_a_run_with_the_symptoms_of_a_fault_is_fully_like_it_and_it_comes_first():
    found = likeness("abc", "abcde", known(other="de", same="abc", near="abd"))
    assert list(found) == ["same", "near", "other"]
    assert found["same"] == pytest.approx(1)
    assert 0 < found["near"] < 1
    assert found["other"] == 0


def test_the_likeness_is_scipys_weighted_cosine():
    faults = known(one="ab", two="bc", three="d")
    # b fails in two of three faults; a and c fail together with b only in a half of those.
    counts, together = np.array([1, 2, 1, 1]), np.array([1.5, 2, 1.5, 1])
    weights = np.log(4 / (counts + 0.5)) ** 2 / together
    run, one = [1, 1, 1, 0], [1, 1, 0, 0]
    assert likeness("abc", "abcd", faults)["one"] == pytest.approx(1 - cosine(run, one, weights))


def test_a_check_that_many_faults_fail_says_less_than_a_rare_one():
    faults = known(rare="ax", common="bx", third="bc", fourth="bd")
    found = likeness("ab", "abcdx", faults)
    assert found["rare"] > found["common"]


def test_ten_checks_that_always_fail_together_say_no_more_than_one():
    few, many = (known(bundle=bundle, single="x") for bundle in ("b", "bcdefghijk"))
    assert likeness("bx", "bx", few)["single"] == pytest.approx(
        likeness("bcdefghijkx", "bcdefghijkx", many)["single"]
    )


def test_a_check_that_the_run_did_not_judge_counts_on_neither_side():
    faults = known(deep="abcd", other="ae")
    assert likeness("a", "a", faults) == pytest.approx({"deep": 1, "other": 1})
    assert likeness("a", "abcde", faults)["deep"] < 1


def test_a_check_that_no_known_fault_fails_does_not_count():
    faults = known(one="ab", two="cd")
    assert likeness("abz", "abcdz", faults) == likeness("ab", "abcd", faults)
    assert rank({"z"}, set("abcdz"), faults) == []


def test_the_diagnosis_names_the_story_and_what_tells_the_fault_from_the_next(diagnose):
    first, second = diagnose(a="failed", b="undecided", c="failed", d="failed")
    assert first == {
        "fault": "shifted",
        "likeness": 1.0,
        "story": "The story of shifted.",
        "tells_apart": ["c fails", "d fails"],
    }
    assert (second["fault"], second["tells_apart"]) == ("mirrored", ["c passes", "d passes"])


def test_what_tells_faults_apart_was_judged_or_at_least_asked(diagnose):
    first, second = diagnose(a="failed", b="failed", c="not run", d="not asked")
    assert first["likeness"] == second["likeness"] == 1
    assert first["tells_apart"] == ["c fails"]
    judged_first = diagnose(a="failed", b="failed", c="not run", d="failed")[0]
    assert judged_first["tells_apart"] == ["d fails", "c fails"]


def test_what_a_fault_stopped_from_being_judged_does_not_tell_it_apart(diagnose):
    first = diagnose(e="failed", f="failed", g="failed")[0]
    assert first["fault"] == "slow"
    assert first["tells_apart"] == ["b passes", "c passes"]


@pytest.mark.parametrize(
    "run",
    [
        pytest.param({}, id="nothing failed"),
        pytest.param(dict.fromkeys("hijkl", "failed"), id="unlike all"),
        pytest.param({"a": "failed", "group": "run"}, id="interrupted"),
    ],
)
def test_nothing_is_said_without_a_fault_that_is_alike(diagnose, run):
    assert diagnose(**run) == []


def test_the_shipped_dictionary_is_small_and_names_checks_of_the_suite():
    assert diagnosis.SYMPTOMS.stat().st_size < 60_000
    suite = {path.stem: path.read_text("utf-8") for path in suite_folder().glob("test_*.py")}
    checks = {check for fault in load_symptoms("mnist") for check in fault.failed}
    split = [(check, *check.partition("[")[0].partition("::")[::2]) for check in checks]
    assert not [
        check for check, module, test in split if f"def {test}(" not in suite[f"test_{module}"]
    ]
    assert check_name("tests/quality/test_fit.py::test_x") not in checks


def test_a_run_on_other_data_is_compared_with_the_first_dataset_of_the_dictionary(tmp_path):
    path = tmp_path / "symptoms.json"
    path.write_text(
        '{"checks": ["a", "b"], "faults": {"x": ["fit", "A story."]},'
        ' "matrices": {"mnist": {"x": [[0], [1]]}, "digits": {"x": [[1], []]}}}'
    )
    assert load_symptoms("digits", path) == [Symptoms("x", "fit", "A story.", {"b"}, set())]
    assert load_symptoms("letters", path) == [Symptoms("x", "fit", "A story.", {"a"}, {"b"})]
