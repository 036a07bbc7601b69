"""What was accepted is kept, read and held against what runs."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab import accept, baseline
from mnistlab.baseline import NoBaselineError, check, load, made_of, path_of, save
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.evaluate import Evaluation
from mnistlab.pipeline import Pipeline
from mnistlab.seeds import GAP, Seed, metrics

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 20)
IMAGES = np.zeros((200, 28, 28), np.uint8)


@pytest.fixture(scope="module")
def dataset():
    return Dataset("mnist", "a test", "ab" * 32, IMAGES, LABELS, IMAGES, LABELS)


def evaluation(rng, error):
    probabilities = np.full((200, 10), 0.01, np.float32)
    guess = np.where(rng.random(200) < error, (LABELS + 1) % 10, LABELS)
    probabilities[np.arange(200), guess] = 0.91
    return Evaluation(probabilities, LABELS)


def make(dataset, count=12, error=0.02, averaged=True, first=7):
    rng = np.random.default_rng(0)
    seeds = []
    for number in range(count):
        final = evaluation(rng, error)
        probes = {"final": metrics(final, {"size: small": np.arange(60)})}
        if averaged:
            probes["averaged"] = metrics(evaluation(rng, error), {"size: small": np.arange(60)})
            probes["final"][GAP] = 0.01
        seeds.append(Seed(first + number, probes, final))
    return made_of(Pipeline(), dataset, seeds, {"python": "3.11"}), seeds


@pytest.fixture(scope="module")
def made(dataset):
    return make(dataset)[0]


@pytest.fixture
def saved(made, tmp_path):
    path = path_of(tmp_path, "seed", "mnist")
    save(made, path)
    return path


def damaged(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


def test_what_was_saved_is_loaded(saved, made):
    found = load(saved)
    assert found.seeds == 12
    assert found.first_seed == 7
    for probe, metric in (("final", "accuracy"), ("averaged", "digit 3"), ("averaged", "size: small"), ("final", GAP)):
        assert np.array_equal(found.columns[probe][metric], made.columns[probe][metric])
    assert np.array_equal(found.predictions, made.predictions)
    assert np.array_equal(found.truth, made.truth)
    assert found.spec == made.spec


def test_truth_is_the_probability_of_the_true_digit_in_255_steps(made):
    right = made.predictions == LABELS
    assert set(made.truth[right]) == {round(0.91 * 255)}
    assert set(made.truth[~right]) == {round(0.01 * 255)}


def test_digits_and_slices_of_the_final_weights_are_kept_only_without_averaged_ones(dataset):
    assert "digit 3" not in make(dataset)[0].columns["final"]
    assert "digit 3" in make(dataset, averaged=False)[0].columns["final"]


def test_the_file_has_one_line_a_metric_and_no_trace_of_its_writing(saved):
    lines = [line for line in saved.read_text().splitlines() if '"final loss"' in line]
    assert len(lines) == 2  # its summary and its seeds
    assert [path.name for path in saved.parent.iterdir()] == ["seed-mnist.json"]


def test_a_baseline_of_256_seeds_on_10000_images_is_below_100_kb(dataset):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 10_000).astype(np.uint8)
    probes = {"final": {"accuracy": 0.0}, "averaged": {"accuracy": 0.0}}
    names = ["loss", "worst recall", "calibration error", GAP, *(f"digit {n}" for n in range(10))]
    seeds = []
    probabilities = rng.dirichlet(np.full(10, 0.03), 10_000).astype(np.float32)
    final = Evaluation(probabilities, labels)
    for number in range(256):
        probes = {p: {n: rng.random() for n in ["accuracy", *names, *"abcdefghi"]} for p in ("final", "averaged")}
        seeds.append(Seed(number, probes, final))
    text = baseline.dump(made_of(Pipeline(), dataset, seeds, {}))
    assert 50_000 < len(text) < baseline.LARGEST


def test_a_file_above_100_kb_is_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "LARGEST", 1000)
    with pytest.raises(MnistlabError, match="at most 1000: accept fewer seeds"):
        save(made, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_a_missing_baseline_says_what_to_type(tmp_path):
    with pytest.raises(NoBaselineError, match=r"seed-mnist\.json: nothing was accepted yet; type: mnistlab baseline"):
        load(path_of(tmp_path, "seed", "mnist"))


def test_text_that_is_no_json_is_named_with_its_place(saved):
    saved.write_text(saved.read_text()[:500])
    with pytest.raises(MnistlabError, match=r"damaged, .*line \d+ column \d+"):
        load(saved)


def test_bytes_that_are_no_text_are_damage(saved):
    saved.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(MnistlabError, match="damaged, 'utf-8' codec"):
        load(saved)


@pytest.mark.parametrize("content", ["[]", '{"schema": 2}', "{}"])
def test_another_schema_is_refused(saved, content):
    saved.write_text(content)
    with pytest.raises(MnistlabError, match=r"schema is .*, required 1; accept it again"):
        load(saved)


def test_a_seed_that_was_edited_is_noticed(saved):
    path = damaged(saved, lambda content: content["seeds"]["final accuracy"].__setitem__(0, 0.99))
    with pytest.raises(MnistlabError, match="'final accuracy': its seeds have mean and sd"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("spec"), "'spec' is missing"),
        (lambda c: c["summary"].pop("final loss"), "'final loss' is missing"),
        (lambda c: c["model"].pop("truth"), "'truth' is missing"),
        (lambda c: c["seeds"].__setitem__("final loss", [1, None]), "'final loss' is not a list of numbers"),
        (lambda c: c["seeds"].__setitem__("final loss", []), "'final loss' is not a list of numbers"),
        (lambda c: c["seeds"].__setitem__("final loss", "x"), "could not convert string"),
        (lambda c: (c["seeds"].update(a=[0.5]), c["summary"].update(a=[0.5, 0.0])), r"seeds \[1, 12\]|\[1, 12\] seeds"),
        (lambda c: c["seeds"].pop("final accuracy"), "required one number, and 'final accuracy'"),
        (lambda c: c["model"].__setitem__("predictions", "%%"), "'predictions' cannot be read"),
        (lambda c: c["model"].__setitem__("predictions", "eJw="), "'predictions' cannot be read"),
        (lambda c: c["model"].__setitem__("truth", c["model"]["truth"] and "eJwDAAAAAAE="), "200 predictions and 0"),
    ],
)
def test_damage_is_named(saved, change, message):
    with pytest.raises(MnistlabError, match=message):
        load(damaged(saved, change))


def test_a_baseline_of_the_same_thing_is_accepted_whatever_it_was_trained_on(made, dataset):
    check(made, Pipeline(), dataset)
    check(made, Pipeline(), Dataset("mnist", "", "cd" * 32, IMAGES[:9], LABELS[:9], IMAGES, LABELS))


def test_another_pipeline_dataset_or_test_set_is_named(made, dataset):
    other = Pipeline()
    other.name = "mine"
    with pytest.raises(MnistlabError, match="pipeline is 'seed', here it is 'mine'"):
        check(made, other, dataset)
    with pytest.raises(MnistlabError, match="dataset is 'mnist', here it is 'digits'"):
        check(made, Pipeline(), Dataset("digits", "", "", IMAGES, LABELS, IMAGES, LABELS))
    with pytest.raises(MnistlabError, match="test_sha256 is"):
        check(made, Pipeline(), Dataset("mnist", "", "", IMAGES, LABELS, IMAGES, LABELS[::-1]))


def test_another_spec_is_named_by_its_field(made, dataset):
    other = Pipeline()
    other.spec = replace(other.spec, epochs=4)
    with pytest.raises(MnistlabError, match=r"spec\.epochs is 5, here 4"):
        check(made, other, dataset)


def test_a_new_field_of_the_spec_that_says_nothing_is_no_difference(made, dataset):
    layers = [{name: value for name, value in layer.items() if name != "units"} for layer in made.spec["layers"]]
    older = replace(made, spec={**made.spec, "layers": layers[:1] + made.spec["layers"][1:]})
    assert "units" not in older.spec["layers"][0]
    check(older, Pipeline(), dataset)


def test_what_misses_its_own_requirements_is_not_accepted(dataset):
    _, seeds = make(dataset, error=0.3)
    with pytest.raises(MnistlabError, match=r"not accepted: test accuracy: measured 7\d\.\d\d %"):
        accept.refuse_unfit(Pipeline(), seeds)


def test_what_keeps_its_own_requirements_is_accepted(dataset):
    spec = SimpleNamespace(bounds=tuple(bound for bound in Pipeline.spec.bounds if bound.name == "test accuracy"))
    accept.refuse_unfit(SimpleNamespace(spec=spec), make(dataset, error=0.005)[1])


def test_too_few_seeds_are_refused_before_training():
    options = SimpleNamespace(action="accept", seeds=8)
    with pytest.raises(MnistlabError, match="too few to know a spread"):
        accept.command(options)


def test_what_is_kept_beside_the_judged_metrics_is_shown_and_its_absence_too(made):
    new = {probe: dict(found) for probe, found in made.columns.items()}
    new["averaged"]["corruption accuracy"] = np.full(12, 0.94)
    text, _ = accept.compared(replace(made, dataset="digits"), new)
    assert "corruption accuracy (averaged weights) 0.94000, was not measured: not judged" in text
    mean = f"{made.columns['final']['calibration error'].mean():.5f}"
    assert f"calibration error (final weights) {mean}, was {mean}: not judged" in text
    assert "accuracy (final weights) 0.00 points lower" in text


def test_an_accepted_baseline_is_described_with_mean_and_spread(made):
    text = accept.described(made, "x.json")
    assert "12 seeds from 7" in text
    assert f"{made.columns['final']['accuracy'].mean():.5f}" in text
