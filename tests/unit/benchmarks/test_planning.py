"""Planned numbers of seeds agree with R's power.t.test and give the power that they promise."""

import math

import numpy as np
import pytest
from planning import seeds_needed

from mnistlab.errors import MnistlabError
from mnistlab.stats import difference_bounds, moments

NAN = math.nan


def test_seeds_needed_agrees_with_rs_power_t_test():
    # R, power.t.test(n = 20, delta = 1): power = 0.8689528 (two-sided 0.05, the other side is below
    # 1e-6).
    assert seeds_needed((1, 1), 20, 1, 0.025, 0.8689) == 20
    assert seeds_needed((1, 1), 20, 1, 0.025, 0.8690) == 21
    # R, power.t.test(power = .90, delta = 1, alternative = "one.sided"): n = 17.84713.
    assert seeds_needed((2, 2), 18, 2, 0.05, 0.90) == 18


def test_a_plan_needs_at_least_two_seeds():
    assert seeds_needed((0.0008, 0.0008), 96, 1.0, 0.01, 0.99) == 2


def test_seeds_needed_gives_the_power_that_it_promises():
    random, n = np.random.default_rng(7), seeds_needed((0.002, 0.001), 96, 0.001, 0.01, 0.9)
    arms = random.normal(0, 0.002, (2000, n)), random.normal(0, 0.001, (2000, 96))
    candidate, baseline = (moments(arm) for arm in arms)
    passed = difference_bounds(candidate, baseline, 0.01, 0.01)[0] > -0.001
    error = math.sqrt(0.9 * 0.1 / 2000)
    # One seed more adds less than 0.01.
    assert 0.90 - 4.5 * error < np.mean(passed) < 0.91 + 4.5 * error


def test_no_number_of_seeds_makes_up_for_a_baseline_too_small():
    with pytest.raises(
        MnistlabError, match="5000 seeds against 8 do not suffice: need more of the baseline"
    ):
        seeds_needed((0.0008, 0.0008), 8, 0.0005, 0.01, 0.99)


@pytest.mark.parametrize(
    "arguments",
    [
        ((0, 1), 96, 1, 0.01, 0.9),
        ((1, NAN), 96, 1, 0.01, 0.9),
        ((1, 1), 1, 1, 0.01, 0.9),
        ((1, 1), 96, 0, 0.01, 0.9),
        ((1, 1), 96, 1, 0.6, 0.9),
        ((1, 1), 96, 1, 0.01, 1),
    ],
)
def test_plans_that_make_no_sense_are_refused(arguments):
    with pytest.raises(MnistlabError, match="need a number between"):
        seeds_needed(*arguments)
