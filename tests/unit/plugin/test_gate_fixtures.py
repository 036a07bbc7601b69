"""The gates inside a run, and accepting, in full but for the training: with a pipeline that needs no Keras."""

import dataclasses
import importlib
import json
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab import cli
from mnistlab.cli import baseline as accept
from mnistlab.data.datasets import Dataset
from mnistlab.gate import error_rates as rates
from mnistlab.gate import seed_runs as seeds
from mnistlab.gate.comparison import MetricComparison
from mnistlab.gate.margins import Margin
from mnistlab.plugin import fixtures
from mnistlab.plugin import gate_fixtures as gating
from mnistlab.plugin.checker import Checker, Measurements
from mnistlab.plugin.collector import VerdictCollector

pytest_plugins = ["pytester"]
for module in ("rich.console", "rich.table", "rich.text", "scipy.stats", "mnistlab.gate.figures"):
    importlib.import_module(module)  # pytester forgets what its runs import: each would do it again

MARGIN = Margin("averaged", "accuracy", 0.001, 0.0075, "a test")


def comparison(status):
    return MetricComparison(MARGIN, 0.978, 0.979, 0.001, 0.0002, 0.0018, status, 32)


def judged(*statuses):
    measurements = Measurements()
    try:
        Checker(measurements, None).all(comparison(status).verdict() for status in statuses)
    except pytest.fail.Exception as failure:
        return measurements, str(failure)
    return measurements, ""


def test_all_verdicts_are_recorded_whatever_they_are():
    measurements, _ = judged("passed", "undecided", "failed")
    statuses = [verdict.status for verdict in measurements.verdicts]
    assert statuses == ["passed", "undecided", "failed"]


@pytest.mark.parametrize("status", ["failed", "undecided"])
def test_a_gate_that_did_not_pass_fails_its_test_with_the_sentence(status):
    _, message = judged("passed", status)
    assert message.endswith(f"margin 0.10: {status} after 32 seeds")
    assert "accuracy (averaged weights) 0.10 points lower" in message
    assert message.count("\n") == 0


def test_a_gate_that_passed_fails_nothing():
    assert judged("passed", "passed")[1] == ""


def summary_of(measurements, failure=""):
    """Hand what a test measured to a collector, as pytest does, and return its summary."""
    collector = VerdictCollector()
    measured = {"group": "regression", **dataclasses.asdict(measurements)}
    for when in ("setup", "call", "teardown"):
        failed = bool(failure) and when == "call"
        report = SimpleNamespace(
            nodeid="tests/quality/test_regression.py::test_recipe",
            when=when,
            skipped=False,
            failed=failed,
            longrepr=failure,
            mnistlab=measured,
        )
        collector.pytest_runtest_logreport(report)
    return collector.summary()


def test_an_undecided_metric_stays_undecided_in_the_record():
    summary = summary_of(*judged("undecided"))
    assert [row["status"] for row in summary["requirements"]] == ["undecided"]
    assert summary["verdict"] == "FAILED"


def test_what_the_gate_found_is_in_the_summary():
    measurements = Measurements()
    Checker(measurements, None).gate("recipe", {"decision": "PASSED"})
    assert summary_of(measurements)["gate"] == {"recipe": {"decision": "PASSED"}}


@pytest.mark.parametrize(
    ("model", "kept"), [(None, ["recipe", "other"]), ("x.keras", ["file", "other"])]
)
def test_only_the_gate_that_fits_the_subject_runs(model, kept):
    items = [
        SimpleNamespace(name="recipe", fixturenames=["check", "recipe_gate"]),
        SimpleNamespace(name="file", fixturenames=["check", "file_comparison"]),
        SimpleNamespace(name="other"),
    ]
    gating.pytest_collection_modifyitems(
        SimpleNamespace(option=SimpleNamespace(model=model)), items
    )
    assert [item.name for item in items] == kept


