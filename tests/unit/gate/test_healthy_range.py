"""A healthy range is a tolerance bound: its factor, its rules, and how much it covers."""

import importlib
import math

import numpy as np
import pytest
import scipy

from mnistlab.errors import MnistlabError
from mnistlab.gate import HealthyRange, healthy_range
from mnistlab.gate.healthy_range import CONFIDENCE, COVERAGE, tolerance_factor

RNG = np.random.default_rng(11)
module = importlib.import_module(
    "mnistlab.gate.healthy_range"
)  # the package has a function so called


def test_the_factor_is_that_of_the_e_handbook(monkeypatch):
    # NIST/SEMATECH e-Handbook, 7.2.6.3: N = 43, p = 0.90, gamma = 0.99: k1 = 1.8752 by Natrella's
    # approximation.
    monkeypatch.setattr(module, "COVERAGE", 0.90)
    monkeypatch.setattr(module, "CONFIDENCE", 0.99)
    assert tolerance_factor.__wrapped__(43) == pytest.approx(1.8752, abs=0.002)


def test_more_seeds_need_a_smaller_factor_down_to_the_quantile():
    factors = [tolerance_factor(seeds) for seeds in (8, 16, 32, 96, 1000)]
    assert factors == sorted(factors, reverse=True)
    assert 0 < factors[-1] - scipy.stats.norm.ppf(COVERAGE) < 0.2


def test_a_bound_covers_as_often_as_it_claims():
    covered = 0
    for _ in range(400):
        healthy = healthy_range(RNG.normal(-5, 2, 32).tolist(), "higher")
        covered += scipy.stats.norm(-5, 2).cdf(healthy.high) >= COVERAGE
    error = math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / 400)
    assert covered / 400 == pytest.approx(CONFIDENCE, abs=4 * error)


@pytest.mark.parametrize(
    ("worse", "ends"), [("higher", (False, True)), ("lower", (True, False)), ("both", (True, True))]
)
def test_only_the_suspicious_side_is_bounded(worse, ends):
    healthy = healthy_range([1.5, 2.5] * 8, worse)
    assert (healthy.low is not None, healthy.high is not None) == ends


def test_fractions_are_bounded_within_0_and_1_and_differences_on_their_own_scale():
    errors = (0.02 * np.exp(RNG.normal(0, 0.3, 16))).tolist()
    assert healthy_range(errors, "higher").rule == "logit"
    assert 0.05 < healthy_range(errors, "higher").high < 0.3
    assert healthy_range([1 - error for error in errors], "lower").low > 0.7
    assert healthy_range(errors, "both").rule == "normal"
    assert healthy_range([*errors, 0.0], "higher").rule == "normal"


def test_a_count_that_was_never_above_0_may_be_3():
    # 0 events in 32 seeds: a rate of at most 0.072, with confidence 0.9.
    healthy = healthy_range([0] * 32, "higher")
    assert (healthy.rule, healthy.high) == ("count", 3)
    rate = scipy.stats.chi2.ppf(CONFIDENCE, 2) / 2 / 32
    assert scipy.stats.poisson.sf(3, rate) < 1 - COVERAGE < scipy.stats.poisson.sf(2, rate)


def test_counts_that_vary_more_than_by_chance_have_a_wider_range():
    chance = healthy_range([10, 11, 9, 10] * 8, "both")
    wild = healthy_range([0, 20, 5, 15] * 8, "both")
    assert wild.high > chance.high > 20
    assert wild.low == 0


def test_a_recall_that_never_varied_may_still_miss_some_images():
    healthy = healthy_range([1.0] * 32, "lower", images=36)
    assert (healthy.rule, healthy.sd) == ("count", 0)
    assert healthy.low == pytest.approx(1 - 3.5 / 36)
    assert healthy_range([1.0] * 32, "lower").low == 1


def test_a_fraction_of_many_images_is_bounded_by_its_spread():
    values = RNG.normal(0.9, 0.01, 32).tolist()
    few, many = (healthy_range(values, "lower", images=count) for count in (50, 10**6))
    assert (few.rule, many.rule) == ("count", "logit")
    assert few.low < many.low == healthy_range(values, "lower").low
    changed = [1 - value for value in values]
    assert healthy_range(changed, "higher", images=50).high == pytest.approx(1 - few.low)


@pytest.mark.parametrize("values", [[0.5] * 7, [0.5] * 8 + [math.nan], [0.5] * 8 + [math.inf]])
def test_too_few_values_and_what_is_no_number_are_refused(values):
    with pytest.raises(MnistlabError, match=r"values; required at least 8, all finite"):
        healthy_range(values, "higher")


def test_it_survives_the_file_with_six_digits():
    healthy = healthy_range([0.0123456789, 0.0234567891] * 8, "higher")
    again = HealthyRange(**healthy.as_dict())
    assert again.high == pytest.approx(healthy.high, rel=1e-5)
    assert (again.low, again.rule, again.seeds) == (None, "logit", 16)
    assert again.source.startswith("mean 0.0179 (sd 0.0057) of 16 healthy seeds; a normal")
