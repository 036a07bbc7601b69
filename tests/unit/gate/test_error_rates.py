"""Simulated gates decide as real ones do; shares differ by chance with less than 1e-4."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mnistlab.gate import error_rates, sequential
from mnistlab.gate.error_rates import draw, shift, simulate
from mnistlab.gate.margins import gate_metrics
from mnistlab.gate.plan import make_plan
from mnistlab.gate.seed_runs import SeedRun

GATES = 400


@pytest.fixture(scope="module")
def rates(plan, accepted):
    return error_rates.error_rates(plan, accepted, GATES)


def standard_error(share, count=GATES):
    return math.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("lost", [0.0, 0.0007, 0.02])
@pytest.mark.parametrize("matched", [True, False])
def test_simulated_gates_decide_as_a_run_does_on_the_same_numbers(accepted, metrics, lost, matched):
    plan, count = make_plan(metrics, 16, accepted), 20
    rng = np.random.default_rng(3)
    blocks = (rng.integers(96, size=(count, 1)) + np.arange(16)) % 96
    same = {key: values[blocks] for key, values in accepted.columns.items()}
    new = shift(draw(accepted, 16, count, matched, seed=4)[0], plan.metrics[0], lost, accepted)
    if matched:
        noise = {key: 0.3 * values.std() for key, values in accepted.columns.items()}
        new = {key: values + rng.normal(0, noise[key], (count, 16)) for key, values in same.items()}
        new = shift(new, plan.metrics[0], lost, accepted)
    outcome = simulate(plan, accepted, new, same, seed=-1)
    for gate in range(count):

        def train(seeds, gate=gate):
            for seed in seeds:
                at = (seed - accepted.seeds[blocks[gate, 0]]) % 96
                yield SeedRun(seed, {key: each[gate, at] for key, each in new.items()}, "other")

        result = sequential.run(train, accepted, int(blocks[gate, 0]), plan)
        assert (result.decision == "PASSED") == outcome.passed[gate]
        assert (result.decision == "FAILED") == outcome.failed[gate]
        assert len(result.seeds) == outcome.seeds[gate]
        passed = [each.status == "passed" for each in result.comparisons]
        assert passed == outcome.metrics_passed[:, gate].tolist()


def test_matched_candidates_are_as_healthy_and_as_correlated_as_the_repeats(accepted):
    new, same = draw(accepted, 16, 2000, matched=True, seed=0)
    for key, values in accepted.columns.items():
        known = accepted.summary(key)
        assert new[key].std() == pytest.approx(values.std(), rel=0.1)
        assert np.corrcoef(new[key].ravel(), same[key].ravel())[0, 1] > known.slope - 0.05
        left = new[key] - known.slope * same[key]
        assert left.std(ddof=1) == pytest.approx(known.residual_sd, rel=0.05)


def test_independent_candidates_have_nothing_to_do_with_the_accepted_seeds(accepted):
    new, same = draw(accepted, 16, 2000, matched=False, seed=0)
    for key in accepted.columns:
        assert abs(np.corrcoef(new[key].ravel(), same[key].ravel())[0, 1]) < 4.5 / math.sqrt(32_000)


def test_a_metric_is_shifted_in_its_bad_direction(plan, accepted):
    new, _ = draw(accepted, 16, 50, matched=False, seed=0)
    for metric in plan.metrics:
        worse = shift(new, metric, metric.margin, accepted)
        change = worse[metric.key] - new[metric.key]
        if metric.spread:
            ratio = worse[metric.key].std() / accepted.columns[metric.key].std()
            assert ratio == pytest.approx(metric.margin)
            assert change.mean() == pytest.approx(0, abs=1e-12)
        else:
            assert np.all((change > 0) == metric.lower_is_better)
            assert np.abs(change) == pytest.approx(metric.margin)
        untouched = new.keys() - {metric.key}
        assert all(worse[key] is new[key] for key in untouched)


def test_healthy_candidates_pass_and_matched_ones_earlier(rates):
    for kind in ("matched", "independent"):
        assert rates[kind]["not passed"][0] < 0.02
    assert rates["matched"]["mean seeds"] < rates["independent"]["mean seeds"]


def test_a_loss_of_one_margin_rarely_passes_in_any_metric(rates, plan):
    assert rates["miss"].keys() == {metric.name for metric in plan.metrics}
    for metric in plan.metrics:
        # Nominal levels are a little liberal (docs of `spending`); the seeds are few.
        limit = 2 * metric.alpha
        assert rates["miss"][metric.name][0] < limit + 4.5 * standard_error(limit)


def test_the_curve_rises_from_health_to_certainty(rates):
    assert rates["curve"][0] < 0.02
    assert rates["curve"][-1] == 1
    assert min(np.diff(rates["curve"])) > -4.5 * standard_error(0.5)
    assert rates["drops"][4] == rates["margin"] == 0.001


def test_few_accepted_seeds_leave_healthy_runs_undecided_and_say_what_to_do(recipe):
    accepted = recipe.accepted(16)
    metrics = gate_metrics(accepted.columns, 10_000, leading=0.0005)
    plan = make_plan(metrics, 32, accepted)
    rates = error_rates.error_rates(plan, accepted, 100)
    assert rates["budget"] == 16
    advice = error_rates.advice(rates, metrics, accepted)
    assert len(advice) == 1
    assert "% of healthy runs with independent seeds would stay undecided" in advice[0]
    assert "margin 0.05: accept more seeds than 16" in advice[0]
    assert "--seeds" not in advice[0]


def test_a_small_budget_is_what_is_advised_against(accepted):
    metrics = gate_metrics(accepted.columns, 10_000)
    rates = error_rates.error_rates(make_plan(metrics, 4, accepted), accepted, 100)
    assert "allow more with --seeds" in error_rates.advice(rates, metrics, accepted)[0]


def test_good_rates_need_no_advice(rates, plan, accepted):
    if max(rates[kind]["not passed"][0] for kind in ("matched", "independent")) <= 0.01:
        assert error_rates.advice(rates, plan.metrics, accepted) == []


def test_without_repeats_only_independent_candidates_are_simulated(recipe):
    accepted = recipe.accepted(repeats=0)
    plan = make_plan(gate_metrics(accepted.columns, 10_000), 8, accepted)
    rates = error_rates.error_rates(plan, accepted, 50)
    assert "matched" not in rates
    assert "with independent seeds" in error_rates.sentence(rates)


def test_repeats_that_are_identical_to_the_accepted_ones_are_simulated_with_the_least_residual(
    recipe,
):
    accepted = replace(recipe, slope=1.0).accepted()
    plan = make_plan(gate_metrics(accepted.columns, 10_000), 8, accepted)
    assert error_rates.error_rates(plan, accepted, 50)["matched"]["not passed"][0] == 0


def test_rates_are_said_in_one_sentence_and_in_a_table(rates):
    text = error_rates.sentence(rates)
    assert text.startswith("healthy runs that do not pass: ")
    assert "with matched seeds (after" in text
    assert "a drop of 0.20 points is found 100 % of the time" in text
    lines = error_rates.as_table(rates)
    assert lines[0] == "margin 0.10 points, at most 32 seeds"
    assert sum("a loss of one margin" in line for line in lines) == len(rates["miss"])


def test_what_a_drop_is_found_with_is_interpolated():
    rates = {"drops": [0, 0.001, 0.002], "curve": [0.0, 0.5, 1.0]}
    assert error_rates.found_at(rates, 0.0015) == pytest.approx(0.75)
    assert error_rates.found_at(rates, 1) == 1
