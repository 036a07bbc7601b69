"""What was accepted is kept, read and held against what runs."""

import hashlib
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab import cli
from mnistlab.cli import baseline as accept
from mnistlab.data.datasets import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.gate import baseline
from mnistlab.gate.baseline import (
    FIRST_SEED,
    NoBaselineError,
    check,
    facts,
    identity,
    load,
    made_of,
    path_of,
    save,
    unused_seed,
)
from mnistlab.gate.seed_runs import GAP, SeedRun, metrics
from mnistlab.metrics.evaluation import Evaluation
from mnistlab.recipe.pipeline import Pipeline
from mnistlab.recipe.spec import bounds_of

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
        metrics_of = {"final": metrics(final, {"size: small": np.arange(60)})}
        if averaged:
            metrics_of["averaged"] = metrics(evaluation(rng, error), {"size: small": np.arange(60)})
            metrics_of["final"][GAP] = 0.01
        seeds.append(SeedRun(first + number, metrics_of, final))
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
    for weights, metric in (
        ("final", "accuracy"),
        ("averaged", "digit 3"),
        ("averaged", "size: small"),
        ("final", GAP),
    ):
        assert np.array_equal(found.columns[weights][metric], made.columns[weights][metric])
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
    metrics_of = {"final": {"accuracy": 0.0}, "averaged": {"accuracy": 0.0}}
    names = ["loss", "worst recall", "calibration error", GAP, *(f"digit {n}" for n in range(10))]
    seeds = []
    probabilities = rng.dirichlet(np.full(10, 0.03), 10_000).astype(np.float32)
    final = Evaluation(probabilities, labels)
    for number in range(256):
        metrics_of = {
            p: {n: rng.random() for n in ["accuracy", *names, *"abcdefghi"]}
            for p in ("final", "averaged")
        }
        seeds.append(SeedRun(number, metrics_of, final))
    text = baseline.dump(made_of(Pipeline(), dataset, seeds, {}))
    assert 50_000 < len(text) < baseline.LARGEST


def test_a_file_above_100_kb_is_refused(made, tmp_path, monkeypatch):
    monkeypatch.setattr(baseline, "LARGEST", 1000)
    with pytest.raises(MnistlabError, match="at most 1000: accept fewer seeds"):
        save(made, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_a_missing_baseline_says_what_to_type(tmp_path):
    with pytest.raises(
        NoBaselineError,
        match=r"seed-mnist\.json: nothing was accepted yet; type: mnistlab baseline",
    ):
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
        (
            lambda c: c["seeds"].__setitem__("final loss", [1, None]),
            "'final loss' is not a list of numbers",
        ),
        (
            lambda c: c["seeds"].__setitem__("final loss", []),
            "'final loss' is not a list of numbers",
        ),
        (
            lambda c: c["seeds"].__setitem__("final loss", "x"),
            "'final loss' is not a list of numbers",
        ),
        (
            lambda c: c["seeds"].__setitem__("final loss", [float("nan")]),
            "'final loss' is not a list of numbers",
        ),
        (
            lambda c: c["seeds"].__setitem__("final accuracy", [97.5] * 12),
            "'final accuracy' is 97.5 to 97.5, required 0",
        ),
        (
            lambda c: (c["seeds"].update(a=[0.5]), c["summary"].update(a=[0.5, 0.0])),
            r"seeds \[1, 12\]|\[1, 12\] seeds",
        ),
        (lambda c: c["seeds"].pop("final accuracy"), "'final accuracy' is missing"),
        (lambda c: c["seeds"].pop("final worst recall"), "'final worst recall' is missing"),
        (lambda c: c.update(spec=None), "'spec' is None, required a table"),
        (lambda c: c.update(environment=[]), r"'environment' is \[\], required a table"),
        (lambda c: c.update(seeds=3), "'seeds' is 3, required a table"),
        (lambda c: c.update(commit=7), "'commit' is 7, required text"),
        (lambda c: c.update(first_seed="x"), "'first_seed' is 'x', required a whole number from 0"),
        (lambda c: c.update(first_seed=True), "'first_seed' is True, required a whole number"),
        (lambda c: c.update(first_seed=-1), "'first_seed' is -1, required a whole number from 0"),
        (
            lambda c: c["model"].update(predictions=baseline.pack(np.full(200, 77, np.uint8))),
            "are up to 77, required digits",
        ),
        (lambda c: c["model"].update(truth=None), "'truth' cannot be read"),
        (lambda c: c["model"].__setitem__("predictions", "%%"), "'predictions' cannot be read"),
        (lambda c: c["model"].__setitem__("predictions", "eJw="), "'predictions' cannot be read"),
        (
            lambda c: c["model"].__setitem__("truth", c["model"]["truth"] and "eJwDAAAAAAE="),
            "200 predictions and 0",
        ),
    ],
)
def test_damage_is_named(saved, change, message):
    with pytest.raises(MnistlabError, match=message):
        load(damaged(saved, change))


