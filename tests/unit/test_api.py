"""The public names: cheap to import, typed, and enough to judge a pipeline from Python."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import mnistlab
from mnistlab import MnistlabError, Pipeline, validate


def test_importing_mnistlab_imports_nothing_heavy():
    heavy = "{'tensorflow', 'keras', 'pytest', 'numpy'}"
    code = f"import sys, mnistlab; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@pytest.mark.parametrize("name", mnistlab.__all__)
def test_every_public_name_exists_and_is_documented(name):
    value = getattr(mnistlab, name)
    assert name == "__version__" or value.__doc__


def test_the_type_stub_has_exactly_the_public_names():
    stub = Path(mnistlab.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    tree = ast.parse(stub)
    names = {a.asname for n in tree.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert names | {"__version__"} == set(mnistlab.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Pipelin'"):
        _ = mnistlab.Pipelin


def test_an_unknown_option_of_validate_is_named():
    with pytest.raises(
        MnistlabError, match="sed is not an option; known: dataset, data, mnist_data"
    ):
        validate(sed=1)


SUITE = """
def test_accuracy(check):
    check.within_healthy_range("test accuracy", 0.9, worse="lower", unit="fraction")
"""


@pytest.fixture
def suite(tmp_path, monkeypatch):
    """Replace the shipped suite by one of one test; forget its modules afterwards."""
    folder = tmp_path / "quality"
    folder.mkdir()
    (folder / "test_result.py").write_text(SUITE, encoding="utf-8")
    monkeypatch.setattr("mnistlab.plugin.suite.suite_folder", lambda: folder)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "quality"]:
        del sys.modules[name]


def test_what_is_no_pipeline_is_refused_in_one_line(suite, tmp_path):
    with pytest.raises(MnistlabError, match=r"^int is not a pipeline: it has no prepare_images"):
        validate(3, dataset="digits", report=tmp_path / "report")


def test_the_verdict_of_a_pipeline_object_is_returned_and_prints_as_a_table(suite, tmp_path):
    class Mine(Pipeline):
        name = "mine"

    result = validate(Mine(), dataset="digits", report=tmp_path / "report", seed=3)
    assert result.verdict == "FAILED"
    assert [each.name for each in result.failed] == ["test accuracy"]
    assert result.failed[0].measured == 0.9
    assert result.summary["subject"] == {"name": "mine", "seed": 3, "parameters": 101770}
    assert "test accuracy" in str(result)
    assert "FAILED: " in str(result)
    assert result.page.is_file()