FAKE = """
    import numpy as np
    from dataclasses import replace
    from mnistlab.recipe.pipeline import Pipeline
    from mnistlab.recipe.spec import Spec, bounds_of

    class Model:
        def __init__(self, seed=0): self.weights = [float(seed)]
        def get_weights(self): return self.weights
        def set_weights(self, weights): self.weights = weights

    class Fake:
        name, wrong, spread = "fake", 12, 2
        spec = Spec("digits", *[None] * 5, bounds=bounds_of({"test accuracy": 0.95}))

        def prepare_images(self, images): return images.astype(np.float32) / 255
        def prepare_labels(self, labels): return np.eye(10, dtype=np.float32)[labels]
        def build(self, seed): return Model()

        def fit(self, model, images, labels, *, seed, epochs=None):
            model.set_weights([float(seed)])
            return {"averaged_weights": [seed + 0.5]}

        def predict(self, model, images):
            rng = np.random.default_rng(int(2 * model.weights[0]) if self.spread else 0)
            count = self.wrong * len(images) // 400 + (rng.integers(self.spread) if self.spread else 0)
            found = np.full((len(images), 10), 0.1 / 9, np.float32)
            rows, truth = np.arange(len(images)), np.resize(np.arange(10), len(images))
            found[rows, truth] = 0.9
            missed = rng.choice(len(images), count, replace=False)
            found[missed, truth[missed]], found[missed, (truth[missed] + 1) % 10] = 0.1 / 9, 0.9
            return found

    class Worse(Fake): wrong = 40
    class Better(Fake): wrong = 2
    class Equal(Fake): spread = 0
    class Longer(Fake): spec = replace(Fake.spec, epochs=7)
    class Same(Pipeline): pass
    class Sure(Fake): spec = replace(Fake.spec, bounds=bounds_of({"expected calibration error": 0.01}))

    class Final(Fake):
        def fit(self, model, images, labels, *, seed, epochs=None):
            super().fit(model, images, labels, seed=seed)
            return {}
"""
LABELS = np.tile(np.arange(10, dtype=np.uint8), 40)
IMAGES = np.zeros((400, 28, 28), np.uint8)
REGRESSION = Path(__file__).parents[2] / "quality" / "test_regression.py"
OPTIONS = (
    "-p",
    "mnistlab.plugin",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:cacheprovider",
    "--import-mode=importlib",
)
GATES = [
    f"quality/test_regression.py::test_{gate}_is_no_worse_than_the_accepted_one"
    for gate in ("recipe", "file")
]
ACCEPT = ("baseline", "accept", "--seeds=16", "--baselines=kept")


def prepare(folder, patch):
    """Have everything find the fakes, 400 images, and one core."""

    def dataset(name="auto", *_):
        return Dataset(
            "mnist" if name == "mnist" else "digits",
            "made up",
            "0" * 64,
            IMAGES,
            LABELS,
            IMAGES,
            LABELS,
        )

    for place in (accept, fixtures):
        patch.setattr(place, "load_dataset", dataset)
    patch.setattr(seeds, "available_cores", lambda: 1)
    patch.setattr(seeds, "CORRUPTED", 10)
    patch.setenv("COLUMNS", "100")
    patch.chdir(folder)
    (folder / "fake.py").write_text(textwrap.dedent(FAKE), encoding="utf-8")


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """Accept the healthy fake, and return what was written."""
    folder = tmp_path_factory.mktemp("accepted")
    with pytest.MonkeyPatch.context() as patch:
        prepare(folder, patch)
        assert cli.main([*ACCEPT, "--pipeline=fake.py:Fake"]) == 0
    return (folder / "kept" / "fake-digits.json").read_text()


@pytest.fixture
def lab(pytester, monkeypatch):
    """Return a function that runs, of a pipeline, the gates, or a command; it returns ``verdict.json`` or the code."""
    prepare(pytester.path, monkeypatch)
    (pytester.mkdir("quality") / "test_regression.py").write_text(
        REGRESSION.read_text("utf-8"), encoding="utf-8"
    )

    def run(pipeline, *arguments):
        if "baseline" in arguments:
            return cli.main([*arguments, f"--pipeline=fake.py:{pipeline}"])
        pytester.runpytest_inprocess(
            *OPTIONS, *GATES, "--baselines=kept", f"--pipeline=fake.py:{pipeline}", *arguments
        )
        return json.loads((pytester.path / "report" / "verdict.json").read_text("utf-8"))

    return run


@pytest.fixture
def kept(pytester, accepted):
    """Return the file in which the healthy fake was accepted."""
    (pytester.mkdir("kept") / "fake-digits.json").write_text(accepted)
    return Path("kept", "fake-digits.json")


def rows(summary, status):
    found = [
        row
        for row in summary["requirements"]
        if row["group"] == "regression" and row["status"] == status
    ]
    return {row["name"]: row["message"] for row in found}


def the_gate(summary, status):
    return rows(summary, status)["recipe is no worse than the accepted one"]


