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
    # The asymptotic variance of mean + z sd is (1 + z**2 / 2) / n of the variance.
    z, margin = scipy.stats.norm.ppf([COVERAGE, CONFIDENCE])
    excess = margin * math.sqrt((1 + z**2 / 2) / 1000)
    assert factors[-1] - z == pytest.approx(excess, rel=0.1)


def test_a_bound_covers_as_often_as_it_claims():
    covered = 0
    for _ in range(1000):
        healthy = healthy_range(RNG.normal(-5, 2, 32).tolist(), "higher")
        covered += scipy.stats.norm(-5, 2).cdf(healthy.high) >= COVERAGE
    error = math.sqrt(CONFIDENCE * (1 - CONFIDENCE) / 1000)
    assert covered / 1000 == pytest.approx(CONFIDENCE, abs=4 * error)


@pytest.mark.parametrize(
    ("worse", "ends"), [("higher", (False, True)), ("lower", (True, False)), ("both", (True, True))]
)
def test_only_the_suspicious_side_is_bounded(worse, ends):
    healthy = healthy_range([1.5, 2.5] * 8, worse)
    assert (healthy.low is not None, healthy.high is not None) == ends


@pytest.mark.parametrize(
    ("law", "images"),
    [
        (scipy.stats.gamma(11, scale=0.05 / 11), None),
        (scipy.stats.gamma(4, scale=0.05 / 4), None),
        (scipy.stats.lognorm(0.15, scale=0.03), None),
        (scipy.stats.beta(4, 36), 10_000),
        (scipy.stats.poisson(0.1), None),
        (scipy.stats.poisson(7), None),
        (scipy.stats.nbinom(3, 3 / 8), None),
        (scipy.stats.binom(36, 0.03), 36),
        (scipy.stats.binom(360, 0.03), 360),
        (scipy.stats.betabinom(1000, 8.7, 281.3), 1000),
    ],
)
def test_skewed_and_discrete_values_are_beyond_as_rarely_as_stated(law, images):
    discrete = isinstance(law.dist, scipy.stats.rv_discrete)
    of = images if discrete and images else 1
    shares = []
    for _ in range(100):
        drawn = law.rvs(32, random_state=RNG)
        values = [int(value) for value in drawn] if discrete and of == 1 else (drawn / of).tolist()
        shares.append(law.sf(healthy_range(values, "higher", images).high * of))
    assert np.mean(shares) < 1 - COVERAGE
    assert np.quantile(shares, 0.9) < 1 - COVERAGE


def test_fractions_are_bounded_on_the_arcsine_root_and_errors_on_the_root():
    errors = (0.02 * np.exp(RNG.normal(0, 0.3, 16))).tolist()
    root = healthy_range(errors, "higher")
    scaled, reach = np.sqrt(errors), tolerance_factor(16)
    assert root.rule == "root"
    assert root.high == pytest.approx((scaled.mean() + reach * scaled.std(ddof=1)) ** 2)
    arcsine = healthy_range([1 - error for error in errors], "lower")
    scaled = np.arcsin(np.sqrt(errors))
    assert arcsine.rule == "arcsine"
    assert 1 - arcsine.low == pytest.approx(np.sin(scaled.mean() + reach * scaled.std(ddof=1)) ** 2)
    assert healthy_range(errors, "both").rule == "normal"


def test_a_fraction_is_never_bounded_beyond_0_or_1():
    halves = [0.1, 0.9] * 16
    assert healthy_range(halves, "higher", images=10**6).high == pytest.approx(1, abs=1e-5)
    assert healthy_range(halves, "lower", images=10**6).low == pytest.approx(0, abs=1e-5)


def test_a_count_that_was_never_above_0_may_be_4():
    # 0 events in 32 seeds: a rate of at most 0.144, with confidence 0.99.
    healthy = healthy_range([0] * 32, "higher")
    assert (healthy.rule, healthy.high) == ("count", 4)
    rate = scipy.stats.chi2.ppf(CONFIDENCE, 2) / 2 / 32
    assert scipy.stats.poisson.sf(4, rate) < 1 - COVERAGE < scipy.stats.poisson.sf(3, rate)


def test_the_upper_limit_of_a_variance_is_that_of_the_e_handbook(monkeypatch):
    # NIST/SEMATECH e-Handbook, 7.2.3.1: N = 100, s = 0.006279, sd at most 0.00729 at 95 % on
    # two sides; chi2 at 0.025 and 99 degrees of freedom is 73.361.
    monkeypatch.setattr(module, "CONFIDENCE", 0.975)
    rate = 60**2 * 99 / 73.361
    assert math.sqrt(rate) / 60 == pytest.approx(0.00729 / 0.006279, abs=2e-3)
    reach = scipy.stats.poisson.isf(1 - COVERAGE, rate) - rate + 0.5
    assert module._reach_by_chance(100, 60**2) == pytest.approx(reach, abs=1.1)


def test_counts_that_come_in_clusters_are_bounded_on_the_scale_of_log_1_plus_x():
    chance = healthy_range([10, 11, 9, 10] * 8, "both")
    clusters = healthy_range([0, 1, 0, 7] * 8, "higher")
    assert clusters.rule == "log"
    scaled = np.log1p([0, 1, 0, 7] * 8)
    end = math.expm1(scaled.mean() + tolerance_factor(32) * scaled.std(ddof=1))
    assert clusters.high == math.floor(end) > chance.high


def test_a_recall_that_never_varied_may_still_miss_some_images():
    healthy = healthy_range([1.0] * 32, "lower", images=36)
    assert (healthy.rule, healthy.sd) == ("count", 0)
    assert 4 < (1 - healthy.low) * 36 < 5


def test_a_number_that_never_varied_may_still_differ_by_rounding():
    healthy = healthy_range([0.8] * 32, "both")
    assert 0 < 0.8 - healthy.low < 1e-4
    assert 0 < healthy.high - 0.8 < 1e-4


def test_images_that_every_seed_misreads_do_not_widen_a_range():
    errors = np.array([1, 2, 1, 0] * 8) / 36
    few, many = (healthy_range((1 - hard / 36 - errors).tolist(), "lower", 36) for hard in (0, 9))
    assert many.mean - many.low == pytest.approx(few.mean - few.low, rel=0.1)


def test_a_difference_of_few_images_may_move_by_images_that_no_seed_missed():
    values = RNG.normal(0.03, 0.003, 32).tolist()
    few, many = (healthy_range(values, "both", images=count) for count in (33, 10**6))
    assert (few.rule, many.rule) == ("count", "normal")
    assert few.low < 0.03 - 4 / 33 < 0.03 + 4 / 33 < few.high
    assert many == healthy_range(values, "both")


@pytest.mark.parametrize("values", [[0.5] * 7, [0.5] * 8 + [math.nan], [0.5] * 8 + [math.inf]])
def test_too_few_values_and_what_is_no_number_are_refused(values):
    with pytest.raises(MnistlabError, match=r"values; required at least 8, all finite"):
        healthy_range(values, "higher")


def test_it_survives_the_file_with_six_digits():
    healthy = healthy_range([0.0123456789, 0.0234567891] * 8, "higher")
    again = HealthyRange(**healthy.as_dict())
    assert again.high == pytest.approx(healthy.high, rel=1e-5)
    assert (again.low, again.rule, again.seeds) == (None, "root", 16)
    assert again.source.startswith("mean 0.0179 (sd 0.0057) of 16 healthy seeds; a normal")