def test_a_baseline_of_the_same_thing_is_accepted_whatever_it_was_trained_on(made, dataset):
    check(made, identity(Pipeline(), dataset))
    check(
        made,
        identity(
            Pipeline(), Dataset("mnist", "", "cd" * 32, IMAGES[:9], LABELS[:9], IMAGES, LABELS)
        ),
    )


def test_another_pipeline_dataset_or_test_set_is_named(made, dataset):
    other = Pipeline()
    other.name = "mine"
    with pytest.raises(MnistlabError, match="pipeline is 'seed', here 'mine'"):
        check(made, identity(other, dataset))
    with pytest.raises(MnistlabError, match="dataset is 'mnist', here 'digits'"):
        check(made, identity(Pipeline(), Dataset("digits", "", "", IMAGES, LABELS, IMAGES, LABELS)))
    with pytest.raises(MnistlabError, match="test_sha256 is"):
        check(
            made,
            identity(Pipeline(), Dataset("mnist", "", "", IMAGES, LABELS, IMAGES, LABELS[::-1])),
        )


def test_another_spec_is_named_by_its_field(made, dataset):
    other = Pipeline()
    other.spec = replace(other.spec, epochs=4)
    with pytest.raises(MnistlabError, match=r"spec\.epochs is 5, here 4"):
        check(made, identity(other, dataset))


def test_a_new_field_of_the_spec_that_says_nothing_is_no_difference(made, dataset):
    layers = [
        {name: value for name, value in layer.items() if name != "units"}
        for layer in made.spec["layers"]
    ]
    older = replace(made, spec={**made.spec, "layers": layers[:1] + made.spec["layers"][1:]})
    assert "units" not in older.spec["layers"][0]
    check(older, identity(Pipeline(), dataset))


def test_what_misses_its_own_requirements_is_not_accepted(dataset):
    _, seeds = make(dataset, error=0.3)
    with pytest.raises(MnistlabError, match=r"not accepted: test accuracy: measured 7\d\.\d\d %"):
        accept.refuse_unfit(Pipeline(), seeds, "mnist")


def test_what_keeps_its_own_requirements_is_accepted(dataset):
    spec = SimpleNamespace(
        bounds=tuple(bound for bound in Pipeline.spec.bounds if bound.name == "test accuracy")
    )
    accept.refuse_unfit(SimpleNamespace(spec=spec), make(dataset, error=0.005)[1], "digits")


def test_too_few_seeds_are_refused_before_training():
    options = SimpleNamespace(action="accept", seeds=8)
    with pytest.raises(MnistlabError, match="too few to know a spread"):
        accept.run(options)


def test_an_error_of_calibration_beyond_its_bound_is_not_accepted(dataset):
    bounds = bounds_of({"test accuracy": 0.9, "expected calibration error": 0.001})
    with pytest.raises(MnistlabError, match="not accepted: expected calibration error: measured"):
        accept.refuse_unfit(
            SimpleNamespace(spec=SimpleNamespace(bounds=bounds)), make(dataset)[1], "digits"
        )


def test_seeds_that_all_agree_are_not_accepted(dataset):
    seeds = make(dataset)[1]
    same = [replace(seeds[0], seed=number) for number in range(12)]
    with pytest.raises(
        MnistlabError,
        match=r"accuracy of the averaged weights is 0\.\d+ with all 12 seeds; does the seed",
    ):
        accept.refuse_unfit(SimpleNamespace(spec=SimpleNamespace(bounds=())), same, "digits")


def test_seeds_that_were_never_used_are_found_whatever_the_damage(saved):
    text = saved.read_text()
    assert unused_seed(saved) == 7 + 12
    assert unused_seed(saved.with_name("none.json")) == FIRST_SEED
    saved.write_text(text[: text.index('"summary"')])
    assert unused_seed(saved) == 7 + baseline.LARGEST
    saved.write_text(text.replace('"first_seed": 7', '"first_seed": "x"'))
    assert unused_seed(saved) == 2 * FIRST_SEED
    saved.write_bytes(b"\xff\xfe\x00")
    assert unused_seed(saved) == 2 * FIRST_SEED


