"""Bounds on a metric's degradation, against scipy and root finding; simulations err below 1e-4."""

import math
from dataclasses import replace

import numpy as np
import pytest
import scipy

from mnistlab.gate.comparison import (
    MAX_SLOPE,
    MetricComparison,
    Sample,
    degradation_bounds,
    mean_bounds,
    spread_bounds,
    summarise,
)
from mnistlab.gate.margins import GateMetric

ACCURACY = GateMetric("averaged accuracy", 0.001, "a test", 0.0075)
LOSS = GateMetric("averaged loss", 0.005, "a test", 0.0075)
SPREAD = GateMetric("averaged accuracy", 4.0, "a test", 0.0075, spread=True)
NONE = np.empty(0)
LEVELS = (0.001, 0.02)


def normal(shape, sd=1.0, seed=0):
    return np.random.default_rng(seed).normal(0.0, sd, shape)


def known(values):
    return summarise(values, NONE)


def repeated(slope, residual_sd):
    """Return accepted seeds of which 16 were trained again, with this outcome."""
    array = np.array([[slope], [residual_sd]])
    return replace(known(normal(20)), slope=array[0], residual_sd=array[1], repeats=16)


def numbers(bounds):
    return [float(bound[0]) for bound in bounds]


def test_unmatched_means_have_the_accepted_sd_and_students_t():
    old, new = normal(20), 0.3 + normal((1, 6), 0.5, seed=1)
    low, high, estimate = numbers(mean_bounds(Sample(new, new, known(old)), LEVELS))
    error = old.std(ddof=1) * math.sqrt(1 / 6 + 1 / 20)
    t = scipy.stats.t(df=19, loc=new.mean() - old.mean(), scale=error)
    assert estimate == pytest.approx(new.mean() - old.mean())
    assert (low, high) == pytest.approx((t.ppf(LEVELS[0]), t.isf(LEVELS[1])))


def test_a_candidate_of_wider_spread_is_compared_by_welch():
    old, new = normal(20), normal((1, 6), 5.0, seed=1)
    test = scipy.stats.ttest_ind(new[0], old, equal_var=False)
    for at, level in enumerate(LEVELS):
        bounds = numbers(mean_bounds(Sample(new, new, known(old)), LEVELS))
        interval = test.confidence_interval(1 - 2 * level)
        assert bounds[at] == pytest.approx((interval.low, interval.high)[at])


def test_with_a_slope_of_one_matched_seeds_are_a_paired_comparison_of_known_spread():
    same = normal((1, 6))
    new = same + 0.2 + normal((1, 6), 0.01, seed=1)
    accepted = repeated(1.0, 0.02)
    low, high, estimate = numbers(mean_bounds(Sample(new, same, accepted, True), LEVELS))
    t = scipy.stats.t(df=15, loc=(new - same).mean(), scale=0.02 / math.sqrt(6))
    assert estimate == pytest.approx((new - same).mean())
    assert (low, high) == pytest.approx((t.ppf(LEVELS[0]), t.isf(LEVELS[1])))


def test_matched_residuals_that_are_wider_than_known_use_their_own_spread():
    same = normal((1, 6))
    new = same + normal((1, 6), 0.3, seed=1)
    accepted = repeated(1.0, 0.02)
    bounds = numbers(mean_bounds(Sample(new, same, accepted, True), LEVELS))
    test = scipy.stats.ttest_rel(new[0], same[0])
    assert bounds[0] == pytest.approx(test.confidence_interval(1 - 2 * LEVELS[0]).low)
    assert bounds[1] == pytest.approx(test.confidence_interval(1 - 2 * LEVELS[1]).high)


def test_unmatched_spreads_are_compared_by_f():
    old, new = normal(20), normal((1, 6), 1.5, seed=1)
    low, high, ratio = numbers(spread_bounds(Sample(new, new, known(old)), LEVELS))
    assert ratio == pytest.approx(new.std(ddof=1) / old.std(ddof=1))
    f = scipy.stats.f(5, 19)
    assert f.sf((ratio / low) ** 2) == pytest.approx(LEVELS[0])  # as likely to see more, if so low
    assert f.cdf((ratio / high) ** 2) == pytest.approx(LEVELS[1])


@pytest.mark.parametrize("r", [-0.5, 0.0, 0.6, 0.99])
def test_matched_spreads_are_compared_by_pitman_and_morgan(r):
    same = normal((1, 9))
    new = 1.7 * (r * same + math.sqrt(1 - r**2) * normal((1, 9), seed=1))
    low, high, ratio = numbers(spread_bounds(Sample(new, same, known(normal(20)), True), LEVELS))
    assert ratio == pytest.approx(new.std() / same.std())

    def p_value(m, alternative):  # that the candidate's sd is m times the accepted one
        y, x = new[0], m * same[0]
        return scipy.stats.pearsonr(y + x, y - x, alternative=alternative).pvalue

    ends = ("greater", LEVELS[0], 1e-3, ratio), ("less", LEVELS[1], ratio, 1e3)
    roots = [scipy.optimize.brentq(lambda m, a=a, p=p: p_value(m, a) - p, *e) for a, p, *e in ends]
    assert (low, high) == pytest.approx(roots)


