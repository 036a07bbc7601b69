"""Simulated gates on drawn pools; false alarms of the drawn tests are below 1e-4 each."""

import argparse
import dataclasses
import json
from pathlib import Path

import error_rates as power_command
import error_rates_page as power_page
import error_rates_study as measure
import numpy as np
import pytest
from error_rates_study import mcnemar_rejections, missed, newly, shifted
from pools import Pool, Pools, load_pools, pack_wrong, path_of, unpack_wrong

from mnistlab.errors import MnistlabError
from mnistlab.gate import error_rates as rates
from mnistlab.gate import sequential as gate
from mnistlab.gate.baseline import pack
from mnistlab.gate.error_rates import simulate
from mnistlab.gate.margins import Margin, margins_for
from mnistlab.gate.seed_runs import GAP

MARGINS = (
    Margin("averaged", "accuracy", 0.001, 0.0075, "a test"),
    Margin("averaged", "loss", 0.005, 0.0075, "a test"),
    Margin("final", "accuracy", 3.0, 0.003, "a test", "spread"),
)


def drawn(seeds=200, harm=0.0, seed=0, wrong_share=0.025):
    rng = np.random.default_rng(seed)
    names = {margin.metric for margin in margins_for("mnist", {"averaged", "final"})} | {GAP}
    columns = {
        weights: {
            name: rng.normal(0.07 if name.startswith("loss") else 0.975, 0.0008, seeds)
            - harm * (name == "accuracy")
            for name in sorted(names)
        }
        for weights in ("averaged", "final")
    }
    return Pool(columns, rng.random((seeds, 2000)) < wrong_share)


HEALTHY = drawn()


def coarse(pool, metric):
    """Return columns in which many seeds have one value of a metric, as with 360 test images."""
    values = pool.columns["averaged"][metric]
    ties = np.where(np.arange(len(values)) % 5, values.mean(), values)
    return {**pool.columns, "averaged": {**pool.columns["averaged"], metric: ties}}


@pytest.mark.parametrize("metric", ["accuracy", "loss"])
def test_simulated_gates_decide_as_the_gate_does(metric):
    plan = gate.plan(MARGINS, 32, 100)
    weak = coarse(drawn(harm=0.0005, seed=1), metric)
    found = simulate(weak, HEALTHY.columns, plan, (40, 100), seed=5)
    rng = np.random.default_rng(5)
    new, old = (rng.integers(200, size=size) for size in ((40, 32), (40, 100)))
    ties = 0
    for number in range(40):
        baseline = {
            p: {n: v[old[number]] for n, v in m.items()} for p, m in HEALTHY.columns.items()
        }
        comparisons = []
        for look, count in enumerate(plan.looks):
            arm = {p: {n: v[new[number, :count]] for n, v in m.items()} for p, m in weak.items()}
            comparisons = gate.decide(baseline, arm, plan, look, comparisons)
            ties += any(comparison.unknown for comparison in comparisons)
            decision = gate.decision_of(comparisons)
            if decision != "UNDECIDED":
                break
        assert found.failed[number] == (decision == "FAILED")
        assert found.passed[number] == (decision == "PASSED")
        assert found.seeds[number] == count
    assert 0 < found.passed.sum() < 40  # else nothing was compared
    assert ties  # seeds that agree


def test_healthy_gates_pass_and_gross_regressions_fail_at_the_first_look():
    plan = gate.plan(MARGINS, 32, 100)
    assert simulate(HEALTHY.columns, HEALTHY.columns, plan, (500, 100)).passed.mean() > 0.98
    worse = shifted(HEALTHY.columns, {("averaged", "accuracy"): 0.02})
    found = simulate(worse, HEALTHY.columns, plan, (500, 100))
    assert found.failed.all()
    assert set(found.seeds) == {8}
    assert found.blame["accuracy (averaged weights)"] == 1


def test_a_baseline_that_was_lucky_raises_more_alarms():
    plan = gate.plan(MARGINS, 16, 200)
    lucky = shifted(HEALTHY.columns, {("averaged", "accuracy"): -0.0003})
    fair, unfair = (
        simulate(HEALTHY.columns, each, plan, (500, 0)) for each in (HEALTHY.columns, lucky)
    )
    assert unfair.passed.mean() < fair.passed.mean() - 0.1


