"""Simulated gates on drawn pools; false alarms of the drawn tests are below 1e-4 each."""

import json

import numpy as np
import pytest

from mnistlab import gate, pools, power, power_page, rates
from mnistlab.errors import MnistlabError
from mnistlab.margins import Margin, margins_for
from mnistlab.pools import Pool, load_pools, pack, unpack
from mnistlab.seeds import GAP

MARGINS = (
    Margin("averaged", "accuracy", 0.001, 0.0075, "a test"),
    Margin("averaged", "loss", 0.005, 0.0075, "a test"),
    Margin("final", "accuracy", 3.0, 0.003, "a test", "spread"),
)


def drawn(seeds=200, harm=0.0, seed=0, wrong_share=0.025):
    rng = np.random.default_rng(seed)
    names = {margin.metric for margin in margins_for("mnist", {"averaged", "final"})} | {GAP}
    columns = {
        probe: {
            name: rng.normal(0.07 if name.startswith("loss") else 0.975, 0.0008, seeds) - harm * (name == "accuracy")
            for name in sorted(names)
        }
        for probe in ("averaged", "final")
    }
    return Pool(columns, rng.random((seeds, 2000)) < wrong_share)


HEALTHY = drawn()


def test_simulated_gates_decide_as_the_gate_does():
    plan = gate.plan(MARGINS, 32, 100)
    weak = drawn(harm=0.0005, seed=1)
    found = power.simulate(weak.columns, HEALTHY.columns, plan, (40, 100), seed=5)
    rng = np.random.default_rng(5)
    new, old = (rng.integers(200, size=size) for size in ((40, 32), (40, 100)))
    for number in range(40):
        baseline = {p: {n: v[old[number]] for n, v in m.items()} for p, m in HEALTHY.columns.items()}
        readings = []
        for look, count in enumerate(plan.looks):
            arm = {p: {n: v[new[number, :count]] for n, v in m.items()} for p, m in weak.columns.items()}
            readings = gate.decide(baseline, arm, plan, look, readings)
            statuses = {reading.status for reading in readings}
            if "failed" in statuses or statuses == {"passed"}:
                break
        assert found.failed[number] == ("failed" in statuses)
        assert found.passed[number] == (statuses == {"passed"})
        assert found.seeds[number] == count
    assert 0 < found.passed.sum() < 40  # else nothing was compared


def test_healthy_gates_pass_and_gross_regressions_fail_at_the_first_look():
    plan = gate.plan(MARGINS, 32, 100)
    assert power.simulate(HEALTHY.columns, HEALTHY.columns, plan, (500, 100)).passed.mean() > 0.98
    worse = power.shifted(HEALTHY.columns, {("averaged", "accuracy"): 0.02})
    found = power.simulate(worse, HEALTHY.columns, plan, (500, 100))
    assert found.failed.all()
    assert set(found.seeds) == {8}
    assert found.blame["accuracy (averaged weights)"] == 1


def test_a_baseline_that_was_lucky_raises_more_alarms():
    plan = gate.plan(MARGINS, 16, 200)
    lucky = power.shifted(HEALTHY.columns, {("averaged", "accuracy"): -0.0003})
    fair, unfair = (power.simulate(HEALTHY.columns, each, plan, (500, 0)) for each in (HEALTHY.columns, lucky))
    assert unfair.passed.mean() < fair.passed.mean() - 0.1


def test_seeds_that_agree_decide_nothing():
    bounds = power.harm_bounds(MARGINS[0], np.full((2, 8), 0.98), np.zeros((2, 9)), (0.01, 0.01))
    assert np.isposinf(bounds[0]).all()
    assert np.isneginf(bounds[1]).all()


