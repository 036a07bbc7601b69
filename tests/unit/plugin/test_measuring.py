"""A measuring run keeps the numbers of a suite's checks; later runs leave out what has none."""

import gc
import sys
import textwrap

import numpy as np
import pytest

from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.loading import CheckedPipeline
from mnistlab.plugin import Figure, SeedMeasurer, measuring
from mnistlab.recipe import Pipeline, Spec

SUITE = """
    import pathlib
    import pytest
    from mnistlab.errors import ContractError, NotRequiredError

    def note(name):
        with open(pathlib.Path(__file__).with_name("ran.txt"), "a") as file:
            file.write(name + " ")

    def test_accuracy(check, seed):
        note("accuracy")
        check.within_healthy_range("test accuracy", seed / 10, worse="lower", unit="fraction")

    @pytest.mark.parametrize("layer", [1, 2])
    def test_norm(check, layer):
        note("norm")
        if layer == 2:
            pytest.skip("there is no layer 2")
        check.within_healthy_range("norm", 9, worse="both")

    def test_not_of_keras():
        raise NotRequiredError("the spec promises no layers")

    def test_claim(pipeline):
        note("claim")
        assert pipeline.spec.epochs == 5, "other epochs"

    def test_gate(check, recipe_gate):
        raise AssertionError("no gate is run")

    def test_contract(pipeline):
        if pipeline.spec.epochs == 7:
            raise ContractError("fit", "returned None")
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return the folder of a small suite."""
    quality = tmp_path / "quality"
    quality.mkdir()
    (quality / "test_result.py").write_text(textwrap.dedent(SUITE), encoding="utf-8")
    monkeypatch.setattr("mnistlab.plugin.suite.suite_folder", lambda: quality)
    monkeypatch.setattr(measuring, "WorkerProcess", lambda: None)
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.chdir(tmp_path)
    measuring._session_cache.cache_clear()
    yield quality
    for name in [name for name in sys.modules if name.split(".")[0] in ("quality", "test_result")]:
        del sys.modules[name]
    gc.unfreeze()


@pytest.fixture
def measurer(folder):
    """Return a function that makes a measurer for a number of epochs."""

    def make(epochs=5, suites=()):
        images, labels = np.zeros((2, 28, 28), np.uint8), np.zeros(2, np.uint8)
        dataset = Dataset("mnist", "made up", "0" * 64, images, labels, images, labels)
        return SeedMeasurer(CheckedPipeline(Pipeline(), Spec(epochs=epochs)), dataset, suites)

    return make


def ran(folder):
    path = folder / "ran.txt"
    names = path.read_text().split()
    path.unlink()
    return names


def test_the_first_run_is_of_the_whole_suite_and_later_ones_of_what_measures(measurer, folder):
    measure = measurer()
    first, second = measure(8), None
    assert ran(folder) == ["accuracy", "norm", "norm", "claim"]
    second = measure(9)
    assert ran(folder) == ["accuracy", "norm"]
    assert (first.whole, second.whole) == (True, False)
    assert first.not_judged == ("result::test_norm[2]",)
    assert first.failed == ()
    test = "result::test_accuracy"
    assert first.figures["test accuracy"] == Figure(0.8, "lower", None, test, "fraction")
    assert second.figures["test accuracy"].value == 0.9
    assert second.figures["norm"] == Figure(9, "both", None, "result::test_norm[1]")


def test_a_claim_that_fails_is_told_and_a_promise_is_not_judged(measurer):
    measured = measurer(epochs=3)(1)
    assert [message.split(":")[0] for message in measured.failed] == ["claim"]
    assert measured.figures["test accuracy"].value == 0.1


def test_a_pipeline_that_breaks_its_contract_cannot_be_measured(measurer):
    with pytest.raises(MnistlabError, match=r"^seed 1: claim: does not hold"):
        measurer(epochs=7)(1)


def test_what_stops_the_suite_is_an_error(measurer, folder):
    (folder / "test_fit.py").write_text("import no_such_module", encoding="utf-8")
    with pytest.raises(MnistlabError, match=r"^seed 1: .*no_such_module"):
        measurer()(1)


OWN = """
    import pytest

    @pytest.mark.provides("mine")
    def test_cause(check, seed): assert seed != 3

    @pytest.mark.depends_on("mine")
    def test_own(check): check.within_healthy_range("my figure", 7, worse="higher")
"""


@pytest.fixture
def own(tmp_path):
    """Return the folder of a suite of one's own, whose first test fails on seed 3."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "test_own_figures.py").write_text(textwrap.dedent(OWN), encoding="utf-8")
    return folder


def test_figures_of_a_suite_of_ones_own_are_measured_with_those_of_the_suite(measurer, own):
    measure = measurer(suites=(str(own),))
    first, second = measure(1), measure(2)
    assert list(first.figures) == list(second.figures) == ["test accuracy", "norm", "my figure"]
    assert first.figures["my figure"].test == "own_figures::test_own"


def test_what_depends_on_a_failed_test_is_not_said_to_be_unjudgeable(measurer, own):
    measured = measurer(suites=(str(own),))(3)
    assert "my figure" not in measured.figures
    assert measured.not_judged == ("result::test_norm[2]",)
    assert [message.split(":")[0] for message in measured.failed] == ["cause"]