def test_shifting_makes_losses_higher_and_accuracies_lower():
    moved = shifted(HEALTHY.columns, {("averaged", "loss"): 0.01, ("final", "accuracy"): 0.02})
    assert (
        moved["averaged"]["loss"] - HEALTHY.columns["averaged"]["loss"]
    ).mean() == pytest.approx(0.01)
    assert (
        moved["final"]["accuracy"] - HEALTHY.columns["final"]["accuracy"]
    ).mean() == pytest.approx(-0.02)
    assert moved["averaged"]["accuracy"] is HEALTHY.columns["averaged"]["accuracy"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_normal_recipes_on_the_margin_pass_at_most_1_percent(number):
    plan = gate.plan(MARGINS, 32, 100)
    share = missed(HEALTHY.columns, plan, MARGINS[number], (4000, 100)).mean()
    assert 0.0003 < share < 0.01 + 2 * (0.01 / 4000) ** 0.5


def test_mcnemar_keeps_its_level_where_only_the_images_are_random():
    found, dropped = mcnemar_rejections(HEALTHY, HEALTHY, 0.05, (0, 0.05))
    assert found.size == 200 * 199
    assert 0.005 < found.mean() < 0.05  # exact, so conservative
    assert dropped.all()


def test_images_are_counted_that_only_one_of_two_trainings_misreads():
    wrong = np.array([[True, True, False, False], [True, False, True, True]])
    worse, better = newly(wrong[:1], wrong)
    assert worse.tolist() == [0, 1]
    assert better.tolist() == [0, 2]
    assert [each.tolist() for each in newly(wrong, wrong)] == [[1, 2], [2, 1]]


def test_what_is_packed_is_unpacked():
    wrong = HEALTHY.wrong[:13]
    assert np.array_equal(unpack_wrong(pack_wrong(wrong), 13), wrong)


LABELS = np.arange(2000).astype(np.uint8) % 10
POOLS = Pools("mnist", LABELS, {"healthy": HEALTHY, "weak": drawn(harm=0.002, seed=1)})


def saved(folder, found):
    recipes = {
        name: {
            "seeds": pool.seeds,
            "wrong": pack_wrong(pool.wrong),
            "probes": {p: {n: v.tolist() for n, v in m.items()} for p, m in pool.columns.items()},
        }
        for name, pool in found.items()
    }
    path_of(folder, "mnist").write_text(json.dumps({"labels": pack(LABELS), "recipes": recipes}))
    return path_of(folder, "mnist")


def test_pools_are_read_healthy_first(tmp_path):
    saved(tmp_path, {"weak": drawn(5), "healthy": drawn(6)})
    found = load_pools(tmp_path, "mnist")
    assert list(found.recipes) == ["healthy", "weak"]
    assert (found.healthy.seeds, found.recipes["weak"].seeds) == (6, 5)
    assert np.array_equal(
        found.recipes["weak"].columns["final"]["loss"], drawn(5).columns["final"]["loss"]
    )
    assert np.array_equal(found.labels, LABELS)


def test_missing_and_damaged_pools_say_how_to_make_them(tmp_path):
    with pytest.raises(
        MnistlabError,
        match=r"there are no pools; make them: python benchmarks/train_pools\.py --dataset digits",
    ):
        load_pools(tmp_path, "digits")
    path = saved(tmp_path, {"healthy": drawn(6)})
    path.write_text(path.read_text().replace('"seeds": 6', '"seeds": 7'))
    with pytest.raises(MnistlabError, match=r"damaged, healthy: metrics of \[6\] seeds, not of 7"):
        load_pools(tmp_path, "mnist")
    path.write_text(
        path.read_text()
        .replace('"seeds": 7', '"seeds": 6')
        .replace(pack(LABELS), pack(LABELS[:-1]))
    )
    with pytest.raises(
        MnistlabError, match="damaged, predictions of other images than the 1999 labels"
    ):
        load_pools(tmp_path, "mnist")


ACCEPTED = drawn(100, seed=7).columns
PLAN = gate.plan(margins_for("mnist", {"averaged", "final"}), 32, 100)


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "RESAMPLES", 10)
        return measure.measure(POOLS, PLAN, ACCEPTED, (100, 100))


def test_rates_of_healthy_and_weakened_recipes_are_measured(measured):
    healthy, weak = measured["recipes"]
    assert healthy["not passed"][0] < 0.1 < 0.9 < weak["not passed"][0]
    assert "accuracy (averaged weights)" in weak["seen by"]
    assert weak["averaged accuracy"] < healthy["averaged accuracy"]
    assert measured["curve"][0] < 0.1 < 0.99 < measured["curve"][20]
    assert measured["one look"][0] <= healthy["not passed"][0]
    assert measured["other seeds"][0] < 0.1


