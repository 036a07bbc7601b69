"""Every function against an outside oracle, quoted where it stands.

Simulations are seeded and allow 4.5 of their own standard errors. With another seed, a correct
function would fail one of them with probability 7e-6.
"""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from mnistlab.stats import holm, information, mcnemar, non_inferiority, spending, tango, wilson

NAN, INF = math.nan, math.inf


def assert_rate(hits, nominal):
    error = math.sqrt(nominal * (1 - nominal) / len(hits))
    assert abs(np.mean(hits) - nominal) < 4.5 * error, (
        f"{np.mean(hits):.5f}, expected {nominal} +- {error:.5f}"
    )


def test_importing_stats_does_not_load_scipy_stats():
    code = "import sys, mnistlab.stats; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Newcombe 1998, Stat. Med. 17:857, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_newcombes_table(successes, trials, low, high):
    interval = wilson(successes, trials)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    assert interval.estimate == successes / trials


def test_wilson_of_all_right_mirrors_all_wrong():
    right, wrong = wilson(20, 20), wilson(0, 20)
    assert (right.low, right.high) == pytest.approx((1 - wrong.high, 1.0))
    assert wrong.low == 0.0


def test_wilson_covers_an_accuracy_of_97_percent_95_times_in_100():
    draws = np.random.default_rng(1).binomial(10_000, 0.97, 20_000)
    intervals = {k: wilson(k, 10_000) for k in np.unique(draws).tolist()}
    assert_rate([intervals[k].low <= 0.97 <= intervals[k].high for k in draws.tolist()], 0.95)


def test_mcnemar_agrees_with_the_r_package_contingencytables():
    # Its tests print for Cavo et al. 2012 (6 and 16 discordant): "exact conditional test: P =
    # 0.052479", two-sided.
    assert 2 * mcnemar(16, 6) == pytest.approx(0.052479, abs=5e-7)


@pytest.mark.parametrize(
    ("wrong", "right"), [(0, 0), (1, 0), (0, 1), (5, 0), (0, 5), (30, 12), (12, 30), (150, 86)]
)
def test_mcnemar_is_scipys_binomial_test_of_the_changes(wrong, right):
    exact = (
        stats.binomtest(wrong, wrong + right, alternative="greater").pvalue
        if wrong + right
        else 1.0
    )
    assert mcnemar(wrong, right) == pytest.approx(exact, rel=1e-12)


def test_mcnemar_of_the_same_predictions_is_1_and_of_five_losses_1_in_32():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(5, 0) == 1 / 32


@pytest.mark.parametrize(
    ("wrong", "right", "trials", "confidence", "low", "high", "digits"),
    [
        # Fagerland et al. 2014, Stat. Med. 33:2850, table V, Bentur et al.: -0.517 to -0.026.
        (7, 1, 21, 0.95, -0.517, -0.026, 3),
        # R package contingencytables, its tests' output for Cavo et al. 2012: -0.1240 to -0.0054.
        (16, 6, 161, 0.95, -0.1240, -0.0054, 4),
        # R package PropCIs, scoreci.mp(25, 28, 618, 0.90): -0.0148 to 0.0247.
        (25, 28, 618, 0.90, -0.0148, 0.0247, 4),
    ],
)
def test_tango_agrees_with_published_intervals(wrong, right, trials, confidence, low, high, digits):
    interval = tango(wrong, right, trials, confidence)
    assert (round(interval.low, digits), round(interval.high, digits)) == (low, high)
    assert interval.estimate == (right - wrong) / trials


def test_tango_without_any_change_is_wilsons_bound_on_no_success():
    # Without changes the score of d > 0 is -sqrt(n d / (1 - d)), so its root is z^2 / (n + z^2), as
    # Wilson's.
    interval, bound = tango(0, 0, 10_000), wilson(0, 10_000).high
    assert (interval.low, interval.high) == pytest.approx((-bound, bound), abs=1e-9)


def test_tango_of_all_changed_to_one_side_ends_at_1():
    assert tango(0, 10, 10).high == 1.0
    assert tango(10, 0, 10).low == -1.0


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 10_000))
def test_tango_contains_its_estimate_and_mirrors_when_right_and_wrong_swap(wrong, right, same):
    trials = wrong + right + same
    if trials:
        one, other = tango(wrong, right, trials), tango(right, wrong, trials)
        assert -1 <= one.low <= one.estimate <= one.high <= 1
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)


def test_tango_covers_a_difference_of_half_a_point_95_times_in_100():
    draws = np.random.default_rng(2).multinomial(10_000, [0.015, 0.010, 0.975], 20_000)[:, :2]
    pairs, which = np.unique(draws, axis=0, return_inverse=True)
    cells = [tango(wrong, right, 10_000) for wrong, right in pairs.tolist()]
    covers = np.array([cell.low <= -0.005 <= cell.high for cell in cells])
    assert_rate(covers[which.ravel()], 0.95)


@pytest.mark.parametrize(
    ("low", "high", "decision"),
    [
        (-0.001, 0.0009, "passed"),
        (-INF, 0.0009, "passed"),
        (-0.001, 0.001, "undecided"),
        (0.0005, 0.002, "undecided"),
        (0.001, 0.002, "undecided"),
        (-INF, INF, "undecided"),
        (0.0011, 0.002, "failed"),
        (0.0011, INF, "failed"),
    ],
)
def test_only_a_bound_strictly_beside_the_margin_decides(low, high, decision):
    assert non_inferiority(low, high, 0.001) == decision


