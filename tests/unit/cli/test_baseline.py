"""Accepting turns what the suite measured into healthy ranges, and says what changed."""

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.cli.baseline import compare_figures, measured_figures, refuse_broken_promises
from mnistlab.cli.run_log import RunLog
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend
from mnistlab.gate import HealthyRange, SeedRun
from mnistlab.plugin import Figure, Measured
from mnistlab.recipe import Spec, bounds_of
from mnistlab.requirement import Requirement

SEEDS = range(10_000, 10_008)


def measure(seed):
    """Measure three figures of a seed, without a model."""
    rng = np.random.default_rng(seed)
    figures = {
        "test accuracy": Figure(0.97 + 0.01 * rng.random(), "lower", 400, "result::test_a"),
        "norm": Figure(33 + rng.random(), "both", None, "training::test_b"),
        "rises": Figure(int(rng.integers(3)), "higher", None, "training::test_c"),
    }
    if seed == SEEDS[0]:
        return Measured(seed, figures, True, ("training::test_of_keras",), ("labels: broken",))
    return Measured(seed, figures, whole=False)


def with_value(measured, name, value):
    figures = {**measured.figures, name: dataclasses.replace(measured.figures[name], value=value)}
    return dataclasses.replace(measured, figures=figures)


def promising(*bounds):
    return SimpleNamespace(spec=Spec(bounds=bounds))


def test_each_figure_gets_the_range_of_its_seeds(capsys):
    ranges, not_judged = measured_figures([measure(seed) for seed in SEEDS])
    assert {name: (each.rule, each.seeds) for name, each in ranges.items()} == {
        "test accuracy": ("count", 8),  # of 400 images
        "norm": ("normal", 8),
        "rises": ("root", 8),
    }
    assert not_judged == ("training::test_of_keras",)
    assert "A run of the suite on seed 10000 fails: labels: broken" in capsys.readouterr().out


def test_a_figure_that_some_seed_lacks_gets_no_range_and_is_named(capsys):
    measured = [measure(seed) for seed in SEEDS]
    measured[3] = with_value(measured[3], "norm", float("nan"))
    del measured[5].figures["rises"]
    ranges, _ = measured_figures(measured)
    assert list(ranges) == ["test accuracy"]
    output = capsys.readouterr().out
    for name in ("norm", "rises"):
        assert f"No healthy range of {name}: 1 of 8 seeds have none" in output


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        (bounds_of({"test accuracy": 0.99}), "test accuracy: measured 97.*, required at least 99"),
        (bounds_of({"norm, most": 33}), r"norm, most: measured 33\..*, required at most 33, mis"),
        (bounds_of({"test acuracy": 0.9}), "'test acuracy', for .* bound; similar: test accuracy$"),
        (bounds_of({"test accuracy": 97}), "97; required a fraction, not percent$"),
        (
            [Requirement("rises", "", 9, "at least", "", "a person")],
            r"rises: measured .*, required at least 9, .*\(mean of 8 seeds\)$",
        ),
    ],
)
def test_a_promise_that_the_seeds_miss_is_refused(bounds, message):
    measured = [with_unit(measure(seed)) for seed in SEEDS]
    with pytest.raises(MnistlabError, match=message):
        refuse_broken_promises(promising(*bounds), measured)


def with_unit(measured):
    accuracy = dataclasses.replace(measured.figures["test accuracy"], unit="fraction")
    return dataclasses.replace(measured, figures={**measured.figures, "test accuracy": accuracy})


def test_a_promise_that_the_seeds_keep_is_accepted():
    bounds = bounds_of({"test accuracy": 0.96, "norm, least": 32, "rises": 3})
    refuse_broken_promises(promising(*bounds), [measure(seed) for seed in SEEDS])


def test_figures_that_moved_beyond_their_old_range_are_named():
    low = HealthyRange(0.04, 0.003, None, 0.05, "root", 32)
    old = SimpleNamespace(figures={"Brier score": low, "norm": low, "gone": low})
    high = dataclasses.replace(low, mean=0.06, high=0.07)
    new = SimpleNamespace(figures={"Brier score": high, "norm": low, "fresh": low})
    *table, moved = compare_figures(old, new)
    assert moved == "1 of 4 figures moved beyond their old healthy range: Brier score"
    rows = {line.split("  ")[0]: line.split()[-1] for line in "\n".join(table).splitlines()[1:]}
    assert rows == {"Brier score": "moved", "norm": "0.05", "gone": "gone", "fresh": "new"}
    assert compare_figures(old, old)[-1] == "0 of 3 figures moved beyond their old healthy range"


@pytest.fixture
def calls():
    return []


@pytest.fixture
def log(tmp_path):
    """Return a function that opens the log of runs that depend on a number."""
    return lambda number=1: RunLog(tmp_path / "fake-digits.json", [number])


def test_an_interrupted_accept_measures_only_what_is_missing(log, calls, tmp_path, monkeypatch):
    monkeypatch.setattr("mnistlab.gate.seed_runs.available_cores", lambda: 1)

    def runner(seed):
        calls.append(seed)
        return measure(seed)

    first = [*log().run("figures", runner, SEEDS[:3], Backend())]
    path = tmp_path / ".fake-digits.partial.jsonl"
    with path.open("a") as file:
        file.write('{"what": "figures", "seed": 10003')  # cut off
    again = [*log().run("figures", runner, SEEDS[:5], Backend())]
    assert calls == [*SEEDS[:3], *SEEDS[3:5]]
    assert again[:3] == first
    assert json.loads(path.read_text().splitlines()[1])["what"] == "figures"
    log(2)  # of other sources
    assert len(path.read_text().splitlines()) == 1


def test_the_first_training_is_repeated_as_its_predictions_are_not_kept(log, calls, monkeypatch):
    monkeypatch.setattr("mnistlab.gate.seed_runs.available_cores", lambda: 1)

    def runner(seed):
        calls.append(seed)
        return SeedRun(seed, {"final accuracy": 0.97}, "abc")

    for _ in range(2):
        runs = [*log().run("seed", runner, SEEDS[:3], Backend())]
    assert calls == [*SEEDS[:3], SEEDS[0]]
    assert [(run.seed, run.digest) for run in runs] == [(seed, "abc") for seed in SEEDS[:3]]


def test_progress_says_how_far_it_is(log, capsys, monkeypatch):
    monkeypatch.setattr("mnistlab.gate.seed_runs.available_cores", lambda: 1)
    list(log().run("figures of seed", measure, SEEDS, Backend()))
    assert re.search("figures of seed .* 100%", capsys.readouterr().err)