def test_rates_are_stated_in_one_sentence(measured):
    text = rates.sentence(measured)
    assert text.startswith("of 500 simulated gates on healthy trainings")
    assert "a recipe 0.10 points worse passes" in text
    assert "a drop of 0.20 points is found" in text
    assert f"({100 * measured['committed'][0]:.2g} % against this very baseline" in text


@pytest.mark.parametrize("margin", [0.0005, 0.001, 0.005])
def test_curves_reach_beyond_twice_the_margin_and_nothing_is_told_beyond_them(margin):
    values = np.random.default_rng(3).normal(0.979, 0.0008, 200)
    lone = gate.plan((Margin("averaged", "accuracy", margin, 0.0075, "a test"),), 16, 100)
    found = measure._curve({"averaged": {"accuracy": values}}, lone, measure.LEADING, (50, 100))
    assert rates.found_at(found, 2 * margin) > 0.98
    with pytest.raises(
        MnistlabError, match=r"a drop of 10 points: measured to .*; type: python benchmarks"
    ):
        rates.found_at(found, 0.1)


def test_rates_with_other_trainings_lie_around_those_of_the_trainings_that_there_are(measured):
    assert (
        len(measured["resampled"]) == 4
    )  # of the pool and of all, against drawn baselines and that in use
    for each in measured["resampled"]:
        for name in ("not passed", "miss"):
            estimate, low, high = each[name]
            assert 0 <= low <= estimate <= high <= 1
            assert high > 0  # 2000 gates without an alarm do not tell that there are none


def test_the_rates_of_another_gate_are_not_this_ones(measured):
    assert rates.of_gate({"gates": [measured]}, PLAN, ACCEPTED) == measured
    spent = dataclasses.replace(PLAN.margins[0], alpha=0.005)
    others = gate.plan(PLAN.margins, 64, 100), gate.plan((spent, *PLAN.margins[1:]), 32, 100)
    for other in others:
        with pytest.raises(
            MnistlabError, match=r"not measured; type: python benchmarks/.* --margin 0\.001 --seeds"
        ):
            rates.of_gate({"gates": [measured]}, other, ACCEPTED)


@pytest.mark.parametrize("dataset", ["mnist", "digits"])
def test_the_committed_rates_are_those_of_the_gates_as_they_are_now(dataset):
    found = rates.load(Path(__file__).parents[3] / "baselines", dataset)
    for each in found["gates"]:
        margins = margins_for(dataset, {"averaged", "final"}, each["margin"])
        assert each["plan"] == rates.plan_digest(
            gate.plan(margins, each["budget"], each["baseline_seeds"])
        )


def test_other_accepted_seeds_than_those_that_were_measured_are_told_so(measured):
    found = rates.of_gate({"gates": [measured]}, PLAN, drawn(100, seed=8).columns)
    assert found["committed"] is None
    assert "(not measured against this very baseline" in rates.sentence(found)


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 1}', "[]"])
def test_rates_that_cannot_be_read_say_what_to_type(content, tmp_path):
    rates.path_of(tmp_path, "mnist").write_text(content)
    with pytest.raises(
        MnistlabError, match=r"no measured error rates .*; type: python benchmarks/error_rates.py"
    ):
        rates.load(tmp_path, "mnist")
    assert rates.mcnemar_alarms(tmp_path, "mnist").startswith("far more than 1 % of healthy")


def test_a_digit_of_a_file_is_named_the_more_the_more_it_lost():
    found = measure.digits_of_files(POOLS, 300)
    assert found["equally good"][0] <= 0.01 + 3 * (0.01 / 300) ** 0.5
    named = [each["otherwise"][0] for each in found["named"]]
    assert named == sorted(named)
    assert found["named"][0]["same"] == [0, 0, 0]  # one image of 200
    assert measure.digits_of_files(POOLS, 300) == found


def test_more_seeds_keep_to_smaller_margins_and_find_smaller_drops():
    leading = margins_for("mnist", {"averaged", "final"})[0]
    few, many = measure.smallest(HEALTHY.columns, leading, (8, 32), (100, 50))
    assert many["margin"] < few["margin"]
    assert many["drop"] < few["drop"]
    assert 7 <= few["planned"] <= 10


