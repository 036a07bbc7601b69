"""A check judges by the spec's bound, else by the accepted range, else it says why not."""

from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.gate import HealthyRange
from mnistlab.plugin.checker import NEW, AcceptedRanges, Checker, Figure, Measurements
from mnistlab.recipe import Spec, bounds_of
from mnistlab.requirement import Requirement

RANGES = {
    "Brier score": HealthyRange(0.04, 0.003, None, 0.05, "root", 32),
    "recall of digit 3": HealthyRange(0.97, 0.01, 0.9, None, "root", 32),
    "norm": HealthyRange(33.0, 0.2, 32.0, 34.0, "normal", 32),
}
COMMAND = "nothing was accepted yet; type: mnistlab baseline accept --dataset digits"


def checker(accepted=AcceptedRanges(RANGES), bounds=(), figures=None):  # noqa: B008 -- frozen
    pipeline = SimpleNamespace(spec=Spec(bounds=tuple(bounds)))
    return Checker(Measurements(), pipeline, accepted, "training::test_norm[1]", figures)


def judge(check, *arguments, **settings):
    """Return the verdicts of a check, and its failure or ""."""
    try:
        check.within_healthy_range(*arguments, **settings)
    except pytest.fail.Exception as failure:
        return check.measurements.verdicts, str(failure)
    return check.measurements.verdicts, ""


def test_a_number_within_its_accepted_range_passes():
    [verdict], failure = judge(checker(), "Brier score", 0.05, worse="higher")
    assert (verdict.status, verdict.bound, verdict.direction) == ("passed", 0.05, "at most")
    assert (verdict.group, failure) == ("training", "")
    assert verdict.source == RANGES["Brier score"].source


def test_a_number_beyond_its_range_fails_with_the_advice_of_its_test():
    _, failure = judge(checker(), "Brier score", 0.06, worse="higher", advice="look", detail="n")
    assert failure == (
        "Brier score: measured 0.06, required at most 0.05, missed by 0.01; look (n)"
    )


def test_a_fraction_of_images_is_shown_in_percent():
    _, failure = judge(checker(), "recall of digit 3", 0.88, worse="lower", images=50)
    assert failure == (
        "recall of digit 3: measured 88.00 %, required at least 90.00 %, missed by 2.00 points"
    )


@pytest.mark.parametrize(
    ("value", "statuses"),
    [
        (31.0, ["failed", "passed"]),
        (33.0, ["passed", "passed"]),
        (35.0, ["passed", "failed"]),
    ],
)
def test_of_two_sides_each_has_a_verdict(value, statuses):
    verdicts, _ = judge(checker(), "norm", value, worse="both")
    assert [verdict.name for verdict in verdicts] == ["norm, least", "norm, most"]
    assert [verdict.status for verdict in verdicts] == statuses


def test_nan_misses_every_range():
    [verdict], _ = judge(checker(), "Brier score", float("nan"), worse="higher")
    assert verdict.status == "failed"


def test_a_bound_of_the_spec_comes_first_and_the_check_knows_its_side():
    check = checker(bounds=bounds_of({"Brier score": 0.1, "norm, most": 40}))
    [verdict], _ = judge(check, "Brier score", 0.06, worse="higher", unit="nats", advice="look")
    assert (verdict.status, verdict.bound, verdict.direction) == ("passed", 0.1, "at most")
    assert (verdict.unit, verdict.source) == ("nats", "stated in the spec")
    [_, least, most], _ = judge(check, "norm", 35.0, worse="both")
    assert (least.bound, most.bound) == (32.0, 40)


def test_a_bound_with_a_side_of_its_own_keeps_it():
    bound = Requirement("norm, least", "mine", 36.0, "at least", "kg", "a source", "my advice")
    verdicts, failure = judge(checker(bounds=[bound]), "norm", 33.0, worse="both", advice="look")
    assert failure == (
        "norm, least: measured 33 kg, required at least 36 kg, missed by 3 kg; my advice"
    )
    assert verdicts[0].group == "mine"


def test_percent_in_place_of_a_fraction_is_refused():
    check = checker(bounds=bounds_of({"recall of digit 3": 97}))
    with pytest.raises(MnistlabError, match="3' = 97; required a fraction, not percent"):
        judge(check, "recall of digit 3", 0.98, worse="lower", unit="fraction")


def test_what_is_not_in_the_accepted_state_is_new_and_not_asked():
    [verdict], failure = judge(checker(), "contrast", 0.5, worse="higher", unit="fraction")
    assert (verdict.status, verdict.asked, verdict.measured, failure) == ("not run", False, 0.5, "")
    assert verdict.message == f"contrast: measured 50.00 %, not judged; {NEW}"


def test_before_anything_was_accepted_the_number_is_asked_and_the_command_named():
    check = checker(AcceptedRanges(missing=COMMAND, asked=True))
    [verdict], failure = judge(check, "Brier score", 0.05, worse="higher")
    assert (verdict.status, verdict.asked, verdict.measured, failure) == ("not run", True, 0.05, "")
    assert verdict.message.endswith("mnistlab baseline accept --dataset digits")


def test_a_promise_is_judged_before_anything_was_accepted():
    check = checker(AcceptedRanges(missing=COMMAND, asked=True), bounds_of({"Brier score": 0.1}))
    assert judge(check, "Brier score", 0.2, worse="higher")[1].startswith("Brier score: measured")


def test_a_measuring_run_keeps_the_number_and_judges_nothing():
    figures = {}
    check = checker(figures=figures)
    assert judge(check, "Brier score", np.float32(0.5), worse="higher", images=8) == ([], "")
    assert judge(check, "rises", np.int64(3), worse="higher") == ([], "")
    test = "training::test_norm[1]"
    assert figures == {
        "Brier score": Figure(0.5, "higher", 8, test, "fraction"),
        "rises": Figure(3, "higher", None, test),
    }
    assert {name: type(figure.value) for name, figure in figures.items()} == {
        "Brier score": float,
        "rises": int,
    }


def test_pictures_show_the_least_value_that_is_allowed():
    check = checker(bounds=bounds_of({"recall of digit 3": 0.95}))
    assert check.least("recall of digit 3") == 0.95
    assert checker().least("recall of digit 3") == 0.9
    assert np.isnan(checker().least("recall of digit 4"))