def test_which_baseline_it_was_is_known_by_its_digest(saved):
    found = facts(load(saved), saved)
    assert found["sha256"] == hashlib.sha256(saved.read_bytes()).hexdigest()
    assert (found["path"], found["first_seed"], found["seeds"]) == (str(saved), 7, 12)


@pytest.fixture
def compare(tmp_path, capsys):
    """Return a function that compares two baselines on the command line, and returns the code and what is said."""

    def compared(old, new, *further):
        for name, each in (("a.json", old), ("b.json", new)):
            save(each, tmp_path / name)
        code = cli.main(
            ["baseline", "compare", f"{tmp_path / 'a.json'}", f"{tmp_path / 'b.json'}", *further]
        )
        return code, "".join(capsys.readouterr())

    return compared


MEANS = {"accuracy": 0.96, "loss": 0.1, "worst recall": 0.9}


def drawn(rng, count=40, lost=0.0):
    means = {**MEANS, "accuracy": MEANS["accuracy"] - lost}
    return {
        weights: {name: np.round(rng.normal(mean, 0.001, count), 5) for name, mean in means.items()}
        for weights in ("final", "averaged")
    }


@pytest.fixture(scope="module")
def pair(dataset):
    """Return two baselines of the digits, whose gate has few metrics, with seeds of their own."""
    rng, made = np.random.default_rng(0), make(replace(dataset, name="digits"))[0]
    return replace(made, columns=drawn(rng)), replace(made, columns=drawn(rng), first_seed=100)


def test_comparing_ends_with_0_where_b_is_no_worse_and_with_1_where_it_is_or_may_be(compare, pair):
    code, said = compare(*pair)
    assert (code, "no metric is worse by its margin" in said, "in common" in said) == (
        0,
        True,
        False,
    )
    for lost, words in (0.1, "it is worse"), (0.01, "it may be worse"):  # the margin is 0.01
        code, said = compare(
            pair[0], replace(pair[1], columns=drawn(np.random.default_rng(1), lost=lost))
        )
        assert (code, words in said) == (1, True)


@pytest.mark.parametrize(("given", "code"), [("", 1), ("--margin=0.3", 0), ("--spec=wide.toml", 0)])
def test_comparing_is_told_the_margin_or_a_spec_with_it(
    compare, pair, tmp_path, monkeypatch, given, code
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wide.toml").write_text("[gate]\nmargin = 0.3\n")
    worse = {**pair[1].columns, "averaged": drawn(np.random.default_rng(1), lost=0.1)["averaged"]}
    assert compare(pair[0], replace(pair[1], columns=worse), *given.split())[0] == code


def test_comparing_what_has_seeds_in_common_says_so(compare, pair):
    code, said = compare(pair[0], replace(pair[1], first_seed=37))
    assert code == 0
    assert "They have 10 seeds in common" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"dataset": "mnist"},
            "dataset is 'digits', in the new one 'mnist'; only what is of one pipeline, dataset, test",
        ),
        ({"pipeline": "mine"}, "pipeline is 'seed', in the new one 'mine'"),
        ({"test_sha256": "00"}, "', in the new one '00'"),
        ({"spec": {"epochs": 4}}, "spec.batch_size is 32, in the new one None"),
    ],
)
def test_comparing_two_things_is_an_error_that_names_the_field(compare, pair, change, message):
    code, said = compare(pair[0], replace(pair[1], **change))
    assert code == 1
    assert said.startswith(f"mnistlab: {next(iter(change))}")
    assert message in said


def test_what_is_kept_beside_the_judged_metrics_is_shown_and_its_absence_too(made):
    new = {weights: dict(found) for weights, found in made.columns.items()}
    new["averaged"]["corruption accuracy"] = np.full(12, 0.94)
    text, _ = accept.compared(
        *(replace(made, dataset="digits", columns=each) for each in (made.columns, new))
    )
    assert "corruption accuracy (averaged weights) 0.94000, was not measured: not judged" in text
    mean = f"{made.columns['final']['calibration error'].mean():.5f}"
    assert f"calibration error (final weights) {mean}, was {mean}: not judged" in text
    assert "accuracy (final weights) 0.00 points lower" in text


def test_an_accepted_baseline_is_described_with_mean_and_spread(made):
    text = accept.describe_baseline(made, "x.json")
    assert "12 seeds from 7" in text
    assert f"{made.columns['final']['accuracy'].mean():.5f}" in text