def test_a_missing_baseline_is_not_run_and_says_what_to_type(lab):
    message = the_gate(lab("Fake"), "not run")
    assert "fake-digits.json: nothing was accepted yet" in message
    assert message.endswith(
        "mnistlab baseline accept --dataset digits --pipeline fake.py:Fake --baselines kept"
    )


@pytest.mark.usefixtures("kept")
def test_a_healthy_recipe_passes_and_the_verdict_says_against_what(lab):
    summary = lab("Fake")
    gate = summary["gate"]
    assert not rows(summary, "failed")
    assert gate["recipe"]["decision"] == "PASSED"
    assert gate["baseline"]["path"] == "kept/fake-digits.json"
    assert len(gate["baseline"]["sha256"]) == 64
    assert len(gate["recipe"]["values"]["accuracy (averaged weights)"]) == len(
        gate["recipe"]["seeds"]
    )
    assert len(gate["recipe"]["levels"]["pass"]["loss (final weights)"]) == len(
        gate["recipe"]["looks"]
    )
    assert {row["improved"] for row in gate["recipe"]["metrics"]} == {False}


@pytest.mark.usefixtures("kept")
def test_a_recipe_that_got_worse_fails(lab):
    summary = lab("Worse")
    assert summary["verdict"] == "FAILED"
    assert (
        "points lower (99 % bound: at least"
        in rows(summary, "failed")["harm to accuracy (averaged weights)"]
    )


@pytest.mark.usefixtures("kept")
def test_a_better_recipe_is_proposed_where_the_gate_passed(lab):
    found = lab("Better")["gate"]["recipe"]
    assert found["metrics"][0]["improved"]
    assert found["sentence"].endswith("to make that the new standard: mnistlab baseline accept")


@pytest.mark.usefixtures("kept")
def test_a_baseline_of_another_spec_fails_and_names_the_field(lab):
    message = the_gate(lab("Longer"), "failed")
    assert (
        "baseline of fake: spec.epochs is 5, here 7; accept it again: mnistlab baseline accept --dataset"
        in message
    )


def test_a_damaged_baseline_fails_and_names_the_damage(lab, kept):
    kept.write_text(kept.read_text().replace('"final loss": [0', '"final loss": [1', 1))
    assert "damaged, 'final loss': its seeds have mean and sd" in the_gate(lab("Fake"), "failed")


def test_what_was_never_accepted_is_not_run_and_does_not_pass(lab, kept):
    content = json.loads(kept.read_text())
    for block in ("summary", "seeds"):
        del content[block]["averaged loss"]
    kept.write_text(json.dumps(content))
    summary = lab("Fake")
    assert summary["gate"]["recipe"]["decision"] == "PASSED"
    assert list(rows(summary, "not run")) == ["harm to loss (averaged weights)"]
    assert (
        "accept it again: mnistlab baseline accept --dataset digits"
        in rows(summary, "not run").popitem()[1]
    )


def test_averaged_weights_that_were_never_accepted_are_not_run(lab):
    lab("Final", *ACCEPT)
    assert set(rows(lab("Fake"), "not run")) == {
        f"harm to {name} (averaged weights)" for name in ("accuracy", "loss")
    }


def test_digits_and_slices_accepted_of_averaged_weights_are_told_but_not_asked_of_final_ones(lab):
    lab("Fake", *ACCEPT, "--dataset=mnist")
    summary = lab("Final", "--dataset=mnist")
    missing = rows(summary, "not run")
    assert len(missing) == 19
    assert {
        "harm to recall of digit 3 (final weights)",
        "harm to accuracy on size: small (final weights)",
    } < {*missing}
    assert not any(row["asked"] for row in summary["requirements"] if row["name"] in missing)
    assert missing.popitem()[1].endswith(
        "it was accepted of averaged weights alone, of which fit returns none"
    )


@pytest.fixture
def file(monkeypatch):
    """Have ``--model`` load the weights of this seed."""

    def loaded(seed):
        weights = SimpleNamespace(weights=[float(seed)])
        monkeypatch.setattr(fixtures, "load_model", lambda path: weights)
        return "--model=x.keras"

    return loaded


@pytest.mark.usefixtures("kept")
def test_the_accepted_file_passes_at_any_margin(lab, file):
    summary = lab("Fake", file(10**9), "--margin=0.0001")
    assert set(rows(summary, "passed")) == {
        "harm to accuracy, this file",
        "digits read worse, this file",
    }
    assert (summary["gate"]["file"]["decision"], summary["gate"]["file"]["identical"]) == (
        "PASSED",
        True,
    )
    assert summary["gate"]["baseline"]["path"] == "kept/fake-digits.json"
    assert lab("Longer", file(10**9))["gate"]["file"]["identical"], (
        "a file is paired whatever its recipe's spec"
    )


