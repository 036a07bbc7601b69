"""Looks and their levels; seeds match if residuals are as small as those of repeats."""

from dataclasses import replace

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.gate.plan import (
    FAIL_ALPHA,
    FALSE_MATCH,
    make_plan,
    matching_thresholds,
    mismatch,
)
from mnistlab.gate.seed_runs import as_columns

LOOKS = (4, 8, 16)
GATES = 4000


@pytest.fixture(scope="module")
def known(accepted):
    return {key: accepted.summary(key) for key in sorted(accepted.columns)}


@pytest.fixture(scope="module")
def thresholds(accepted, metrics):
    return matching_thresholds(metrics, LOOKS, accepted)


def test_looks_go_up_to_the_budget(accepted, metrics):
    assert make_plan(metrics, 4, accepted).looks == (4,)
    assert make_plan(metrics, 32, accepted).looks == (4, 6, 7, 8, 10, 12, 16, 20, 24, 32)


@pytest.mark.parametrize(("budget", "last"), [(13, (10, 13)), (17, (12, 17)), (18, (16, 18))])
def test_a_look_just_before_the_last_is_left_out(accepted, metrics, budget, last):
    assert make_plan(metrics, budget, accepted).looks[-2:] == last


def test_a_budget_below_the_first_look_is_refused(accepted, metrics):
    with pytest.raises(MnistlabError, match=r"--seeds 3, .* at least 4, where the gate looks"):
        make_plan(metrics, 3, accepted)


def test_every_metric_spends_its_own_level_and_failing_is_divided_among_them(plan):
    for metric, levels in zip(plan.metrics, plan.pass_levels, strict=True):
        assert max(levels) < metric.alpha < sum(levels)
    assert sum(plan.fail_levels) < FAIL_ALPHA


def test_repeated_trainings_have_a_mismatch_near_one(accepted, known):
    same = {key: values[None, :16] for key, values in accepted.columns.items()}
    again = {key: values[None] for key, values in accepted.repeats.items()}
    assert mismatch(again, same, known)[0] == pytest.approx(1)


@pytest.mark.parametrize("look", range(3))
def test_independent_draws_match_once_in_a_thousand(accepted, known, thresholds, look):
    rng = np.random.default_rng(77)
    rows = rng.integers(96, size=(2, GATES, LOOKS[look]))
    new, same = ({key: accepted.columns[key][part] for key in known} for part in rows)
    share = np.mean(mismatch(new, same, known) < thresholds[look])
    # The threshold is a quantile of 4000 draws, and so is the share: both have Poisson noise.
    assert share < FALSE_MATCH + 4.5 * np.sqrt(2 * FALSE_MATCH / GATES)


@pytest.mark.parametrize("look", range(3))
def test_other_rounding_matches(recipe, accepted, known, thresholds, look):
    count = LOOKS[look]
    for first in range(0, 96 - count, 16):
        new = as_columns(recipe.runs(accepted.seeds[first : first + count], stream=7))
        same = {key: values[first : first + count] for key, values in accepted.columns.items()}
        pair = ({key: part[key][None] for key in known} for part in (new, same))
        assert mismatch(*pair, known)[0] < thresholds[look]


def test_a_shift_of_a_metric_is_no_mismatch(accepted, known):
    same = {key: values[None, :16] for key, values in accepted.columns.items()}
    again = {key: 0.1 + values[None] for key, values in accepted.repeats.items()}
    assert mismatch(again, same, known)[0] == pytest.approx(1)


def test_metrics_that_hardly_correlate_never_match(recipe):
    loose = replace(recipe, slope=0.0).accepted(repeats=96)
    same = {key: values[None] for key, values in loose.columns.items()}
    known = {key: loose.summary(key) for key in loose.columns}
    assert mismatch(same, same, known) == np.inf


def test_identical_repeats_match_with_the_least_residual(recipe):
    exact = replace(recipe, slope=1.0).accepted()
    known = {key: exact.summary(key) for key in exact.columns}
    assert all(each.residual_sd > 0 for each in known.values())
    same = {key: values[None] for key, values in exact.columns.items()}
    assert mismatch(same, same, known) < 1


@pytest.mark.parametrize(
    ("change", "identical"),
    [
        ({}, True),
        ({"new metric": np.zeros(2)}, True),
        ({"final loss": np.zeros(2)}, False),
        ({"final loss": np.full(2, np.nan)}, False),
    ],
)
def test_identical_trainings_have_the_accepted_metrics_too(accepted, change, identical):
    new = {key: values[3:5] + 3e-8 for key, values in accepted.columns.items()}
    assert accepted.are_identical([3, 4], accepted.digests[3:5], {**new, **change}) == identical


def test_identical_trainings_have_the_accepted_digests_and_no_metric_less(accepted):
    new = {key: values[3:5] for key, values in accepted.columns.items()}
    assert not accepted.are_identical([3, 4], accepted.digests[4:6], new)
    del new["final loss"]
    assert not accepted.are_identical([3, 4], accepted.digests[3:5], new)
