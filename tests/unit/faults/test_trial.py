"""A trial runs the suite on a pipeline, reports the result and leaves nothing for the next."""

import gc
import os
import pickle
import sys
import textwrap
import types

import numpy as np
import pytest

from mnistlab import arrays
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution import RetireWorkerError
from mnistlab.faults import TrialRunner, trial

SUITE = """
    import os
    import numpy as np
    import pytest
    from mnistlab.errors import NotRequiredError

    def test_a_case_holds(check, dataset):
        check.within_healthy_range("test accuracy", 0.98, worse="lower")
        assert dataset.sha256 == "0" * 64

    @pytest.mark.parametrize("case", ["one", "two"])
    def test_cases(check, pipeline, case):
        label = pipeline.prepare_labels(np.zeros(1, np.uint8))
        assert case != "two" or label[0, 0] == 1, "the label is wrong"

    def test_is_not_judged(check, pipeline):
        if type(pipeline.pipeline).__name__ == "Shifted":
            pytest.skip("no reason")
        raise NotRequiredError("of no use")

    def test_other_process(check, run_in_subprocess):
        assert run_in_subprocess(os.getpid) != os.getpid()
"""
PIPELINE = """
    import dataclasses
    import os
    import numpy as np
    from mnistlab import arrays
    from mnistlab.errors import NotJudgedError
    from mnistlab.recipe.pipeline import Pipeline

    class Modest(Pipeline):
        spec = dataclasses.replace(Pipeline.spec, bounds=(Pipeline.spec.bound("test accuracy"),))

    class Shifted(Modest):
        def prepare_labels(self, labels):
            return np.roll(super().prepare_labels(labels), 1, axis=1)

    class Half(Modest):
        def prepare_labels(self, labels):
            raise NotJudgedError("there is no gate")

    class Asking(Modest):
        def prepare_labels(self, labels):
            assert os.environ["MNISTLAB_DATA"] == os.path.dirname(os.path.abspath(__file__))
            return super().prepare_labels(labels)

    class Careless(Modest):
        def prepare_labels(self, labels):
            arrays.SIDE = 27
            return super().prepare_labels(labels)
"""


@pytest.fixture
def modules():
    """Return the catalogue's modules; restore them afterwards and forget the suite's."""
    prefix = trial.CATALOGUE_MODULE
    before = {name: module for name, module in sys.modules.items() if name.startswith(prefix)}
    yield before
    for name in [name for name in sys.modules if name.split(".")[0] in ("quality", "test_result")]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def run(tmp_path, monkeypatch, modules):
    """Return a function that runs a small suite on a pipeline of a file, without Keras."""
    quality = tmp_path / "quality"
    quality.mkdir()
    (quality / "test_result.py").write_text(textwrap.dedent(SUITE), encoding="utf-8")
    (tmp_path / "mine.py").write_text(textwrap.dedent(PIPELINE), encoding="utf-8")
    config = types.SimpleNamespace(
        floatx=str, epsilon=str, dtype_policy=lambda: types.SimpleNamespace(name="float32")
    )
    keras = types.SimpleNamespace(utils=types.SimpleNamespace(clear_session=str), config=config)
    eager = types.SimpleNamespace(functions_run_eagerly=str)
    tensorflow = types.SimpleNamespace(config=eager, random=types.SimpleNamespace(set_seed=str))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setitem(sys.modules, "tensorflow", tensorflow)
    monkeypatch.setattr("mnistlab.plugin.suite.suite_folder", lambda: quality)
    monkeypatch.setattr(trial, "WorkerProcess", lambda: lambda function, item: b"I0\n.")
    images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
    dataset = Dataset("mnist", str(tmp_path), "0" * 64, images, labels, images, labels)
    gc.freeze()  # saves time: pytest collects garbage five times at its end

    def run_trial(name, *arguments):
        reference = name if ":" in name else f"{tmp_path / 'mine.py'}:{name}"
        return TrialRunner({"seed": 0}, dataset, arguments)((name, reference))

    yield run_trial
    gc.unfreeze()


def test_a_trial_has_the_status_of_every_check_or_stops_at_its_first_failure(run):
    result = run("Shifted")
    assert result.status == "caught"
    assert result.caught_by == "result::test_cases[two]"
    assert "the label is wrong" in result.message
    assert result.accuracy == 0.98
    assert result.checks == {
        "result::test_a_case_holds": "passed",
        "result::test_cases[one]": "passed",
        "result::test_cases[two]": "failed",
        "result::test_is_not_judged": "not run",
        "result::test_other_process": "passed",
    }
    stopped = run("Shifted", "-x")
    assert list(stopped.checks)[-1] == "result::test_cases[two]"


def test_a_process_in_which_a_pipeline_changed_mnistlab_is_retired(run, monkeypatch):
    monkeypatch.setattr(arrays, "SIDE", arrays.SIDE)
    with pytest.raises(RetireWorkerError) as caught:
        run("Careless")
    assert caught.value.args[0].side_effects == ("mnistlab.arrays: mnistlab.arrays.SIDE",)
    assert caught.value.args[0].status == "passed"


def test_a_trial_in_which_something_was_not_judged_is_incomplete(run):
    result = run("Half")
    assert result.status == "incomplete"
    assert "there is no gate" in result.message
    assert "failed" not in result.checks.values()


@pytest.mark.parametrize("before", ["run_in_subprocess", None])
def test_a_pipeline_that_looks_for_the_data_finds_the_trials_data(run, monkeypatch, before):
    monkeypatch.delenv("MNISTLAB_DATA", raising=False)
    if before:
        monkeypatch.setenv("MNISTLAB_DATA", before)
    assert run("Asking").status == "passed"
    assert os.environ.get("MNISTLAB_DATA") == before


def test_a_runner_refuses_to_arrive_where_another_state_was_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "seed-own.json").write_text("old")
    content = pickle.dumps(TrialRunner({"seed": 3}, types.SimpleNamespace(name="own"), ("-x",)))
    assert pickle.loads(content).settings == {"seed": 3}
    (tmp_path / "baselines" / "seed-own.json").write_text("new")
    message = r"the accepted state on own has hash \w{12}, required \w{12}, .*; copy the folder"
    with pytest.raises(MnistlabError, match=message):
        pickle.loads(content)


def test_a_missing_pipeline_is_an_error_and_not_a_pass(run):
    result = run("Missing")
    assert result.status == "error"
    assert "Missing" in result.message


def test_a_process_that_has_grown_is_not_used_again(run, monkeypatch):
    monkeypatch.setattr(trial, "MAX_GIGABYTES", 0.0)
    with pytest.raises(RetireWorkerError) as caught:
        run("Shifted")
    assert caught.value.args[0].side_effects == ("memory",)


def test_a_pipeline_of_the_catalogue_is_imported_anew_and_leaves_no_side_effects(run):
    catalogue = set()
    for _ in range(2):  # the second trial finds the modules that the first one imported
        result = run(f"{trial.CATALOGUE_MODULE}.preparation:LabelsShifted")
        assert result.status == "caught"
        assert result.side_effects == ()
        catalogue.add(sys.modules[f"{trial.CATALOGUE_MODULE}.preparation"])
    assert len(catalogue) == 2