def simulated(gates, sd_ratio=1.0, n=6, slope=0.9):
    """Draw gates whose accepted seeds, repeats and candidates are all new, of sd 1 and mean 0."""
    rng = np.random.default_rng(5)
    left = math.sqrt(1 - slope**2)
    old = rng.standard_normal((gates, 96))
    again = slope * old[:, :16] + left * rng.standard_normal((gates, 16))
    new = sd_ratio * (slope * old[:, :n] + left * rng.standard_normal((gates, n)))
    return Sample(new, old[:, :n], summarise(old, again))


GATES = 5000


@pytest.mark.parametrize("matched", [True, False])
@pytest.mark.parametrize("n", [4, 8])
def test_bounds_of_a_mean_miss_the_truth_about_as_often_as_their_level_says(matched, n):
    sample = replace(simulated(GATES, n=n), matched=np.full(GATES, matched))
    if not matched:
        sample = replace(sample, new=np.random.default_rng(1).standard_normal((GATES, n)))
    low, high, _ = mean_bounds(sample, (0.02, 0.02))
    for missed in (low > 0, high < 0):
        # The choice of the wider spread and the estimated slope move the level by a little.
        assert missed.mean() < 0.026 + 4 * math.sqrt(0.026 / GATES)
        assert missed.mean() > 0.015 - 4 * math.sqrt(0.015 / GATES)


@pytest.mark.parametrize("matched", [True, False])
def test_bounds_of_a_spread_miss_the_truth_as_often_as_their_level_says(matched):
    sample = replace(simulated(GATES, 2.0), matched=np.full(GATES, matched))
    if not matched:
        new = np.random.default_rng(1).normal(0, 2, (GATES, 6))
        sample = replace(sample, new=new)
    low, high, _ = spread_bounds(sample, (0.02, 0.02))
    for missed in (low > 2, high < 2):
        assert missed.mean() == pytest.approx(0.02, abs=4.5 * math.sqrt(0.02 / GATES))


def test_matched_seeds_need_a_fraction_of_the_trainings():
    sample = simulated(500)
    wide = mean_bounds(sample, LEVELS)
    narrow = mean_bounds(replace(sample, matched=np.full(500, True)), LEVELS)
    widths = [np.median(high - low) for low, high, _ in (wide, narrow)]
    assert widths[1] < 0.6 * widths[0]


def test_a_fall_of_accuracy_and_a_rise_of_loss_are_the_same_degradation():
    old, new = normal(20), 2 + normal((1, 6), seed=1)
    loss = degradation_bounds(LOSS, Sample(new, new, known(old)), LEVELS)
    accuracy = degradation_bounds(ACCURACY, Sample(-new, -new, known(-old)), LEVELS)
    assert numbers(loss) == pytest.approx(numbers(accuracy))
    assert numbers(loss)[2] > 1


@pytest.mark.parametrize("metric", [ACCURACY, LOSS, SPREAD])
@pytest.mark.parametrize("matched", [True, False])
def test_many_gates_at_once_are_each_gate_alone(metric, matched):
    accepted = repeated(0.8, 0.3)
    new, same = normal((7, 5), 2, seed=1), normal((7, 5), seed=2)
    together = degradation_bounds(metric, Sample(new, same, accepted, matched), LEVELS)
    for gate in range(7):
        alone = Sample(new[gate : gate + 1], same[gate : gate + 1], accepted, matched)
        assert numbers(degradation_bounds(metric, alone, LEVELS)) == pytest.approx(
            [float(bound[gate]) for bound in together]
        )


@pytest.mark.parametrize("metric", [ACCURACY, LOSS, SPREAD])
@pytest.mark.parametrize("matched", [True, False])
def test_of_a_metric_that_is_not_finite_nothing_is_known(metric, matched):
    new = np.array([[0.1, math.nan, 0.3, 0.2]])
    accepted = repeated(0.8, 0.3)
    low, high, _ = numbers(
        degradation_bounds(metric, Sample(new, normal((1, 4)), accepted, matched), LEVELS)
    )
    assert (low, high) == (-math.inf, math.inf)


@pytest.mark.parametrize("new", [np.full((1, 6), 0.97), normal((1, 6))])
@pytest.mark.parametrize("matched", [True, False])
def test_of_spreads_against_seeds_that_never_vary_nothing_is_known(new, matched):
    # Their floating-point standard deviation is 1e-16, not 0: a ratio to it would mean nothing.
    assert np.full(6, 0.97).std() > 0
    old = known(normal(20) if matched else np.full(9, 0.97))
    sample = Sample(new, np.full((1, 6), 0.97), old, matched)
    low, high, _ = numbers(degradation_bounds(SPREAD, sample, LEVELS))
    assert (low, high) == (-math.inf, math.inf)


