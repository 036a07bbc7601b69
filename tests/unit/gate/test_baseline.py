"""An accepted state is saved, read and compared with what runs; every damage is one line."""

import base64
import hashlib
import json
import re
import tracemalloc
import zlib
from dataclasses import replace

import numpy as np
import pytest

from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.gate import (
    Baseline,
    HealthyRange,
    NoBaselineError,
    SeedRun,
    baseline_path,
    identity,
)
from mnistlab.gate import baseline as baseline_module
from mnistlab.gate.baseline import MAX_BYTES, pack, unpack
from mnistlab.gate.seed_runs import NOISE, measure
from mnistlab.metrics import Evaluation
from mnistlab.recipe import Pipeline

LABELS = np.repeat(np.arange(10, dtype=np.uint8), 20)
IMAGES = np.zeros((200, 28, 28), np.uint8)
SLICES = {"size: small": np.arange(60)}


@pytest.fixture(scope="module")
def dataset():
    return Dataset("mnist", "a test", "ab" * 32, IMAGES, LABELS, IMAGES, LABELS)


def evaluation(rng, error=0.02):
    probabilities = np.full((200, 10), 0.01, np.float32)
    guess = np.where(rng.random(200) < error, (LABELS + 1) % 10, LABELS)
    probabilities[np.arange(200), guess] = 0.91
    return Evaluation(probabilities, LABELS)


def trained(count=12, first=7, stream=0):
    rng = np.random.default_rng(stream)
    runs = []
    for seed in range(first, first + count):
        final = evaluation(rng)
        metrics = {f"final {name}": value for name, value in measure(final, SLICES).items()}
        averaged = measure(evaluation(rng), SLICES)
        metrics |= {f"averaged {name}": value for name, value in averaged.items()}
        runs.append(SeedRun(seed, {**metrics, NOISE: -0.01}, f"{seed:016x}", final))
    return runs


@pytest.fixture(scope="module")
def made(dataset):
    runs, repeats = trained(), trained(4, stream=1)
    return Baseline.from_runs(Pipeline(), dataset, runs, repeats, {"python": "3.11"})


@pytest.fixture
def saved(made, tmp_path):
    path = baseline_path(tmp_path, "seed", "mnist")
    made.save(path)
    return path


def test_what_was_saved_is_loaded(saved, made):
    loaded = Baseline.load(saved)
    assert (loaded.seeds, loaded.first_seed, loaded.digests) == (12, 7, made.digests)
    for name in ("columns", "repeats"):
        before, after = getattr(made, name), getattr(loaded, name)
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[key], after[key]) for key in before)
    assert np.array_equal(loaded.predictions, made.predictions)
    assert np.array_equal(loaded.truth, made.truth)
    assert loaded.spec == made.spec


def test_the_gate_gets_the_accepted_seeds(made):
    accepted = made.accepted_seeds
    assert accepted.seeds == tuple(range(7, 19))
    assert accepted.digests == made.digests
    assert len(accepted.repeats["final loss"]) == 4


def test_metrics_are_kept_to_seven_decimals(made):
    values = made.columns["final true-class probability"]
    assert np.array_equal(values, np.round(values, 7))


def test_truth_is_the_probability_of_the_true_digit_in_255_steps(made):
    right = made.predictions == LABELS
    assert set(made.truth[right]) == {round(0.91 * 255)}
    assert set(made.truth[~right]) == {round(0.01 * 255)}


def test_the_file_has_one_line_a_metric_and_no_trace_of_its_writing(saved):
    lines = [line for line in saved.read_text().splitlines() if '"final loss"' in line]
    assert len(lines) == 3  # its summary, its seeds and its repeats
    assert [path.name for path in saved.parent.iterdir()] == ["seed-mnist.json"]


def test_a_changed_seed_changes_two_lines(saved, made, tmp_path):
    columns = {**made.columns, "final loss": made.columns["final loss"] + 0.01}
    other = tmp_path / "other.json"
    replace(made, columns=columns).save(other)
    pairs = zip(saved.read_text().splitlines(), other.read_text().splitlines(), strict=True)
    assert sum(one != two for one, two in pairs) == 2


def test_96_seeds_on_10000_images_stay_below_the_limit(made, tmp_path):
    rng = np.random.default_rng(0)
    columns = {key: np.round(rng.random(96), 7) for key in made.columns}
    large = replace(
        made,
        columns=columns,
        repeats={key: values[:16] for key, values in columns.items()},
        digests=tuple(f"{number:016x}" for number in range(96)),
        predictions=rng.integers(0, 10, 10_000).astype(np.uint8),
        truth=np.where(rng.random(10_000) < 0.7, 255, rng.integers(0, 256, 10_000)).astype("u1"),
    )
    large.save(tmp_path / "large.json")
    assert 50_000 < (tmp_path / "large.json").stat().st_size < MAX_BYTES == 200_000


