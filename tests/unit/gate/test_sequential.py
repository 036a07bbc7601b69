"""The recipe gate with trainings that are drawn: each test's false alarms are below 1e-4."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.gate import sequential
from mnistlab.gate.margins import GateMetric, gate_metrics
from mnistlab.gate.plan import make_plan
from mnistlab.gate.seed_runs import SeedRun, as_columns
from mnistlab.gate.sequential import compare_at, compare_once, decision_of

IMAGES = 10_000


def gate(accepted, plan, candidate, first=0, **options):
    return sequential.run(candidate.runs, accepted, first, plan, **options)


def test_no_seed_is_trained_twice_however_large_the_budget(recipe):
    accepted = recipe.accepted(16)
    plan = make_plan(gate_metrics(accepted.columns, IMAGES, leading=1e-5), 1000, accepted)
    result = gate(accepted, plan, recipe, first=5)
    assert len(set(result.seeds)) == len(result.seeds) == 16


def test_trainings_that_are_the_accepted_ones_pass_after_two(recipe, accepted, plan):
    result = gate(accepted, plan, replace(recipe, slope=1.0), first=9)
    assert result.identical is False  # other digests
    same = sequential.run(lambda seeds: replace(recipe, slope=1).runs(seeds, 0), accepted, 9, plan)
    assert (same.decision, same.identical, same.seeds) == ("PASSED", True, (1009, 1010))
    assert same.sentence == "nothing changed: 2 of 2 trainings are bit for bit the accepted ones"
    assert {each.status for each in same.comparisons} == {"passed"}
    assert [each.degradation for each in same.comparisons if each.metric.spread] == [1]


@pytest.mark.parametrize("key", ["averaged accuracy", "final loss"])
def test_accepted_weights_with_other_metrics_are_compared_seed_by_seed(recipe, accepted, plan, key):
    def train(seeds):
        runs = replace(recipe, slope=1.0).runs(seeds, 0)
        worse = -0.02 if "accuracy" in key else 0.05
        return [
            replace(run, metrics={**run.metrics, key: run.metrics[key] + worse}) for run in runs
        ]

    result = sequential.run(train, accepted, 0, plan)
    assert (result.identical, result.decision) == (False, "FAILED")


def test_one_identical_training_of_two_proves_nothing(recipe, accepted, plan):
    def train(seeds):
        return [recipe.runs([seed], 0 if seed == 1000 else 1)[0] for seed in seeds]

    assert not sequential.run(train, accepted, 0, plan).identical


def test_a_healthy_candidate_of_other_rounding_passes_by_matched_seeds(recipe, accepted, plan):
    result = gate(accepted, plan, recipe)
    assert (result.decision, result.matched, result.identical) == ("PASSED", True, False)
    assert len(result.seeds) <= 8
    assert "(matched seeds, r = 0.9" in result.sentence


def test_a_healthy_candidate_of_other_streams_passes_as_independent_draws(recipe, accepted, plan):
    result = gate(accepted, plan, replace(recipe, slope=0.0))
    assert (result.decision, result.matched) == ("PASSED", False)
    assert "(independent seeds, r = " in result.sentence


def test_without_repeats_seeds_never_match(recipe, metrics):
    accepted = recipe.accepted(repeats=0)
    plan = make_plan(metrics, 32, accepted)
    assert set(plan.match_below) == {0}
    result = gate(accepted, plan, recipe)
    assert (result.decision, result.matched) == ("PASSED", False)


def test_identical_repeats_do_not_fail_a_healthy_candidate(recipe, metrics):
    accepted = replace(recipe, slope=1.0).accepted()
    result = gate(accepted, make_plan(metrics, 32, accepted), recipe)
    assert result.decision == "PASSED"


@pytest.mark.parametrize("slope", [0.95, 0.0])
def test_a_gross_regression_fails_at_the_first_look(recipe, accepted, plan, slope):
    result = gate(accepted, plan, replace(recipe, slope=slope, lost_accuracy=0.02))
    assert (result.decision, len(result.seeds)) == ("FAILED", 4)
    assert "points lower (99 % bound: at least" in result.sentence


@pytest.mark.parametrize("slope", [0.95, 0.0])
def test_a_regression_of_twice_the_margin_does_not_pass(recipe, accepted, plan, slope):
    result = gate(accepted, plan, replace(recipe, slope=slope, lost_accuracy=0.002))
    assert result.decision != "PASSED"


@pytest.mark.parametrize("slope", [0.95, 0.0])
def test_a_candidate_far_noisier_does_not_pass(recipe, accepted, plan, slope):
    result = gate(accepted, plan, replace(recipe, slope=slope, spread=8.0))
    assert result.decision != "PASSED"
    spread = next(each for each in result.comparisons if each.metric.spread)
    assert spread.status != "passed"
    assert spread.degradation > 4


def test_a_candidate_on_the_margin_is_undecided_when_the_budget_is_spent(recipe, accepted, plan):
    result = gate(accepted, plan, replace(recipe, slope=0.0, lost_accuracy=0.001))
    assert (result.decision, len(result.seeds)) == ("UNDECIDED", 32)
    assert "undecided after 32 seeds" in result.sentence
    open_ = [each for each in result.comparisons if each.status == "undecided"]
    furthest = max(open_, key=lambda each: each.seeds_needed)
    assert result.sentence.startswith(furthest.summary)
    assert furthest.what_would_decide in result.sentence
    assert {each.accepted_seeds for each in open_} == {96}


def test_a_candidate_better_than_the_margin_says_so(recipe, accepted, plan):
    result = gate(accepted, plan, replace(recipe, lost_accuracy=-0.006))
    assert result.decision == "PASSED"
    assert "better by more than the margin: accuracy (averaged weights)" in result.sentence
    assert result.sentence.endswith("to make that the new standard: mnistlab baseline accept")
    assert result.comparisons[0].verdict().message.endswith("; better by more than the margin")
    failed = replace(result.comparisons[1], status="failed")
    worse = replace(result, comparisons=(result.comparisons[0], failed))
    assert "better by more than the margin" in worse.sentence
    assert "the new standard" not in worse.sentence


def test_another_seed_of_the_run_trains_another_block_and_starts_over_at_the_end(
    recipe, accepted, plan
):
    assert gate(accepted, plan, recipe, first=32).seeds[0] == 1032
    assert gate(accepted, plan, recipe, first=95).seeds[:2] == (1095, 1000)
    assert gate(accepted, plan, recipe, first=3 * 32).seeds[0] == 1000


def test_a_metric_that_passed_is_not_looked_at_again(recipe, accepted, plan):
    calls = []

    def train(seeds):
        """Lose much accuracy after the first look, when the loss has passed already."""
        calls.append(len(seeds))
        better = replace(recipe, slope=0.0, lost_accuracy=0.001)
        return (better if len(calls) < 3 else replace(better, spread=9.0)).runs(seeds)

    result = sequential.run(train, accepted, 0, plan)
    early = [each for each in result.comparisons if each.seeds < len(result.seeds)]
    assert early
    assert {each.status for each in early} == {"passed"}


def test_progress_counts_the_trainings(recipe, accepted, plan):
    lines = []
    result = gate(accepted, plan, recipe, progress=lines.append)
    assert len(lines) == len(result.seeds)
    assert lines[0] == "seed 1 of at most 32"


def test_seeds_that_all_give_one_loss_fail_because_the_seed_is_not_used(recipe, accepted, plan):
    def train(seeds):
        return [replace(recipe.runs([1])[0], seed=seed) for seed in seeds]

    result = sequential.run(train, accepted, 0, plan)
    assert (result.decision, len(result.seeds)) == ("FAILED", 4)
    assert "all 4 seeds gave" in result.sentence
    assert "does the seed reach the training?" in result.sentence
    assert "r = " not in result.sentence


def constant(accepted, key, value):
    columns = {**accepted.columns, key: np.full(len(accepted.seeds), value)}
    repeats = {**accepted.repeats, key: np.full(16, value)}
    return replace(accepted, columns=columns, repeats=repeats)


@pytest.mark.parametrize(("loss", "status"), [(0.07, "passed"), (0.01, "failed")])
def test_an_accepted_loss_that_never_varied_is_compared_by_the_spread_of_the_candidate(
    recipe, accepted, plan, loss, status
):
    result = gate(constant(accepted, "averaged loss", loss), plan, recipe)
    compared = next(each for each in result.comparisons if each.metric.key == "averaged loss")
    assert compared.status == status


def test_metrics_that_never_varied_have_no_default_margin(accepted):
    accepted = constant(accepted, "averaged loss", 0.07)
    keys = {metric.key for metric in gate_metrics(accepted.columns, IMAGES)}
    assert "averaged accuracy" in keys
    assert "averaged loss" not in keys


@pytest.mark.parametrize(("recall", "decision"), [(1.0, "PASSED"), (0.9, "FAILED")])
def test_a_digit_that_is_always_read_right_can_be_compared(recipe, accepted, recall, decision):
    accepted = constant(accepted, "averaged recall of 0", 1.0)
    plan = make_plan(gate_metrics(accepted.columns, IMAGES, {"recall of 0": 0.01}), 32, accepted)

    def train(seeds):
        runs = recipe.runs(seeds)
        return [
            replace(run, metrics={**run.metrics, "averaged recall of 0": recall}) for run in runs
        ]

    assert sequential.run(train, accepted, 0, plan).decision == decision


def test_a_metric_that_is_not_finite_is_undecided_and_named(recipe, accepted, plan):
    def train(seeds):
        runs = recipe.runs(seeds)
        runs[0].metrics["final loss"] = math.nan
        return runs

    result = sequential.run(train, accepted, 0, plan)
    assert result.decision == "UNDECIDED"
    assert "loss (final weights): not a number with" in result.sentence


def test_a_metric_that_the_candidate_lacks_is_an_error_with_the_command(recipe, accepted, plan):
    def final_only(seeds):
        for run in recipe.runs(seeds):
            metrics = {key: each for key, each in run.metrics.items() if "final" in key}
            yield SeedRun(run.seed, metrics, run.digest)

    with pytest.raises(MnistlabError, match=r"has no accuracy \(averaged weights\); accept this"):
        sequential.run(final_only, accepted, 0, plan)


def test_two_accepted_states_of_the_same_seeds_are_compared_seed_by_seed(recipe, accepted, metrics):
    runs = replace(recipe, lost_accuracy=0.003).runs(accepted.seeds)
    worse = replace(accepted, columns=as_columns(runs))
    assert decision_of(compare_once(metrics, accepted, worse)) == "FAILED"
    again = compare_once(metrics, accepted, accepted)
    assert decision_of(again) == "PASSED"
    assert again[0].correlation == pytest.approx(1)


def test_two_accepted_states_of_other_seeds_are_independent_draws(recipe, accepted, metrics):
    other = recipe.accepted(40, first=5000)
    comparisons = compare_once(metrics, accepted, other)
    assert decision_of(comparisons) == "PASSED"
    assert {each.seeds for each in comparisons} == {40}
    assert abs(comparisons[0].correlation) < 0.62  # 4 standard errors of r = 0


def test_the_result_is_plain_values_for_the_report(recipe, accepted, plan):
    result = gate(accepted, plan, recipe)
    values = result.as_dict()
    assert (values["decision"], values["matched"]) == ("PASSED", True)
    assert values["seeds"] == list(result.seeds)
    assert len(values["values"]["accuracy (averaged weights)"]) == len(result.seeds)
    assert {each["status"] for each in values["metrics"]} == {"passed"}


def test_a_look_is_the_same_whatever_came_before(recipe, accepted, plan):
    columns = as_columns(recipe.runs(accepted.seeds[:4]))
    matched, comparisons = compare_at(plan, 0, columns, accepted, np.arange(4))
    result = gate(accepted, plan, recipe)
    assert matched
    for one, other in zip(comparisons, result.comparisons, strict=True):
        assert one.status != "passed" or one == other


def test_a_spread_metric_states_the_standard_deviations(recipe, accepted, plan):
    result = gate(accepted, plan, recipe)
    spread = next(each for each in result.comparisons if each.metric.spread)
    assert spread.accepted == pytest.approx(accepted.columns["averaged accuracy"].std(ddof=1))
    assert isinstance(spread.metric, GateMetric)
