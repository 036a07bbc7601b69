"""The gates' fixtures choose the gate that fits, and what they find reaches the record."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab import gating
from mnistlab.judge import Judge
from mnistlab.margins import Margin
from mnistlab.reading import Reading
from mnistlab.record import Record

MARGIN = Margin("averaged", "accuracy", 0.001, 0.0075, "a test")


def reading(status):
    return Reading(MARGIN, 0.978, 0.979, 0.001, 0.0002, 0.0018, status, 32)


def judged(*statuses):
    recorded = []
    judge = Judge(lambda key, value: recorded.append((key, value)), None)
    try:
        judge.all(reading(status).verdict() for status in statuses)
    except pytest.fail.Exception as failure:
        return recorded, str(failure)
    return recorded, ""


def test_all_verdicts_are_recorded_whatever_they_are():
    recorded, _ = judged("passed", "undecided", "failed")
    assert [json.loads(value)["status"] for _, value in recorded] == ["passed", "undecided", "failed"]


@pytest.mark.parametrize("status", ["failed", "undecided"])
def test_a_gate_that_did_not_pass_fails_its_test_with_the_sentence(status):
    _, message = judged("passed", status)
    assert message.endswith(f"margin 0.10: {status} after 32 seeds")
    assert "accuracy (averaged weights) 0.10 points lower" in message
    assert message.count("\n") == 0


def test_a_gate_that_passed_fails_nothing():
    assert judged("passed", "passed")[1] == ""


def summary_of(recorded, failure=""):
    """Hand what a test recorded to a record, as pytest does, and return what it makes of it."""
    record = Record()
    properties = [("mnistlab.group", '"regression"'), *recorded]
    for when in ("setup", "call", "teardown"):
        failed = bool(failure) and when == "call"
        report = SimpleNamespace(
            nodeid="tests/quality/test_regression.py::test_recipe",
            when=when,
            skipped=False,
            failed=failed,
            longrepr=failure,
            user_properties=properties if when != "setup" else properties[:1],
        )
        record.pytest_runtest_logreport(report)
    return record.summary()


def test_an_undecided_metric_stays_undecided_in_the_record():
    summary = summary_of(*judged("undecided"))
    assert [row["status"] for row in summary["requirements"]] == ["undecided"]
    assert summary["verdict"] == "FAILED"


def test_what_the_gate_found_is_in_the_summary():
    recorded = []
    Judge(lambda key, value: recorded.append((key, value)), None).gate("recipe", {"decision": "PASSED"})
    assert summary_of(recorded)["gate"] == {"recipe": {"decision": "PASSED"}}


@pytest.mark.parametrize(("model", "kept"), [(None, ["recipe", "other"]), ("x.keras", ["file", "other"])])
def test_only_the_gate_that_fits_the_subject_runs(model, kept):
    items = [
        SimpleNamespace(name="recipe", fixturenames=["judge", "recipe_gate"]),
        SimpleNamespace(name="file", fixturenames=["judge", "file_comparison"]),
        SimpleNamespace(name="other"),
    ]
    gating.pytest_collection_modifyitems(SimpleNamespace(option=SimpleNamespace(model=model)), items)
    assert [item.name for item in items] == kept


def test_a_run_without_an_estimate_has_no_place_on_the_curve():
    assert gating.drop_of(SimpleNamespace(readings=[reading("failed")])) == 0.001
    nothing = Reading(MARGIN, 0.1, 0.979, np.inf, -np.inf, np.inf, "failed", 8)
    assert np.isnan(gating.drop_of(SimpleNamespace(readings=[nothing])))