@pytest.mark.usefixtures("kept")
def test_a_file_that_is_worse_fails(lab, file):
    summary = lab("Worse", file(7))
    assert summary["gate"]["file"]["decision"] == "FAILED"
    assert "points lower" in rows(summary, "failed")["harm to accuracy, this file"]


def test_a_file_without_anything_accepted_is_not_run(lab, file):
    assert rows(lab("Fake", file(7)), "not run")["file is no worse than the accepted one"]


@pytest.mark.parametrize(
    ("healthy", "said"),
    [
        (0.078, "7.8 % of healthy retrainings would be called worse at a level of 1 %"),
        (
            0.0,
            "of retrainings with tanh only 33 % would be called worse: so few images tell too little",
        ),
    ],
)
def test_why_files_alone_are_paired_is_said_with_the_rate_that_shows_it(tmp_path, healthy, said):
    found = {
        "healthy": [healthy, None, None],
        "tanh": [0.33, None, None],
        "4 epochs": [0.1, None, None],
    }
    content = {"schema": rates.SCHEMA, "others": {"McNemar": {"recipes": found}}}
    rates.path_of(tmp_path, "digits").write_text(json.dumps(content))
    assert rates.mcnemar_alarms(tmp_path, "digits") == said


def test_accepting_again_takes_other_seeds_and_shows_old_against_new(lab, kept, capsys):
    first = json.loads(kept.read_text())
    assert lab("Better", *ACCEPT) == 0
    told, second = capsys.readouterr().out, json.loads(kept.read_text())
    assert "Against the 16 seeds accepted" in told
    assert (
        "no metric is worse by its margin; better beyond the margin in accuracy (averaged weights)"
        in told
    )
    assert (first["first_seed"], second["first_seed"]) == (10**9, 10**9 + 16)
    assert [path.name for path in kept.parent.iterdir()] == ["fake-digits.json"]


@pytest.mark.parametrize(
    ("damage", "first"),
    [
        (lambda text: text[:900], 10**9 + 100_000),
        (lambda text: text.replace('"schema": 1', '"schema": 0'), 10**9 + 100_000),
        (lambda text: "", 2 * 10**9),
    ],
    ids=["cut", "schema", "empty"],
)
def test_a_damaged_baseline_is_replaced_and_its_damage_told(lab, kept, capsys, damage, first):
    kept.write_text(damage(kept.read_text()))
    assert lab("Fake", *ACCEPT) == 0
    assert (
        "What was accepted before cannot be read and is replaced: kept/fake-digits.json: "
        in capsys.readouterr().out
    )
    assert json.loads(kept.read_text())["first_seed"] == first


def test_accepting_another_spec_says_that_nothing_can_be_compared(lab, kept, capsys):
    assert lab("Longer", *ACCEPT) == 0
    assert (
        "The old one is of something else: spec.epochs is 5, in the new one 7"
        in capsys.readouterr().out
    )
    assert json.loads(kept.read_text())["spec"]["epochs"] == 7


def test_accepting_shows_the_comparison_with_the_margin_of_the_spec(lab, pytester, capsys):
    (pytester.path / "wide.toml").write_text("[gate]\nmargin = 0.2\n")
    assert [lab(name, *ACCEPT, "--spec=wide.toml") for name in ("Fake", "Better")] == [0, 0]
    assert "margin 20.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Worse", "not accepted: test accuracy: measured 8"),
        ("Sure", "not accepted: expected calibration error: measured"),
        (
            "Equal",
            "not accepted: accuracy of the averaged weights is 0.97 with all 16 seeds; does the seed reach",
        ),
        (
            "Same",
            "--pipeline fake.py:Same: is named 'seed', as the published recipe, whose accepted result it would",
        ),
    ],
)
def test_what_must_not_be_accepted_is_refused_and_nothing_is_written(
    lab, pytester, capsys, name, message
):
    assert lab(name, *ACCEPT) == 1
    assert message in capsys.readouterr().err
    assert not list(pytester.path.glob("kept/*"))


def test_a_folder_that_cannot_be_written_is_told_before_the_training(lab, pytester, capsys):
    (pytester.path / "kept").touch()
    assert lab("Fake", *ACCEPT) == 1
    assert (
        "File exists; name a folder that can be written to, --baselines" in capsys.readouterr().err
    )
