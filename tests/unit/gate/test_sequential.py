"""The recipe gate with trainings that are drawn, not trained; false alarms of the drawn tests are below 1e-4 each."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.gate import sequential as gate
from mnistlab.gate.comparison import compare_metric
from mnistlab.gate.margins import AVERAGED, DEFAULT, FINAL, NOISE, Margin, margins_for
from mnistlab.gate.seed_runs import SeedRun, columns
from mnistlab.metrics.evaluation import Evaluation

PROBES = {"averaged", "final"}
ONE = Evaluation(np.eye(10, dtype=np.float32), np.arange(10, dtype=np.uint8))
SD = {"accuracy": 0.0008, "loss": 0.002}


def drawn(rng, count, degradation=0.0, spread=1.0, first=0):
    """Draw seeds of a made-up recipe with two metrics."""
    seeds = []
    for number in range(count):
        noise = rng.standard_normal(2)
        averaged = {
            "accuracy": 0.979 - degradation + 0.0008 * noise[0],
            "loss": 0.069 + 0.002 * noise[1],
        }
        final = {"accuracy": 0.975 - degradation + 0.0016 * spread * rng.standard_normal()}
        seeds.append(SeedRun(first + number, {"averaged": averaged, "final": final}, ONE))
    return seeds


MARGINS = (
    Margin("averaged", "accuracy", 0.001, 0.0075, "a test"),
    Margin("averaged", "loss", 0.005, 0.0075, "a test"),
    Margin("final", "accuracy", 3.0, 0.003, "a test", "spread"),
)
BASELINE = columns(drawn(np.random.default_rng(99), 200))


def trainer(degradation=0.0, spread=1.0, seed=1):
    rng = np.random.default_rng(seed)
    return lambda seeds: iter(drawn(rng, len(seeds), degradation, spread, seeds[0]))


def judged(budget=32, **recipe):
    return gate.run(trainer(**recipe), 1000, BASELINE, gate.plan(MARGINS, budget, 200))


def test_looks_double_up_to_the_budget():
    assert gate.plan(MARGINS, 32, 200).looks == (8, 16, 32)
    assert gate.plan(MARGINS, 8, 200).looks == (8,)
    assert gate.plan(MARGINS, 100, 200).looks == (8, 16, 32, 64, 100)


@pytest.mark.parametrize(
    ("budget", "looks"), [(9, (9,)), (33, (8, 16, 33)), (257, (8, 16, 32, 64, 128, 257))]
)
def test_a_look_just_before_the_last_is_left_out(budget, looks):
    assert gate.plan(MARGINS, budget, 208).looks == looks


def test_a_budget_below_the_first_look_is_refused():
    with pytest.raises(MnistlabError, match="--seeds 7: the gate looks first after 8 seeds"):
        gate.plan(MARGINS, 7, 200)


def test_every_metric_spends_its_own_level_and_failing_is_divided_among_them():
    plan = gate.plan(MARGINS, 32, 200)
    assert plan.pass_levels[0] == plan.pass_levels[1]
    assert sum(plan.pass_levels[2]) < sum(plan.pass_levels[0])
    assert plan.pass_levels[0][0] < 0.0075 < sum(plan.pass_levels[0])
    assert sum(plan.fail_levels) < gate.FAIL_SPEND


def test_a_healthy_recipe_passes_with_the_seeds_it_was_given():
    result = judged()
    assert result.decision == "PASSED"
    assert result.seeds == tuple(range(1000, 1000 + len(result.seeds)))
    assert len(result.seeds) in (8, 16, 32)


def test_a_gross_regression_fails_at_the_first_look():
    result = judged(degradation=0.02)
    assert (result.decision, len(result.seeds)) == ("FAILED", 8)
    assert "points lower (99 % bound: at least" in result.sentence


def test_a_regression_of_twice_the_margin_does_not_pass():
    assert judged(degradation=0.002).decision != "PASSED"


def test_a_recipe_as_accurate_but_far_noisier_does_not_pass():
    result = judged(spread=8.0)
    assert result.decision != "PASSED"
    assert "spread of accuracy (final weights)" in result.sentence


def test_a_recipe_on_the_margin_is_undecided_when_the_budget_is_spent():
    result = judged(degradation=0.001, seed=3)
    assert (result.decision, len(result.seeds)) == ("UNDECIDED", 32)
    assert "undecided after 32 seeds" in result.sentence


def test_a_recipe_that_is_better_than_the_margin_says_so():
    result = judged(degradation=-0.006)
    assert result.decision == "PASSED"
    assert (
        "changed for the better beyond the margin: accuracy (averaged weights)" in result.sentence
    )
    assert result.sentence.endswith("to make that the new standard: mnistlab baseline accept")
    assert result.comparisons[0].verdict().message.endswith("; better by more than the margin")
    assert "the new standard" not in replace(result, decision="FAILED").sentence


def test_a_metric_that_passed_is_not_looked_at_again():
    plan = gate.plan(MARGINS, 32, 200)
    first = gate.decide(BASELINE, columns(drawn(np.random.default_rng(1), 8)), plan, 0, [])
    worse = columns(drawn(np.random.default_rng(2), 16, degradation=0.05))
    again = gate.decide(BASELINE, worse, plan, 1, first)
    passed = [number for number, comparison in enumerate(first) if comparison.status == "passed"]
    assert passed
    assert all(again[number] is first[number] for number in passed)


def test_progress_tells_the_interval_that_is_running():
    lines = []
    gate.run(trainer(), 0, BASELINE, gate.plan(MARGINS, 8, 200), lines.append)
    assert len(lines) == 8
    assert lines[0] == f"seed 1 of 8: accuracy (averaged weights) {lines[0].split()[-2]} %"
    assert "points (" in lines[-1]


def test_seeds_that_all_give_one_loss_fail_for_the_seed_is_not_used():
    same = [drawn(np.random.default_rng(1), 1)[0]] * 8
    result = gate.run(lambda seeds: iter(same), 0, BASELINE, gate.plan(MARGINS, 32, 200))
    assert (result.decision, len(result.seeds)) == ("FAILED", 8)
    assert "does the seed reach the training?" in result.sentence
    assert result.as_dict()["metrics"][0]["high"] is None


@pytest.mark.parametrize("metric", ["accuracy", "digit 1"])
def test_seeds_that_agree_in_an_accuracy_add_seeds(metric):
    margin = Margin("averaged", metric, 0.01, 0.005, "a test")
    comparison = compare_metric(
        margin, np.full(8, 0.99), np.random.default_rng(0).normal(0.99, 0.001, 50), 0.003, 1e-5
    )
    assert (comparison.status, comparison.high) == ("undecided", math.inf)
    assert comparison.verdict().measured is None
    assert "all 8 seeds gave 0.99, so their spread is not known" in comparison.summary


@pytest.mark.parametrize("margin", MARGINS)
@pytest.mark.parametrize("old", [[0.97] * 9, [0.97]])
def test_an_accepted_state_without_spread_is_what_is_blamed(margin, old):
    comparison = compare_metric(
        margin, np.random.default_rng(0).normal(0.97, 0.001, 8), np.array(old), 0.003, 1e-5
    )
    assert comparison.status == "undecided"
    assert (
        f"all {len(old)} accepted seeds gave 0.97, so nothing can be held against them"
        in comparison.summary
    )
    assert comparison.summary.endswith("accept others: mnistlab baseline accept")


def test_a_metric_that_is_not_finite_is_not_judged():
    for arms in itertools.permutations(
        [np.array([0.97, 0.98, math.nan]), np.array([0.97, 0.98, 0.99])]
    ):
        with pytest.raises(
            MnistlabError, match=r"bounds nan and nan, margin 0\.001: need low <= high"
        ):
            compare_metric(MARGINS[0], *arms, 0.003, 1e-5)


def test_a_metric_that_the_baseline_lacks_is_an_error():
    margins = (*MARGINS, Margin("averaged", "digit 7", 0.01, 0.005, "a test"))
    with pytest.raises(MnistlabError, match="the baseline has no digit 7 of the averaged weights"):
        gate.run(
            lambda seeds: (
                SeedRun(s, {p: {**m, "digit 7": 0.9} for p, m in each.metrics_of.items()}, ONE)
                for s, each in zip(seeds, trainer()(seeds), strict=True)
            ),
            0,
            BASELINE,
            gate.plan(margins, 8, 200),
        )


def test_a_recipe_without_averaged_weights_cannot_be_held_against_one_with():
    def final_only(seeds):
        return (
            SeedRun(each.seed, {"final": each.metrics_of["final"]}, ONE)
            for each in trainer()(seeds)
        )

    with pytest.raises((MnistlabError, KeyError), match="averaged"):
        gate.run(final_only, 0, BASELINE, gate.plan(MARGINS, 8, 200))


@pytest.mark.parametrize(
    ("degradation", "expected"),
    [
        (
            0.0003,
            "accuracy (averaged weights) 0.03 points lower (99 % bound: at most 0.06), margin 0.10",
        ),
        (
            -0.0003,
            "accuracy (averaged weights) 0.03 points higher (99 % bound: at most 0.00 lower), margin 0.10",
        ),
    ],
)
def test_a_finding_is_a_sentence_for_people(degradation, expected):
    from mnistlab.gate.comparison import MetricComparison

    comparison = MetricComparison(
        MARGINS[0],
        0.9787,
        0.979,
        degradation,
        degradation - 0.0009,
        degradation + 0.0003,
        "passed",
        8,
    )
    assert comparison.summary == expected


def test_the_verdict_holds_the_bound_on_the_harm_against_the_margin():
    result = judged()
    for comparison in result.comparisons:
        verdict = comparison.verdict()
        assert verdict.status == "passed"
        assert verdict.group == "regression"
        assert verdict.measured < verdict.bound


def test_losses_are_worse_when_higher_and_accuracies_when_lower():
    rng = np.random.default_rng(0)
    old, new = rng.normal(0.07, 0.002, 100), rng.normal(0.09, 0.002, 8)
    assert compare_metric(MARGINS[1], new, old, 0.003, 1e-5).degradation > 0.015
    assert compare_metric(MARGINS[0], new, old, 0.003, 1e-5).degradation < -0.015


def test_margins_lead_with_accuracy_and_take_the_one_that_was_asked_for():
    assert margins_for("mnist", PROBES)[0] == AVERAGED[0]
    assert AVERAGED[0].margin == DEFAULT
    asked = margins_for("mnist", PROBES, 0.0005)
    assert asked[0].margin == 0.0005
    assert asked[1:] == margins_for("mnist", PROBES)[1:]


def test_a_recipe_whose_fit_gives_no_average_is_judged_by_its_final_weights_alone():
    found = margins_for("mnist", {"final"})
    assert {margin.weights for margin in found} == {"final"}
    assert found[0] == FINAL[0]
    assert NOISE[1] in found
    assert {margin.weights for margin in margins_for("digits", {"final"})} == {"final"}


def test_no_two_margins_have_one_name():
    for metrics_of in (PROBES, {"final"}):
        names = [margin.name for margin in margins_for("mnist", metrics_of)]
        assert len(set(names)) == len(names)
