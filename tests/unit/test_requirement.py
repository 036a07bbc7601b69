"""Claims about how a number meets its bound, and with which words."""

import dataclasses
import json
import math

import numpy as np
import pytest

from mnistlab.requirement import Requirement, overall, show, show_difference

AT_LEAST = Requirement(
    "accuracy", "result", 0.97, "at least", "fraction", "the recipe", "look at the curves"
)
AT_MOST = Requirement("loss", "result", 0.113, "at most", "nats", "96 seeds", "look at the scaling")
EQUAL = Requirement("parameters", "architecture", 101770, "equal to")
HOLDS = Requirement("labels are one-hot", "preparation", advice="look at prepare_labels")


def verdict_with(status):
    return dataclasses.replace(HOLDS.judge(True), status=status)


@pytest.mark.parametrize(
    ("requirement", "measured", "status"),
    [
        (AT_LEAST, 0.98, "passed"),
        (AT_LEAST, 0.97, "passed"),
        (AT_LEAST, np.nextafter(0.97, 0), "failed"),
        (AT_MOST, 0.1, "passed"),
        (AT_MOST, 0.113, "passed"),
        (AT_MOST, np.nextafter(0.113, 1), "failed"),
        (EQUAL, 101770, "passed"),
        (EQUAL, 101770.0, "passed"),
        (EQUAL, 101769, "failed"),
        (EQUAL, "101770", "failed"),
        (HOLDS, True, "passed"),
        (HOLDS, False, "failed"),
        (HOLDS, 1, "failed"),
        (HOLDS, None, "failed"),
    ],
)
def test_a_value_on_the_right_side_of_its_bound_passes_and_so_does_the_bound(
    requirement, measured, status
):
    assert requirement.judge(measured).status == status


@pytest.mark.parametrize("direction", ["at least", "at most", "equal to"])
@pytest.mark.parametrize(
    "measured", [math.nan, math.inf, -math.inf, np.float32("nan"), None, True, "0.5", ""]
)
def test_what_is_no_number_meets_no_bound_of_a_number(measured, direction):
    for bound in (0, 0.5, 1, 1e308, -1e308):
        verdict = Requirement("x", "result", bound, direction).judge(measured)
        assert verdict.status == "failed"
        assert verdict.margin is None
        assert "missed by" not in verdict.message


@pytest.mark.parametrize("bound", [math.nan, math.inf, None, True, "1"])
def test_no_number_meets_a_bound_that_is_none(bound):
    for direction in ("at least", "at most"):
        assert Requirement("x", "result", bound, direction).judge(1).status == "failed"


@pytest.mark.parametrize(
    ("bound", "measured"),
    [
        (0.5, np.float32(0.5)),
        (0.5, np.float64(0.5)),
        (0.5, np.float16(0.5)),
        (3, np.int64(3)),
        (3, np.uint8(3)),
        (np.int64(3), 3),
        (np.float32(0.5), np.float32(0.5)),
    ],
)
@pytest.mark.parametrize("direction", ["at least", "at most", "equal to"])
def test_numpys_scalars_are_judged_as_the_numbers_that_they_are(bound, measured, direction):
    assert Requirement("x", "result", bound, direction).judge(measured).status == "passed"


def test_numpys_truth_values_are_judged_as_pythons():
    assert HOLDS.judge(np.bool_(True)).status == "passed"
    assert HOLDS.judge(np.bool_(False)).status == "failed"


@pytest.mark.parametrize(
    "measured",
    [
        0.5,
        3,
        True,
        None,
        "text",
        math.nan,
        np.float32(0.5),
        np.float64("inf"),
        np.int64(3),
        np.bool_(1),
        np.str_("text"),
    ],
)
def test_every_verdict_can_be_written_as_strict_json_and_read_back(measured):
    for bound in (np.float32(0.5), np.int64(3), math.nan, None):
        verdict = Requirement("x", "result", bound, "equal to").judge(measured)
        text = json.dumps(dataclasses.asdict(verdict), allow_nan=False)
        assert type(verdict)(**json.loads(text)) == verdict