def test_a_file_above_the_limit_is_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(baseline_module, "MAX_BYTES", 1000)
    with pytest.raises(MnistlabError, match="at most 1000: accept fewer seeds"):
        made.save(tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_a_missing_baseline_says_what_to_type(tmp_path):
    message = r"seed-mnist\.json: nothing was accepted yet; type: mnistlab baseline accept"
    with pytest.raises(NoBaselineError, match=message):
        Baseline.load(baseline_path(tmp_path, "seed", "mnist"))


def assert_damage(path, message):
    """Assert that reading gives one line with the message and the command to type."""
    with pytest.raises(MnistlabError, match=message) as caught:
        Baseline.load(path)
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith("accept it again: mnistlab baseline accept")
    assert text.startswith(f"{path}: ")


def test_text_that_is_no_json_is_named_with_its_place(saved):
    saved.write_text(saved.read_text()[:500])
    assert_damage(saved, r"damaged, .*line \d+ column \d+")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"[" * 100_000])
def test_bytes_that_are_no_json_are_damage(saved, content):
    saved.write_bytes(content)
    assert_damage(saved, "damaged, ")


@pytest.mark.parametrize("content", ["[]", '{"schema": 1}', '{"schema": "2"}', "{}", "null", "3"])
def test_another_schema_names_the_command_that_replaces_it(saved, content):
    saved.write_text(content)
    assert_damage(saved, r"schema .*, required 2; ")


DAMAGE = [
    (lambda c: c.pop("spec"), "'spec' is missing"),
    (lambda c: c.pop("repeats"), "'repeats' is missing"),
    (lambda c: c["summary"].pop("final loss"), "'final loss' is missing"),
    (lambda c: c["model"].pop("truth"), "'truth' is missing"),
    (lambda c: c["summary"].update({"final loss": "x"}), "damaged"),
    (lambda c: c["summary"].update({"final loss": [1, 2, 3]}), "damaged"),
    (
        lambda c: c["seeds"]["final accuracy"].__setitem__(0, 0.5),
        "'final accuracy': its seeds have",
    ),
    (lambda c: c["seeds"].update({"final loss": [1, None]}), "'final loss' is not a list of num"),
    (lambda c: c["seeds"].update({"final loss": [True] * 12}), "'final loss' is not a list of num"),
    (lambda c: c["seeds"].update({"final loss": []}), "'final loss' is not a list of numbers"),
    (lambda c: c["seeds"].update({"final loss": "x"}), "'final loss' is not a list of numbers"),
    (lambda c: c["seeds"].update({"final loss": {}}), "'final loss' is not a list of numbers"),
    (lambda c: c["seeds"].update({"final loss": [float("nan")]}), "'final loss' is not a list"),
    (lambda c: c["seeds"].update({"final loss": [10**400]}), "damaged"),
    (lambda c: c["seeds"].update({"final loss": [-0.1] * 12}), "required 0 to 1, of a loss from 0"),
    (lambda c: c["seeds"].update({"final accuracy": [97.5] * 12}), "'final accuracy' is 97.5"),
    (lambda c: c["seeds"].pop("final accuracy"), "accuracy and loss of the final weights are mis"),
    (lambda c: c.update(seeds={}), "accuracy and loss of the final weights are missing"),
    (lambda c: c["repeats"].pop("final loss"), "'repeats' has"),
    (lambda c: c["repeats"].update({"final loss": [0.1]}), r"'repeats' has .* of \[1, 4\] seeds"),
    (lambda c: c["repeats"].update({k: [0.5] * 13 for k in c["repeats"]}), r"\[13\] seeds"),
    (lambda c: c["digests"].pop("18"), "has 12 values for 11 digests"),
    (lambda c: c["digests"].pop("7"), "'digests' are not of 11 seeds from 7"),
    (lambda c: c.update(first_seed=8), "'digests' are not of 12 seeds from 8"),
    (lambda c: c.update(spec=None), "'spec' is None, required a table"),
    (lambda c: c.update(environment=[]), r"'environment' is \[\], required a table"),
    (lambda c: c.update(seeds=3), "'seeds' is 3, required a table"),
    (lambda c: c.update(commit=7), "'commit' is 7, required text"),
    (lambda c: c.update(first_seed="x"), "'first_seed' is 'x', required a whole number from 0"),
    (lambda c: c.update(first_seed=True), "'first_seed' is True, required a whole number"),
    (lambda c: c.update(first_seed=-1), "'first_seed' is -1, required a whole number from 0"),
    (lambda c: c["model"].update(predictions=pack(np.full(200, 77, "u1"))), "are up to 77"),
    (lambda c: c["model"].update(truth=pack(np.zeros(3, "u1"))), "200 predictions and 3 prob"),
    (lambda c: c["model"].update(truth=None), "'truth' cannot be read"),
    (lambda c: c["model"].update(predictions="%%"), "'predictions' cannot be read"),
    (lambda c: c["model"].update(predictions="eJw="), "'predictions' cannot be read"),
    (lambda c: c["model"].update(truth=c["model"]["truth"][:-8]), "'truth' cannot be read"),
]