@pytest.mark.parametrize(("low", "high", "margin"), [(NAN, NAN, 1), (0, NAN, 1), (0, 1, NAN)])
def test_bounds_that_cannot_be_judged_are_undecided(low, high, margin):
    assert non_inferiority(low, high, margin) == "undecided"


def test_information_counts_the_baseline_that_all_looks_share():
    # 1 / (1/8 + 1/96) = 96/13, 1 / (1/16 + 1/96) = 96/7, 1 / (1/32 + 1/96) = 24.
    assert information([8, 16, 32], 96) == pytest.approx((4 / 13, 4 / 7, 1))
    assert information([8, 16, 32], 10**9) == pytest.approx((1 / 4, 1 / 2, 1), rel=1e-6)


FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)


@pytest.mark.parametrize(
    ("fractions", "alpha", "z", "tolerance"),
    [
        # R package rpact, its unit tests, typeOfDesign = "asP": unequal looks, criticalValues.
        ((0.35, 0.7, 1.0), 0.13, (1.5446617, 1.4828682, 1.4620058), 1e-7),
        # Program ld98 (Reboussin, DeMets, Kim and Lan 2000, Control. Clin. Trials 21:190), two-
        # sided 0.05.
        (FIFTHS, 0.025, (2.4380, 2.4268, 2.4101, 2.3966, 2.3859), 2e-4),
    ],
)
def test_spending_agrees_with_published_boundaries(fractions, alpha, z, tolerance):
    looks = spending(fractions, alpha)
    assert [look.z for look in looks] == pytest.approx(z, abs=tolerance)


def test_two_looks_spend_exactly_alpha_by_direct_integration():
    first, last = spending([0.4, 1.0], 0.01)
    rest = math.sqrt(1 - 0.4)

    def stays_below(x):
        return stats.norm.pdf(x) * stats.norm.cdf((last.z - math.sqrt(0.4) * x) / rest)

    assert 1 - integrate.quad(stays_below, -10, first.z, epsabs=1e-13)[0] == pytest.approx(
        0.01, abs=1e-10
    )


def test_one_look_is_the_ordinary_test():
    (look,) = spending([1.0], 0.025)
    assert (look.z, look.alpha) == pytest.approx((1.959963985, 0.025), abs=1e-9)


def test_many_close_looks_still_spend_in_steps():
    looks = spending(np.arange(1, 26) / 25, 0.01)
    assert all(a.z > b.z for a, b in itertools.pairwise(looks))
    assert all(0 < look.alpha < 0.01 for look in looks)


def mean_gates(random, seeds, drop, gates):
    """Return the candidates' means and deviations up to each look, and one baseline of 96 each."""
    values = random.normal(-drop, 1, (gates, seeds[-1]))
    means = np.stack([values[:, :n].mean(axis=1) for n in seeds])
    sds = np.stack([values[:, :n].std(axis=1, ddof=1) for n in seeds])
    return (
        means,
        sds,
        random.normal(0, 1 / math.sqrt(96), gates),
        np.sqrt(random.chisquare(95, gates) / 95),
    )


def test_looks_that_share_one_baseline_miss_as_often_as_alpha_says():
    seeds, margin = [8, 16, 32], 1.25
    means, _, baseline, _ = mean_gates(np.random.default_rng(5), seeds, margin, 50_000)
    critical = np.array([look.z for look in spending(information(seeds, 96), 0.01)])[:, None]
    error = np.sqrt(1 / np.array(seeds) + 1 / 96)[:, None]
    assert_rate((baseline - means + critical * error < margin).any(axis=0), 0.01)


def test_welchs_t_at_8_16_and_32_seeds_misses_at_most_1_percent_where_0075_is_spent():
    seeds, margin = np.array([8, 16, 32]), 1.25
    means, sds, baseline, sd = mean_gates(np.random.default_rng(6), seeds, margin, 50_000)
    a, b = sds**2 / seeds[:, None], sd**2 / 96
    freedom = (a + b) ** 2 / (a**2 / (seeds[:, None] - 1) + b**2 / 95)
    alphas = np.array([look.alpha for look in spending(information(seeds.tolist(), 96), 0.0075)])
    high = baseline - means - special.stdtrit(freedom, alphas[:, None]) * np.sqrt(a + b)
    assert_rate(
        (high < margin).any(axis=0), 0.0091
    )  # the rate that the docstring of spending states


def test_holm_agrees_with_rs_p_adjust():
    # R, p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), method = "holm"): 0.05 0.08 0.09 0.09 0.09.
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    # Julia package PValueAdjust, README: holm([0.05, 0.03, 0.01, 0.5]) is 0.1, 0.09, 0.04, 0.5.
    assert holm([0.05, 0.03, 0.01, 0.5]) == pytest.approx([0.1, 0.09, 0.04, 0.5])


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_the_closed_test_of_bonferroni_rejects(p):
    # Marcus, Peritz and Gabriel 1976, Biometrika 63:655: Holm's is the closure of Bonferroni's
    # test.
    families = [f for n in range(1, len(p) + 1) for f in itertools.combinations(range(len(p)), n)]
    closed = [
        max(min(1, len(f) * min(p[j] for j in f)) for f in families if i in f)
        for i in range(len(p))
    ]
    assert holm(p) == pytest.approx(closed)