@pytest.mark.parametrize(
    ("verdict", "message"),
    [
        (AT_LEAST.judge(0.98), "accuracy: measured 98.00 %, required at least 97.00 %"),
        (
            AT_LEAST.judge(0.98, "n = 100"),
            "accuracy: measured 98.00 %, required at least 97.00 % (n = 100)",
        ),
        (
            AT_LEAST.judge(0.9688, "n = 100"),
            "accuracy: measured 96.88 %, required at least 97.00 %, missed by 0.12 points; "
            "look at the curves (n = 100)",
        ),
        (
            AT_MOST.judge(0.2),
            "loss: measured 0.2 nats, required at most 0.113 nats, missed by 0.087 nats; "
            "look at the scaling",
        ),
        (
            AT_MOST.judge(np.nan),
            "loss: measured nan, required at most 0.113 nats; look at the scaling",
        ),
        (EQUAL.judge(5), "parameters: measured 5, required equal to 101 770"),
        (HOLDS.judge(True), "labels are one-hot: holds"),
        (
            HOLDS.judge(False, "row 3"),
            "labels are one-hot: does not hold; look at prepare_labels (row 3)",
        ),
        (AT_LEAST.not_run("no network"), "accuracy: not judged; no network"),
    ],
)
def test_messages_say_what_was_measured_and_required_how_far_it_missed_and_what_to_do(
    verdict, message
):
    assert verdict.message == message


def test_a_near_miss_is_not_shown_as_no_miss():
    assert "missed by 0.0001 points" in AT_LEAST.judge(0.969999).message


def test_a_verdict_keeps_what_was_required_and_where_that_comes_from():
    verdict = AT_LEAST.judge(0.98)
    assert (verdict.name, verdict.group, verdict.source) == ("accuracy", "result", "the recipe")
    assert (verdict.measured, verdict.bound, verdict.direction, verdict.unit) == (
        0.98,
        0.97,
        "at least",
        "fraction",
    )


@pytest.mark.parametrize(
    ("verdict", "margin"),
    [
        (AT_LEAST.judge(0.98), 0.01),
        (AT_LEAST.judge(0.96), -0.01),
        (AT_MOST.judge(0.1), 0.013),
        (AT_MOST.judge(0.2), -0.087),
        (AT_MOST.judge(0.113), 0),
    ],
)
def test_the_margin_is_positive_on_the_good_side(verdict, margin):
    assert verdict.margin == pytest.approx(margin, abs=1e-12)


@pytest.mark.parametrize(
    "verdict", [EQUAL.judge(5), HOLDS.judge(True), AT_LEAST.not_run("x"), AT_LEAST.judge("x")]
)
def test_there_is_no_margin_where_there_is_no_distance(verdict):
    assert verdict.margin is None


def test_what_was_not_run_has_no_measured_value():
    verdict = AT_LEAST.not_run("no network")
    assert verdict.status == "not run"
    assert verdict.measured is None


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "NOT RUN"),
        (["passed"], "PASSED"),
        (["passed", "passed"], "PASSED"),
        (["passed", "not run"], "NOT RUN"),
        (["not run"], "NOT RUN"),
        (["passed", "undecided"], "FAILED"),
        (["undecided"], "FAILED"),
        (["not run", "undecided", "passed"], "FAILED"),
        (["passed", "failed", "not run"], "FAILED"),
        (["failed"], "FAILED"),
    ],
)
def test_failed_and_undecided_outweigh_not_run_and_that_outweighs_passed(statuses, expected):
    verdicts = [verdict_with(status) for status in statuses]
    assert overall(verdicts) == overall(reversed(verdicts)) == expected


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.97, "fraction", "97.00 %"),
        (1, "fraction", "100.00 %"),
        (0.0828, "nats", "0.0828 nats"),
        (0.123456, "", "0.1235"),
        (101770, "", "101 770"),
        (101770, "parameters", "101 770 parameters"),
        (0, "", "0"),
        (True, "fraction", "yes"),
        (False, "", "no"),
        (None, "fraction", "nothing"),
        ("", "", "nothing"),
        ("adam", "", "adam"),
    ],
)
def test_values_are_shown_for_people(value, unit, text):
    assert show(value, unit) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0112, "fraction", "1.12 points"),
        (-0.0112, "fraction", "-1.12 points"),
        (0.0, "fraction", "0.00 points"),
        (0.00002, "fraction", "0.002 points"),
        (0.087, "nats", "0.087 nats"),
        (3, "", "3"),
    ],
)
def test_differences_of_fractions_are_points(value, unit, text):
    assert show_difference(value, unit) == text