def test_repeats_that_are_the_accepted_ones_leave_the_least_residual():
    old = normal(20)
    accepted = summarise(old, old[:8])
    assert accepted.slope == MAX_SLOPE
    assert accepted.residual_sd == pytest.approx(old.std(ddof=1) * (1 - MAX_SLOPE**2) ** 0.5)
    same = old[None, :4]
    low, high, estimate = numbers(mean_bounds(Sample(same, same, accepted, True), LEVELS))
    assert low < estimate < high


def test_slope_and_residual_are_those_of_the_repeats():
    old = normal(5000)
    again = 0.8 * old + 0.6 * normal(5000, seed=1)
    accepted = summarise(old, again)
    assert accepted.slope == pytest.approx(0.8, abs=0.05)  # standard errors below 0.009
    assert accepted.residual_sd == pytest.approx(0.6, abs=0.04)


@pytest.mark.parametrize("old", [normal(20), np.full(20, 0.5)])
def test_fewer_than_three_repeats_or_constant_seeds_say_nothing_about_the_slope(old):
    count = 2 if np.ptp(old) else 9
    accepted = summarise(old, old[:count])
    assert accepted.slope == 0
    assert np.isnan(accepted.residual_sd)


def test_repeats_that_have_nothing_to_do_with_their_seeds_have_slope_zero():
    assert summarise(normal(20), 3 * normal(16, seed=1)).slope == 0


COMPARISON = MetricComparison(
    metric=ACCURACY,
    candidate=0.9787,
    accepted=0.979,
    degradation=0.0003,
    low=-0.0006,
    high=0.0006,
    status="passed",
    seeds=8,
    correlation=0.9,
)


@pytest.mark.parametrize(
    ("degradation", "high", "text"),
    [
        (0.0003, 0.0006, "0.03 points lower (99 % bound: at most 0.06), margin 0.10"),
        (-0.0003, 0.0001, "0.03 points higher (99 % bound: at most 0.01 lower), margin 0.10"),
        (-0.003, -0.002, "0.30 points higher (99 % bound: at least 0.20 higher), margin 0.10"),
    ],
)
def test_a_comparison_is_a_sentence_for_people(degradation, high, text):
    comparison = replace(COMPARISON, degradation=degradation, high=high)
    assert comparison.summary == f"accuracy (averaged weights) {text}"
    assert comparison.improved == (high < -0.001)


def test_a_failed_comparison_states_the_lower_bound():
    failed = replace(COMPARISON, degradation=0.02, low=0.015, high=0.025, status="failed")
    assert "2.00 points lower (99 % bound: at least 1.50)" in failed.summary


def test_a_spread_is_shown_as_a_ratio():
    wider = replace(COMPARISON, metric=SPREAD, degradation=1.5, low=0.9, high=3.2)
    assert wider.summary == (
        "spread of accuracy (averaged weights) 1.50 times the accepted one "
        "(99 % bound: at most 3.20), margin 4.00"
    )


def test_the_verdict_holds_the_upper_bound_against_the_margin():
    verdict = COMPARISON.verdict()
    assert (verdict.measured, verdict.bound, verdict.unit) == (0.06, 0.1, "points")
    assert (verdict.group, verdict.status) == ("regression", "passed")
    assert verdict.name == "harm to accuracy (averaged weights)"


def test_what_is_not_known_is_none_in_the_verdict():
    unknown = replace(COMPARISON, low=-math.inf, high=math.inf, correlation=math.nan)
    values = unknown.as_dict()
    assert (values["low"], values["high"], values["correlation"]) == (None, None, None)
    assert unknown.verdict().measured is None


UNDECIDED = replace(COMPARISON, degradation=0.0, high=0.00147, status="undecided")
BEYOND = "the estimate is beyond the margin, so more seeds are likely to fail it; a margin of "


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {},
            "about 18 seeds would pass it (--seeds 18); a margin of 0.15 points would pass it now",
        ),
        # 1 / 19.1 = (100 / 147)^2 (1 / 8 + 1 / 96) - 1 / 96
        ({"accepted_seeds": 96}, "about 20 seeds would pass it (--seeds 20); "),
        ({"accepted_seeds": 16}, "more than the 16 accepted seeds are needed to pass it: mnistlab"),
        ({"degradation": 0.0012}, BEYOND),
        ({"high": np.inf}, "more seeds do not decide it"),
        ({"reason": "all 8 seeds gave 1"}, "more seeds do not decide it"),
        # (log 5 / log 4)^2 of 8 seeds
        (
            {"metric": SPREAD, "degradation": 1.0, "high": 5.0},
            "about 11 seeds would pass it (--seeds 11); a margin of 5.00 times would pass it now",
        ),
    ],
)
def test_an_undecided_metric_says_what_would_decide_it(change, words):
    assert words in replace(UNDECIDED, **change).verdict().message


def test_the_margin_that_would_pass_is_never_rounded_below_the_bound():
    for high in np.linspace(0.00101, 0.0019, 20):
        text = replace(UNDECIDED, high=high).what_would_decide
        stated = float(text.partition("a margin of ")[2].split()[0]) / 100
        assert high < stated + 1e-12 < high + 0.00011