def test_shifting_makes_losses_higher_and_accuracies_lower():
    moved = power.shifted(HEALTHY.columns, {("averaged", "loss"): 0.01, ("final", "accuracy"): 0.02})
    assert (moved["averaged"]["loss"] - HEALTHY.columns["averaged"]["loss"]).mean() == pytest.approx(0.01)
    assert (moved["final"]["accuracy"] - HEALTHY.columns["final"]["accuracy"]).mean() == pytest.approx(-0.02)
    assert moved["averaged"]["accuracy"] is HEALTHY.columns["averaged"]["accuracy"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_normal_recipes_on_the_margin_pass_at_most_1_percent(number):
    plan = gate.plan(MARGINS, 32, 100)
    found = power.miss_rate(HEALTHY.columns, plan, MARGINS[number], (4000, 100))
    assert found.estimate > 0.0003
    assert found.low < 0.01  # and 95 % of the interval's width above it, 4 standard errors


def test_mcnemar_keeps_its_level_where_only_the_images_are_random():
    found = power.mcnemar_rejections(HEALTHY, HEALTHY, 0.05)
    assert found.size == 200 * 199
    assert 0.005 < found.mean() < 0.05  # exact, so conservative
    assert power.mcnemar_rejections(HEALTHY, HEALTHY, 0.05, drop=0.05).all()


def test_what_is_packed_is_unpacked():
    wrong = HEALTHY.wrong[:13]
    assert np.array_equal(unpack(pack(wrong), 13, 2000), wrong)
    assert unpack("", 0, 2000).shape == (0, 2000)


def saved(path, found):
    content = {
        name: {
            "seeds": pool.seeds,
            "wrong": pack(np.pad(pool.wrong, ((0, 0), (0, pools.IMAGES - 2000)))),
            "probes": {p: {n: v.tolist() for n, v in m.items()} for p, m in pool.columns.items()},
        }
        for name, pool in found.items()
    }
    path.write_text(json.dumps(content))
    return path


def test_pools_are_read_healthy_first(tmp_path):
    path = saved(tmp_path / "pools.json", {"weak": drawn(5), "healthy": drawn(6)})
    found = load_pools(path)
    assert list(found) == ["healthy", "weak"]
    assert (found["healthy"].seeds, found["weak"].seeds) == (6, 5)
    assert np.array_equal(found["weak"].columns["final"]["loss"], drawn(5).columns["final"]["loss"])


def test_missing_and_damaged_pools_say_how_to_make_them(tmp_path):
    with pytest.raises(MnistlabError, match=r"there are no pools; make them: python benchmarks/pools\.py"):
        load_pools(tmp_path / "no.json")
    path = saved(tmp_path / "pools.json", {"healthy": drawn(6)})
    path.write_text(path.read_text().replace('"seeds": 6', '"seeds": 7'))
    with pytest.raises(MnistlabError, match=r"damaged, healthy: metrics of \[6\] seeds, not of 7"):
        load_pools(path)


@pytest.fixture(scope="module")
def measured():
    return {
        **rates.measure(
            {"healthy": HEALTHY, "weak": drawn(harm=0.002, seed=1)}, (0.001, 32), (200, 100), drawn(100, seed=7).columns
        )
    }


def test_rates_of_healthy_and_weakened_recipes_are_measured(measured):
    healthy, weak = measured["recipes"]
    assert healthy["not passed"][0] < 0.1 < 0.9 < weak["not passed"][0]
    assert "accuracy (averaged weights)" in weak["seen by"]
    assert weak["averaged accuracy"] < healthy["averaged accuracy"]
    assert measured["curve"][0] < 0.1 < 0.99 < measured["curve"][20]


def test_rates_are_stated_in_one_sentence(measured):
    text = rates.sentence(measured)
    assert text.startswith("of 1000 simulated gates on healthy trainings")
    assert "a recipe 0.10 points worse passes" in text
    assert "a drop of 0.20 points is found" in text


def test_the_rates_of_another_gate_are_not_this_ones(measured, tmp_path):
    with pytest.raises(MnistlabError, match=r"no measured error rates .*; type: mnistlab power"):
        rates.load(tmp_path, "mnist", (0.001, 32, 100))
    rates.path_of(tmp_path, "mnist").write_text(json.dumps({"schema": 1, "gates": [measured], "others": {}}))
    assert rates.load(tmp_path, "mnist", (0.001, 32, 100)) == json.loads(json.dumps(measured))
    with pytest.raises(MnistlabError, match=r"not measured; type: mnistlab power --margin 0\.001 --seeds 64"):
        rates.load(tmp_path, "mnist", (0.001, 64, 100))
    assert rates.load_others(tmp_path, "mnist") == {}


def test_page_states_every_table(measured):
    found = {"healthy": HEALTHY, "weak": drawn(harm=0.002, seed=1)}
    others = rates.others(found, (200, 100))
    smallest = list(rates.smallest(found, (8, 32), (200, 100)))
    assert smallest[1]["margin"] < smallest[0]["margin"]
    content = {"gates": [measured], "others": others, "smallest": smallest}
    page = power_page.page(content, found)
    for heading in (
        "The recipe gate",
        "Real recipes, side by side",
        "The smallest drop",
        "Misses, metric by metric",
        "What was",
    ):
        assert f"## {heading}" in page
    assert "| weak | +0.2" in page
    assert (
        "| margin 0.10, 8 to 32 seeds (the default) | a drop of two margins passes: at most 1 % | 0 % | yes |" in page
    )
    assert "| 0 | 0 (+0.00) | 100 % |" in page
    assert others["threshold"]["recipes"]["healthy"][0] == 0