@pytest.mark.parametrize(("change", "message"), DAMAGE)
def test_damage_is_named_in_one_line_with_the_command_to_type(saved, change, message):
    content = json.loads(saved.read_text())
    change(content)
    saved.write_text(json.dumps(content))
    assert_damage(saved, message)


def test_a_summary_whose_last_decimal_another_machine_rounds_otherwise_is_no_damage(saved):
    content = json.loads(saved.read_text())
    content["summary"]["final loss"][0] += 1e-7
    saved.write_text(json.dumps(content))
    Baseline.load(saved)


def test_a_small_text_that_unpacks_to_gigabytes_is_refused_without_the_memory():
    stream = zlib.compressobj(9)
    parts = [stream.compress(bytes(2**20)) for _ in range(64)]
    bomb = base64.b64encode(b"".join([*parts, stream.flush()])).decode()
    assert len(bomb) < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(MnistlabError, match=r"'truth' cannot be read .*more than 200000"):
            unpack(bomb, "truth")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_was_packed_is_unpacked():
    values = np.arange(256, dtype=np.uint8)
    assert np.array_equal(unpack(pack(values), "x"), values)


def test_a_baseline_of_the_same_thing_is_accepted_whatever_it_was_trained_on(made, dataset):
    made.require_identity(identity(Pipeline(), dataset))
    less = replace(dataset, sha256="cd" * 32, train_images=IMAGES[:9], train_labels=LABELS[:9])
    made.require_identity(identity(Pipeline(), less))


def test_another_pipeline_dataset_or_test_set_is_named_with_the_command(made, dataset):
    other = Pipeline()
    other.name = "mine"
    others = {
        "pipeline is 'seed', here 'mine'": identity(other, dataset),
        "dataset is 'mnist', here 'digits'": identity(Pipeline(), replace(dataset, name="digits")),
        "test_sha256 is": identity(Pipeline(), replace(dataset, test_labels=LABELS[::-1])),
    }
    for message, required in others.items():
        with pytest.raises(MnistlabError, match=re.escape(message)) as caught:
            made.require_identity(required)
        assert str(caught.value).endswith("accept it again: mnistlab baseline accept")


def test_another_spec_is_named_by_its_field(made, dataset):
    other = Pipeline()
    other.spec = replace(other.spec, epochs=4)
    with pytest.raises(MnistlabError, match=r"spec\.epochs is 5, here 4"):
        made.require_identity(identity(other, dataset))


def test_bounds_of_the_spec_are_no_identity(made, dataset):
    other = Pipeline()
    other.spec = replace(other.spec, bounds=())
    made.require_identity(identity(other, dataset))


def test_a_new_field_of_the_spec_that_is_empty_is_no_difference(made, dataset):
    first, *others = made.spec["layers"]
    first = {name: value for name, value in first.items() if value}
    assert first != made.spec["layers"][0]
    older = replace(made, spec={**made.spec, "layers": [first, *others]})
    older.require_identity(identity(Pipeline(), dataset))


def test_a_verdict_names_the_baseline_by_its_digest(saved):
    facts = Baseline.load(saved).facts(saved)
    assert facts["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert (facts["path"], facts["first_seed"], facts["seeds"]) == (str(saved), 7, 12)


RANGE = HealthyRange(0.1, 0.01, None, 0.2, "normal", 32).as_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "magic"}, "'Brier score' has the unknown rule 'magic'"),
        ({"high": None}, "'Brier score' is not a healthy range"),
        ({"mean": float("nan")}, "'Brier score' is not a healthy range"),
        ({"sd": "x"}, "damaged"),
        ({"colour": 1}, "damaged, .*colour"),
    ],
)
def test_a_figure_whose_range_cannot_be_used_is_damage(saved, change, message):
    content = json.loads(saved.read_text())
    content["figures"] = {"Brier score": RANGE}
    saved.write_text(json.dumps(content))
    assert Baseline.load(saved).figures["Brier score"].as_dict() == RANGE
    content["figures"]["Brier score"] = {**RANGE, **change}
    saved.write_text(json.dumps(content))
    assert_damage(saved, message)
