"""Seeds match if the residuals are about as small as those of repeated trainings."""

from dataclasses import replace

import numpy as np
import pytest

from mnistlab.gate.margins import gate_metrics
from mnistlab.gate.matching import FALSE_MATCH, matching_thresholds, mismatch, telling
from mnistlab.gate.seed_runs import as_columns

LOOKS = (4, 8, 16)
GATES = 4000


@pytest.fixture(scope="module")
def known(accepted):
    keys = {metric.key for metric in gate_metrics(accepted.columns, 10_000)}
    return telling({key: accepted.summary(key) for key in sorted(keys)})


@pytest.fixture(scope="module")
def thresholds(accepted):
    return matching_thresholds(gate_metrics(accepted.columns, 10_000), LOOKS, accepted)


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


def test_metrics_that_hardly_correlate_do_not_tell(recipe, accepted):
    loose = replace(recipe, slope=0.0).accepted(repeats=96)
    assert not telling({key: loose.summary(key) for key in loose.columns})
    assert len(telling({key: accepted.summary(key) for key in accepted.columns})) == 4


def test_identical_repeats_tell_with_the_least_residual(recipe):
    exact = replace(recipe, slope=1.0).accepted()
    known = telling({key: exact.summary(key) for key in exact.columns})
    assert known
    assert all(each.residual_sd > 0 for each in known.values())


def test_blocks_start_over_at_the_end(recipe):
    assert recipe.accepted(20).block(18, 4) == [18, 19, 0, 1]
    assert recipe.accepted(20).block(45, 2) == [5, 6]


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
