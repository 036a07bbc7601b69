"""A trial is a run of the suite in a process that runs many: what it says, and that nothing is left for the next."""

import gc
import os
import pickle
import sys
import textwrap
import types

import numpy as np
import pytest

from mnistlab.data.datasets import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.execution.worker import RetireWorkerError
from mnistlab.faults import trial
from mnistlab.faults.trial import Runner
from mnistlab.metrics import robustness

SUITE = """
    import os
    import numpy as np
    import pytest

    def test_a_case_holds(check, dataset):
        check("test accuracy", 0.98)
        assert dataset.sha256 == "0" * 64

    @pytest.mark.parametrize("case", ["one", "two"])
    def test_cases(check, pipeline, case):
        assert case != "two" or pipeline.prepare_labels(np.zeros(1, np.uint8))[0, 0] == 1, "the label is another"

    def test_is_not_judged(check, pipeline):
        pytest.skip("no reason" if type(pipeline.pipeline).__name__ == "Shifted" else "not asked: of no use")

    def test_other_process(check, run_in_subprocess):
        assert run_in_subprocess(os.getpid) != os.getpid()
"""
PIPELINE = """
    import dataclasses
    import os
    import numpy as np
    from mnistlab.metrics import robustness
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
            robustness.SURE = 0.5
            return super().prepare_labels(labels)
"""


@pytest.fixture
def modules():
    """Return the modules of the faults, which a trial forgets; other tests get them back, and the suite not at all."""
    kept = {name: module for name, module in sys.modules.items() if name.startswith(trial.FAULTS)}
    yield kept
    for name in [name for name in sys.modules if name.split(".")[0] in ("quality", "test_result")]:
        del sys.modules[name]
    sys.modules.update(kept)


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
    monkeypatch.setattr(trial.suite, "suite_folder", lambda: quality)
    monkeypatch.setattr(trial, "WorkerProcess", lambda: lambda function, item: b"I0\n.")
    images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
    dataset = Dataset("mnist", str(tmp_path), "0" * 64, images, labels, images, labels)
    gc.freeze()  # pytest collects garbage five times at its end: it need not look through all that was here before
    yield lambda name, *further: Runner({"seed": 0}, dataset, further)(
        (name, f"{tmp_path / 'mine.py'}:{name}")
    )
    gc.unfreeze()


def test_every_check_is_told_with_what_became_of_it(run):
    found = run("Shifted")
    assert found.status == "caught"
    assert found.first == "result::test_cases[two]"
    assert "the label is another" in found.message
    assert found.accuracy == 0.98
    assert found.checks == {
        "result::test_a_case_holds": "passed",
        "result::test_cases[one]": "passed",
        "result::test_cases[two]": "failed",
        "result::test_is_not_judged": "not run",
        "result::test_other_process": "passed",
    }


def test_a_trial_may_stop_at_its_first_failure(run):
    assert list(run("Shifted", "-x").checks)[-1] == "result::test_cases[two]"


def test_what_a_pipeline_changes_in_mnistlab_is_noticed_and_its_process_spent(run, monkeypatch):
    monkeypatch.setattr(robustness, "SURE", robustness.SURE)
    with pytest.raises(RetireWorkerError) as caught:
        run("Careless")
    assert caught.value.result.traces == (
        "mnistlab.metrics.robustness: mnistlab.metrics.robustness.SURE",
    )
    assert caught.value.result.status == "passed"


def test_a_control_has_not_passed_where_something_was_not_judged(run):
    found = run("Half")
    assert found.status == "not judged whole"
    assert "there is no gate" in found.message
    assert "failed" not in found.checks.values()


@pytest.mark.parametrize("before", ["run_in_subprocess", None])
def test_a_pipeline_that_looks_for_the_data_finds_that_of_the_trial(run, monkeypatch, before):
    monkeypatch.delenv("MNISTLAB_DATA", raising=False)
    if before:
        monkeypatch.setenv("MNISTLAB_DATA", before)
    assert run("Asking").status == "passed"
    assert os.environ.get("MNISTLAB_DATA") == before


def test_a_runner_does_not_arrive_where_something_else_was_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "seed-own.json").write_text("old")
    content = pickle.dumps(Runner({"seed": 3}, types.SimpleNamespace(name="own"), ("-x",)))
    assert pickle.loads(content).settings == {"seed": 3}
    (tmp_path / "baselines" / "seed-own.json").write_text("new")
    message = r"what was accepted on own has hash \w{12}, required \w{12} as .*; bring the folder baselines there"
    with pytest.raises(MnistlabError, match=message):
        pickle.loads(content)


def test_a_pipeline_that_is_not_there_is_an_error_and_not_a_pass(run):
    found = run("Missing")
    assert found.status == "error"
    assert "Missing" in found.message


@pytest.mark.usefixtures("modules")
def test_pipelines_of_the_catalogue_are_imported_anew(monkeypatch):
    for name in ("mnistlab.faults.catalogue", "mnistlab.faults.catalogue.training"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "mnistlab.faultless", types.ModuleType("mnistlab.faultless"))
    trial.forget_faults()
    assert not [name for name in sys.modules if name.startswith("mnistlab.faults.catalogue")]
    assert "mnistlab.faultless" in sys.modules


def test_a_process_that_has_grown_is_not_used_again(run, monkeypatch):
    monkeypatch.setattr(trial, "MOST_GIGABYTES", 0.0)
    with pytest.raises(RetireWorkerError) as caught:
        run("Shifted")
    assert caught.value.result.traces == ("memory",)
