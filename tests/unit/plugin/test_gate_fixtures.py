"""Both gates inside a run, and accepting, complete but for the training: the model is a fake."""

import contextlib
import dataclasses
import functools
import importlib
import inspect
import io
import json
import runpy
import textwrap
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab import cli, loading
from mnistlab.cli import baseline as accept_module
from mnistlab.cli import power, shared
from mnistlab.data import Dataset
from mnistlab.gate import GateMetric, MetricComparison, error_rates, plan, seed_runs
from mnistlab.metrics import Evaluation, calibration
from mnistlab.plugin import Figure, Measured, fixtures, gate_fixtures
from mnistlab.plugin.checker import Checker, Measurements
from mnistlab.plugin.collector import VerdictCollector
from mnistlab.recipe import Pipeline

pytest_plugins = ["pytester"]
for module in ("rich.console", "rich.table", "rich.text", "scipy.stats", "mnistlab.gate.figures"):
    importlib.import_module(module)  # pytester forgets what its runs import

METRIC = GateMetric("averaged accuracy", 0.001, "a test", 0.0075)
FIRST = 10_000


def judged(*statuses):
    numbers = 0.978, 0.979, 0.001, 0.0002, 0.0018
    comparisons = [MetricComparison(METRIC, *numbers, status, 32, 0.9) for status in statuses]
    measurements = Measurements()
    try:
        Checker(measurements, None).all(each.verdict() for each in comparisons)
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
    assert f"margin 0.10: {status} after 32 seeds" in message
    assert "accuracy (averaged weights) 0.10 points lower" in message
    assert message.count("\n") == 0


def test_a_gate_that_passed_fails_nothing():
    assert judged("passed", "passed")[1] == ""


def summary_of(measurements, failure=""):
    """Give a collector what a test measured, as pytest does, and return its summary."""
    collector = VerdictCollector()
    measured = {"group": "regression", **dataclasses.asdict(measurements)}
    for when in ("setup", "call", "teardown"):
        report = SimpleNamespace(
            nodeid="tests/quality/test_regression.py::test_recipe",
            when=when,
            skipped=False,
            failed=bool(failure) and when == "call",
            longrepr=failure,
            mnistlab=measured,
        )
        collector.pytest_runtest_logreport(report)
    return collector.summary()


def test_an_undecided_metric_stays_undecided_in_the_verdict():
    summary = summary_of(*judged("undecided"))
    assert [row["status"] for row in summary["requirements"]] == ["undecided"]
    assert summary["verdict"] == "FAILED"


def test_the_findings_of_a_gate_are_in_the_summary():
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
    config = SimpleNamespace(option=SimpleNamespace(model=model), stash=pytest.Stash())
    gate_fixtures.pytest_collection_modifyitems(config, items)
    assert [item.name for item in items] == kept


def options_told(dataset, **given):
    """Return the options that accept what a run of the published recipe was told."""
    names = ("pipeline", "spec", "model", "baselines", "mnist_data")
    config = SimpleNamespace(option=SimpleNamespace(**{**dict.fromkeys(names), **given}))
    fixture = inspect.unwrap(gate_fixtures.accept_options)
    return fixture(config, SimpleNamespace(name=dataset), SimpleNamespace(pipeline=Pipeline()))


def test_the_command_that_accepts_names_what_the_run_was_told():
    told = options_told("mnist", pipeline="my file.py:Mine", baselines="kept")
    assert told == "--dataset mnist --pipeline 'my file.py:Mine' --baselines kept"
    own = options_told("fashion", mnist_data="my data")
    assert own == "--data 'my data' --dataset fashion"


