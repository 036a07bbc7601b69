"""What the suite's checks of the data require of a dataset of one's own, and what they do not."""

import importlib
import json
import shutil

import numpy as np
import pytest

from mnistlab.data import load_dataset
from mnistlab.environment import suite_folder

pytest_plugins = ["pytester"]
for module in ("rich.console", "rich.table", "rich.text", "mnistlab.report.figures"):
    importlib.import_module(module)  # pytester forgets what its runs import: each would do it again

OPTIONS = ("-p", "mnistlab.plugin", "-p", "no:cacheprovider", "-p", "no:hypothesispytest")
OPTIONS += ("--import-mode=importlib", "--assert=plain")
CONFTEST = """
    import pytest
    from types import SimpleNamespace
    from mnistlab.errors import MnistlabError
    from mnistlab.gate import NoBaselineError

    @pytest.fixture(scope="session")
    def accepted_state():
        if not {sha256!r}:
            return NoBaselineError("nothing was accepted yet")
        return SimpleNamespace(figures={{}}, not_judged=(), data_sha256={sha256!r})
"""
CONTENT = "SHA-256 of the content"
LEAK = "test images that are training images"


def write(path, leaked=0):
    """Write data with grey levels from 0 to 199, one repeated image, and some leaked ones."""
    rng = np.random.default_rng(0)
    train, test = (rng.integers(0, 200, (size, 28, 28), dtype=np.uint8) for size in (300, 200))
    train[1], test[:leaked] = train[0], train[:leaked]
    labels = {"y_train": np.arange(300) % 10, "y_test": np.arange(200) % 10}
    labels = {name: array.astype(np.uint8) for name, array in labels.items()}
    np.savez(path, x_train=train, x_test=test, **labels)
    return path


@pytest.fixture
def judge(pytester, monkeypatch):
    """Return a function from data and an accepted hash to the requirements by name."""
    quality = pytester.mkdir("quality")
    shutil.copy(suite_folder() / "test_dataset.py", quality)
    monkeypatch.setattr("mnistlab.plugin.checker.Checker.picture", lambda *_: None)

    def run(path, sha256=""):
        pytester.makeconftest(CONFTEST.format(sha256=sha256))
        pytester.runpytest_inprocess(*OPTIONS, f"--data={path}", "--dataset=fashion")
        summary = (pytester.path / "report" / "verdict.json").read_text(encoding="utf-8")
        return {row["name"]: row for row in json.loads(summary)["requirements"]}

    return run


def test_facts_of_mnist_are_recorded_and_not_required_of_other_data(judge, tmp_path):
    rows = judge(write(tmp_path / "fashion.npz"))
    facts = ("images of digit 0 to 9, train", "grey levels, train", "repeated images, train")
    measured = [rows[name]["measured"] for name in facts]
    assert measured == ["30 30 30 30 30 30 30 30 30 30", "0 to 199", 1]
    assert not any(rows[name]["asked"] for name in facts)
    assert "its hash identifies fashion" in rows[facts[0]]["message"]


def test_other_data_must_be_the_one_that_was_accepted(judge, tmp_path):
    path = write(tmp_path / "fashion.npz")
    accepted = load_dataset("fashion", path).sha256
    assert judge(path, accepted)[CONTENT]["status"] == "passed"
    row = judge(write(path, leaked=1), accepted)[CONTENT]
    assert row["status"] == "failed"
    assert "the data has changed since a result was accepted" in row["message"]


@pytest.mark.parametrize(("leaked", "status"), [(2, "passed"), (3, "failed")])
def test_at_most_one_test_image_of_a_hundred_may_be_a_training_image(
    judge, tmp_path, leaked, status
):
    row = judge(write(tmp_path / "fashion.npz", leaked))[LEAK]
    assert row["status"] == status
    assert f"({leaked} images)" in row["message"]
    assert ("a leak: test images are trained on" in row["message"]) == (status == "failed")