COMPLETE = [
    {"recipe": "healthy", "margin": 0.001, "budget": 32, "decision": "PASSED", "seeds": 8}
] * 3
COMPLETE += [{"recipe": "tanh", "margin": 0.001, "budget": 32, "decision": "FAILED", "seeds": 16}]


@pytest.fixture(scope="module")
def found(measured):
    leading = margins_for("mnist", {"averaged", "final"})[0]
    gates = [
        {**measured, "margin": margin, "budget": budget} for margin, budget, _ in power_page.TARGETS
    ]
    gates.append(
        {
            **gates[1],
            "committed": None,
            "resampled": measured["resampled"][:2],
            "baseline_seeds": 96,
        }
    )
    return {
        "schema": rates.SCHEMA,
        "gates": gates,
        "others": measure.others(POOLS, leading, 0.97, (50, 100)),
        "smallest": [
            {"budget": 8, "margin": 0.0017, "drop": 0.00145, "mean seeds": 8.0, "planned": 9}
        ],
        "files": measure.digits_of_files(POOLS, 100),
    }


def test_page_states_every_table(found):
    assert found["others"]["threshold"]["recipes"]["healthy"][0] == 0
    page = power_page.page({"mnist": found, "digits": found}, COMPLETE)
    for heading in (
        "What was to be reached",
        "With other trainings",
        "The recipe gate",
        "Probability not to pass against the true drop",
        "Real recipes, side by side",
        "Complete gates on fresh seeds",
        "The smallest drop that is found",
        "Misses, metric by metric",
        "The gate on a file",
        "The gate on the digits",
    ):
        assert f"\n## {heading}\n" in page
    assert "| weak | +0.2" in page
    setting = f"| margin 0.10, at most 32 seeds, {32 * power_page.SECONDS:.0f} s "
    reached = f"{setting}| a drop of two margins passes: at most 1 % | 0 % | - | yes |"
    assert reached in page
    assert "| healthy | 3 | 3 | 0 | 0 | 0 % (0 to 56.1) | 8.0 |" in page
    assert "| tanh | 1 | 0 | 1 | 0 | 100 % (20.7 to 100) | 16.0 |" in page
    assert "| 0 | 0 (+0.00) | 100 % | 0 % |" in page


def test_power_writes_rates_page_and_picture_and_counts_complete_gates(
    found, tmp_path, monkeypatch
):
    monkeypatch.setattr(power_command, "measured", lambda options, dataset: found)
    (tmp_path / "gates.jsonl").write_text("".join(json.dumps(row) + "\n" for row in COMPLETE))
    options = argparse.Namespace(
        dataset="digits", baselines=tmp_path, pools=tmp_path, docs=tmp_path, gates=9
    )
    with pytest.raises(MnistlabError, match=r"power-mnist\.json: no measured error rates"):
        power_command.command(options)
    options.dataset = "all"
    assert power_command.command(options) == 0
    assert rates.load(tmp_path, "digits") == json.loads(json.dumps(found))
    assert "| tanh | 1 | 0 | 1 | 0 |" in (tmp_path / "power.md").read_text()
    assert (tmp_path / "power.png").read_bytes()[:4] == b"\x89PNG"


def test_without_gates_the_page_is_written_anew_of_what_was_measured(found, tmp_path):
    rates.path_of(tmp_path, "mnist").write_text(json.dumps(found))
    options = argparse.Namespace(
        dataset="all", baselines=tmp_path, pools=tmp_path, docs=tmp_path, gates=0
    )
    assert power_command.command(options) == 0
    assert "\n## The recipe gate\n" in (tmp_path / "power.md").read_text()
    assert "The gate on the digits" not in (tmp_path / "power.md").read_text()


@pytest.mark.parametrize(
    ("got", "answer"), [([0.1, 0.2], "yes"), ([0.1, 0.4], "open"), ([0.4, 0.5], "**no**")]
)
def test_a_target_is_reached_only_if_it_is_with_other_trainings_too(got, answer):
    assert power_page._answer(got, 0.3) == answer


def test_seeds_and_seconds_on_the_page_follow_from_one_figure(found, monkeypatch):
    monkeypatch.setattr(power_page, "SECONDS", 2)
    page = power_page.page({"mnist": found}, COMPLETE)
    assert "takes 2 s" in page
    assert "in 60 s there are 30." in page
    assert "at most 64 seeds, 128 s" in page