# `level` is how well a training went: most of it comes from the seed, a little from rounding.
FAKE = """
    import zlib
    from dataclasses import replace

    import numpy as np

    from mnistlab.recipe import Pipeline, Spec, bounds_of

    class Model:
        def get_weights(self): return self.weights
        def set_weights(self, weights): self.weights = weights

    class Fake:
        name, wrong, varies, rounding, stream = "fake", 12, 1, 0, 0
        spec = Spec("digits", *[None] * 5, bounds=bounds_of({"test accuracy": 0.95}))

        def prepare_images(self, images): return images.astype(np.float32) / 255
        def prepare_labels(self, labels): return np.eye(10, dtype=np.float32)[labels]
        def build(self, seed): return Model()

        def fit(self, model, images, labels, *, seed, epochs=None):
            seed += self.stream
            rounding = [seed, zlib.crc32(images.tobytes()), self.rounding]
            small = 0.1 * np.random.default_rng(rounding).normal(size=2)
            level = np.random.default_rng(seed).normal(size=2)
            model.set_weights(list(level + small))
            return {"averaged_weights": list(level / 2 + small / 2)}

        def predict(self, model, images):
            first, second = np.array(model.weights) * self.varies
            right = 0.9 + 0.01 * second
            found = np.full((len(images), 10), (1 - right) / 9, np.float32)
            rows, truth = np.arange(len(images)), np.resize(np.arange(10), len(images))
            found[rows, truth] = right
            missed = np.arange(round(self.wrong + 3 * first))
            found[missed, truth[missed]] = (1 - right) / 9
            found[missed, (truth[missed] + 1) % 10] = right
            return found

    class Rounded(Fake): rounding = 1
    class Streamed(Fake): stream = 77
    class Worse(Fake): wrong = 40
    class Better(Fake): wrong = 2.5
    class Equal(Fake): varies = 0
    class Longer(Fake): spec = replace(Fake.spec, epochs=7)
    class Same(Pipeline): pass

    class Calibrated(Fake):
        spec = replace(Fake.spec, bounds=bounds_of({"expected calibration error": 0.01}))

    class Margins(Fake):
        spec = replace(Fake.spec, gate={"accuracy": 0.02, "loss": None, "recall of 8": 0.2})

    class Final(Fake):
        def fit(self, model, images, labels, *, seed, epochs=None):
            super().fit(model, images, labels, seed=seed)
            return {}
"""
LABELS = np.tile(np.arange(10, dtype=np.uint8), 40)
IMAGES = np.full((400, 28, 28), 100, np.uint8)
REGRESSION = Path(__file__).parents[2] / "quality" / "test_regression.py"
OPTIONS = (
    *("-p", "mnistlab.plugin", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"),
    "--import-mode=importlib",
)
GATES = [
    f"quality/test_regression.py::test_{gate}_is_no_worse_than_the_accepted_one"
    for gate in ("recipe", "file")
]
ACCEPT = ("baseline", "accept", "--seeds=16", "--baselines=kept")
COMMAND = "mnistlab baseline accept --dataset digits --pipeline fake.py:Fake --baselines kept"


def fake_measurer(pipeline, dataset, suites):
    """Measure two figures of a training, in place of a run of the whole suite."""

    def measure(seed):
        model, images = pipeline.build(seed), pipeline.prepare_images(dataset.train_images)
        pipeline.fit(model, images, pipeline.prepare_labels(dataset.train_labels), seed=seed)
        evaluation = Evaluation(pipeline.predict(model, images), dataset.test_labels)
        error = calibration.reliability(evaluation.confidence, evaluation.right).error
        figures = {
            "test accuracy": Figure(evaluation.accuracy, "lower", 400, "a test"),
            "expected calibration error": Figure(error, "higher", None, "a test"),
        }
        return Measured(seed, figures, whole=True)

    return measure


def prepare(folder, patch):
    """Replace the dataset by 400 images and the suite by two figures; simulate few gates."""

    def dataset(*_):
        return Dataset("digits", "made up", "0" * 64, IMAGES, LABELS, IMAGES, LABELS)

    for place in (shared, fixtures):
        patch.setattr(place, "load_dataset", dataset)
    patch.setattr(seed_runs, "available_cores", lambda: 1)
    patch.setattr(accept_module, "SeedMeasurer", fake_measurer)
    patch.setattr(accept_module, "import_keras", lambda: None)
    patch.setattr(plan, "DRAWS", 1000)
    few = functools.partial(error_rates.error_rates, gates=60)
    patch.setattr(error_rates, "error_rates", few)
    patch.setenv("COLUMNS", "100")
    patch.chdir(folder)
    (folder / "fake.py").write_text(textwrap.dedent(FAKE), encoding="utf-8")


def accept_in(folder, name):
    """Accept a fake in a folder; return what was printed and the text of the accepted file."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        prepare(folder, patch)
        assert cli.main([*ACCEPT, f"--pipeline=fake.py:{name}"]) == 0
    return printed.getvalue(), (folder / "kept" / "fake-digits.json").read_text("utf-8")


@pytest.fixture(scope="module")
def accepted(tmp_path_factory):
    """Accept the healthy fake; return what was printed and the text of its file."""
    return accept_in(tmp_path_factory.mktemp("accepted"), "Fake")


@pytest.fixture(scope="module")
def improved(tmp_path_factory, accepted):
    """Accept a better fake in place of the healthy one; return the same."""
    folder = tmp_path_factory.mktemp("improved")
    (folder / "kept").mkdir()
    (folder / "kept" / "fake-digits.json").write_text(accepted[1], encoding="utf-8")
    return accept_in(folder, "Better")


@pytest.fixture
def command(pytester, monkeypatch):
    """Return a function that runs a command on one of the fakes and returns its exit code.

    It simulates no error rates when it accepts: the tests of `accepted` see those.
    """
    prepare(pytester.path, monkeypatch)
    monkeypatch.setattr(accept_module, "rate_errors", lambda *_: ({}, []))
    assert power.rate_errors is not accept_module.rate_errors
    monkeypatch.setattr(error_rates, "sentence", str)
    return lambda name, *arguments: cli.main([*arguments, f"--pipeline=fake.py:{name}"])


@pytest.fixture
def validate(pytester, monkeypatch):
    """Return a function that runs the gates on one of the fakes and returns ``verdict.json``."""
    prepare(pytester.path, monkeypatch)
    suite = pytester.mkdir("quality") / "test_regression.py"
    suite.write_text(REGRESSION.read_text("utf-8"), encoding="utf-8")

    def run(name, *arguments):
        chosen = "--baselines=kept", f"--pipeline=fake.py:{name}", *arguments
        pytester.runpytest_inprocess(*OPTIONS, *GATES, *chosen)
        return json.loads((pytester.path / "report" / "verdict.json").read_text("utf-8"))

    return run


@pytest.fixture
def kept(pytester, accepted):
    """Return the file of the accepted healthy fake."""
    (pytester.mkdir("kept") / "fake-digits.json").write_text(accepted[1], encoding="utf-8")
    return Path("kept", "fake-digits.json")


def messages(summary, status):
    return {
        row["name"]: row["message"]
        for row in summary["requirements"]
        if row["group"] == "regression" and row["status"] == status
    }


def the_gate(summary, status):
    return messages(summary, status)["recipe is no worse than the accepted one"]


def test_without_a_baseline_it_is_not_run_and_says_what_to_type(validate):
    message = the_gate(validate("Fake"), "not run")
    assert "fake-digits.json: nothing was accepted yet" in message
    assert message.endswith(COMMAND)


@pytest.mark.usefixtures("kept")
def test_an_unchanged_recipe_passes_after_two_seeds(validate):
    summary = validate("Fake")
    gate = summary["gate"]["recipe"]
    assert not messages(summary, "failed")
    assert (gate["decision"], gate["seeds"]) == ("PASSED", [FIRST, FIRST + 1])
    sentence = "nothing changed: 2 of 2 trainings are bit for bit the accepted ones"
    assert gate["sentence"] == sentence


@pytest.mark.usefixtures("kept")
def test_another_rounding_is_compared_seed_by_seed(validate):
    gate = validate("Rounded")["gate"]["recipe"]
    assert (gate["decision"], gate["matched"], gate["identical"]) == ("PASSED", True, False)
    assert len(gate["seeds"]) <= 7
    assert "(matched seeds, r = " in gate["sentence"]


@pytest.mark.usefixtures("kept")
def test_other_random_streams_are_compared_as_independent_draws(validate):
    gate = validate("Streamed")["gate"]["recipe"]
    assert (gate["decision"], gate["matched"]) == ("PASSED", False)
    assert "(independent seeds, r = " in gate["sentence"]


@pytest.mark.usefixtures("kept")
def test_the_verdict_says_what_the_recipe_was_compared_with(validate):
    gate = validate("Rounded")["gate"]
    recipe, rates = gate["recipe"], gate["rates"]
    assert gate["baseline"]["path"] == "kept/fake-digits.json"
    assert len(gate["baseline"]["sha256"]) == 64
    assert len(recipe["values"]["accuracy (averaged weights)"]) == len(recipe["seeds"])
    assert len(recipe["levels"]["pass"]["loss (final weights)"]) == len(recipe["looks"])
    assert recipe["looks"][-1] == 16, "no seed is trained twice"
    assert rates["sentence"].startswith("healthy runs that do not pass: ")


@pytest.mark.usefixtures("kept")
def test_a_recipe_that_got_worse_fails_with_a_sentence_for_people(validate):
    summary = validate("Worse")
    assert summary["verdict"] == "FAILED"
    message = messages(summary, "failed")["harm to accuracy (averaged weights)"]
    assert message.startswith("accuracy (averaged weights) 7.")
    assert "points lower (99 % bound: at least" in message
    assert message.endswith("margin 1.00: failed after 4 seeds")


@pytest.mark.usefixtures("kept")
def test_a_better_recipe_that_passes_is_proposed_as_the_new_standard(validate):
    gate = validate("Better")["gate"]["recipe"]
    assert gate["metrics"][0]["improved"]
    assert gate["sentence"].endswith("to make that the new standard: mnistlab baseline accept")


@pytest.mark.usefixtures("kept")
def test_another_seed_trains_other_accepted_seeds(validate):
    gate = validate("Fake", "--seeds=8", "--seed=1")["gate"]["recipe"]
    assert (gate["seeds"], gate["identical"]) == ([FIRST + 8, FIRST + 9], True)


@pytest.mark.usefixtures("kept")
def test_the_margin_of_the_command_line_is_that_of_the_leading_metric(validate):
    leading = validate("Rounded", "--margin=0.03")["gate"]["recipe"]["metrics"][0]
    assert (leading["name"], leading["margin"]) == ("accuracy (averaged weights)", 0.03)


@pytest.mark.usefixtures("kept")
def test_a_spec_states_margins_adds_a_metric_and_leaves_one_out(validate):
    metrics = validate("Margins")["gate"]["recipe"]["metrics"]
    margins = {metric["name"]: metric["margin"] for metric in metrics}
    assert margins["accuracy (averaged weights)"] == 0.02
    assert margins["recall of 8 (averaged weights)"] == 0.2
    assert "loss (averaged weights)" not in margins
    assert "loss (final weights)" in margins


@pytest.mark.usefixtures("kept")
def test_a_toml_spec_states_margins(validate, pytester):
    (pytester.path / "mine.toml").write_text('[gate]\naccuracy = 0.04\n"final loss" = false\n')
    metrics = validate("Fake", "--spec=mine.toml")["gate"]["recipe"]["metrics"]
    assert metrics[0]["margin"] == 0.04
    assert "loss (final weights)" not in [metric["name"] for metric in metrics]


@pytest.mark.usefixtures("kept")
def test_a_budget_below_the_first_look_fails_with_the_least_number(validate):
    message = the_gate(validate("Fake", "--seeds=3"), "failed")
    assert "--seeds 3, with 16 accepted seeds: required at least 4" in message


@pytest.mark.usefixtures("kept")
def test_a_baseline_of_another_spec_fails_and_names_the_field_and_the_command(validate):
    message = the_gate(validate("Longer"), "failed")
    assert "baseline of fake: spec.epochs is 5, here 7; accept it again: mnistlab" in message
    assert COMMAND.replace("Fake", "Longer") in message


def test_a_baseline_of_schema_1_fails_with_the_command_that_replaces_it(validate, kept):
    kept.write_text(kept.read_text("utf-8").replace('"schema": 2', '"schema": 1'))
    message = the_gate(validate("Fake"), "failed")
    assert "fake-digits.json: schema 1, required 2; accept it again: mnistlab" in message
    assert COMMAND in message


def test_a_damaged_baseline_fails_and_names_the_damage(validate, kept):
    kept.write_text(kept.read_text("utf-8").replace('"final loss": [0', '"final loss": [1', 1))
    message = the_gate(validate("Fake"), "failed")
    assert "damaged, 'final loss': its seeds have mean and sd" in message


def test_averaged_weights_that_were_never_accepted_are_not_run(validate, command):
    assert command("Final", *ACCEPT) == 0
    not_run = messages(validate("Fake"), "not run")
    assert list(not_run) == ["harm to accuracy (averaged weights)"]
    assert not_run.popitem()[1].endswith(COMMAND)


@pytest.mark.usefixtures("kept")
def test_without_averaged_weights_the_final_ones_are_compared(validate):
    names = [metric["name"] for metric in validate("Final")["gate"]["recipe"]["metrics"]]
    assert "accuracy (final weights)" in names
    assert all(name.endswith("(final weights)") for name in names)
    assert "loss above the averaged (final weights)" not in names


@pytest.fixture
def model_file(monkeypatch):
    """Return a function that has ``--model`` load the training of a seed."""

    def option(seed):
        fake = runpy.run_path("fake.py")["Fake"]()
        model = fake.build(seed)
        fake.fit(model, fake.prepare_images(IMAGES), None, seed=seed)
        monkeypatch.setattr(loading, "load_model", lambda path: model)
        return "--model=x.keras"

    return option


@pytest.mark.usefixtures("kept")
def test_the_accepted_file_passes_at_any_margin(validate, model_file):
    summary = validate("Fake", model_file(FIRST), "--margin=0.0001")
    names = {"harm to accuracy, this file", "digits read worse, this file"}
    gate = summary["gate"]
    assert set(messages(summary, "passed")) == names
    assert (gate["file"]["decision"], gate["file"]["identical"]) == ("PASSED", True)
    assert gate["baseline"]["path"] == "kept/fake-digits.json"


@pytest.mark.usefixtures("kept")
def test_a_file_is_compared_whatever_the_spec_of_its_recipe(validate, model_file):
    assert validate("Longer", model_file(FIRST))["gate"]["file"]["identical"]


@pytest.mark.usefixtures("kept")
def test_a_file_that_is_worse_fails(validate, model_file):
    summary = validate("Worse", model_file(FIRST))
    assert summary["gate"]["file"]["decision"] == "FAILED"
    assert "points lower" in messages(summary, "failed")["harm to accuracy, this file"]


def test_a_file_without_a_baseline_is_not_run(validate, model_file):
    not_run = messages(validate("Fake", model_file(FIRST)), "not run")
    assert not_run["file is no worse than the accepted one"].endswith(COMMAND)


def test_accepting_again_trains_the_same_seeds_and_compares_them(accepted, improved):
    printed, after = improved
    assert "Against the 16 seeds accepted" in printed
    assert "no metric is worse by its margin; better beyond the margin in accuracy" in printed
    assert json.loads(accepted[1])["first_seed"] == json.loads(after)["first_seed"] == FIRST


def test_accepting_leaves_nothing_but_the_file(command, kept):
    assert command("Fake", *ACCEPT) == 0
    assert [path.name for path in kept.parent.iterdir()] == ["fake-digits.json"]


def test_accepting_states_and_keeps_the_error_rates_of_the_gate(accepted):
    printed, text = accepted
    rates = json.loads(text)["error_rates"]
    assert "The gate: healthy runs that do not pass: " in printed
    assert {"matched", "independent", "miss", "curve"} <= rates.keys()
    assert (rates["margin"], rates["budget"], rates["accepted seeds"]) == (0.01, 16, 16)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:900],
        lambda text: text.replace('"schema": 2', '"schema": 1'),
        lambda text: "",
    ],
    ids=["cut", "schema", "empty"],
)
def test_a_baseline_that_cannot_be_read_is_replaced_and_says_why(command, kept, capsys, damage):
    kept.write_text(damage(kept.read_text("utf-8")))
    assert command("Fake", *ACCEPT) == 0
    printed = capsys.readouterr().out
    assert "The old accepted state cannot be read and will be replaced: kept/fake-" in printed
    assert json.loads(kept.read_text("utf-8"))["first_seed"] == FIRST


def test_accepting_another_spec_says_why_nothing_is_compared(command, kept, capsys):
    assert command("Longer", *ACCEPT) == 0
    difference = "is of something else: spec.epochs is 5, in the new 7"
    assert difference in capsys.readouterr().out
    assert json.loads(kept.read_text("utf-8"))["spec"]["epochs"] == 7


@pytest.mark.usefixtures("kept")
def test_show_prints_the_means_of_the_accepted_seeds(command, capsys):
    assert command("Fake", "baseline", "show", "--dataset=digits", "--baselines=kept") == 0
    printed = capsys.readouterr().out
    assert "pipeline fake on digits, 16 seeds from 10000, accepted 20" in printed
    assert "accuracy, averaged weights " in printed


@pytest.mark.parametrize(
    ("old", "code", "word"),
    [("accepted", 0, "no metric is worse by its margin"), ("improved", 1, "it is worse")],
)
def test_compare_exits_1_unless_the_second_is_no_worse(request, kept, old, code, word, capsys):
    other = kept.with_name("other.json")
    other.write_text(request.getfixturevalue(old)[1], encoding="utf-8")
    assert cli.main(["baseline", "compare", str(other), str(kept)]) == code
    assert word in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Worse", "not accepted: test accuracy: measured 0.89"),
        ("Calibrated", "not accepted: expected calibration error: measured"),
        ("Equal", "not accepted: final accuracy is 0.97 with all 16 seeds; does the seed reach"),
        ("Same", "--pipeline fake.py:Same: has the published recipe's name 'seed' and would"),
    ],
)
def test_a_result_that_must_not_be_accepted_is_refused(command, pytester, capsys, name, message):
    assert command(name, *ACCEPT) == 1
    assert message in capsys.readouterr().err
    assert not list(pytester.path.glob("kept/fake*.json"))


def test_a_folder_that_cannot_be_written_is_named_before_the_training(command, pytester, capsys):
    (pytester.path / "kept").touch()
    assert command("Fake", *ACCEPT) == 1
    advice = "File exists; name a folder with --baselines that can be written"
    assert advice in capsys.readouterr().err


@pytest.mark.usefixtures("kept")
def test_power_prints_the_error_rates_of_a_margin_and_a_budget(command, capsys):
    settings = "--margin=0.02", "--seeds=8", "--baselines=kept"
    assert command("Fake", "power", *settings) == 0
    printed = capsys.readouterr().out
    assert "kept/fake-digits.json: 16 seeds of fake on digits" in printed
    assert "margin 2.00 points, at most 8 seeds" in printed
    assert "healthy, matched seeds: " in printed
    assert "a loss of one margin in loss (final weights): passes " in printed
    assert "a drop of 4.000 points is found " in printed


@pytest.mark.usefixtures("kept")
def test_power_advises_where_healthy_runs_would_stay_undecided(command, capsys):
    assert command("Fake", "power", "--margin=0.003", "--baselines=kept") == 0
    advice = "of healthy runs with independent seeds would stay undecided at margin 0.30: accept"
    assert advice in capsys.readouterr().out


def test_power_without_a_baseline_says_what_to_type(command, capsys):
    assert command("Fake", "power", "--baselines=kept") == 1
    message = "nothing was accepted yet; type: mnistlab baseline accept"
    assert message in capsys.readouterr().err
