"""The plugin in a test suite of one's own, as the documentation shows it."""

import json
import shutil
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "own_suite"
pytest_plugins = ["pytester"]


def test_the_example_of_the_documentation_is_judged_and_passes(pytester):
    shutil.copytree(EXAMPLE, pytester.path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    options = "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--import-mode=importlib"
    # In this process, pytester would forget what it imports, and TensorFlow is imported only once.
    result = pytester.runpytest_subprocess("own", "--dataset=digits", "--strict", *options)
    assert result.ret == 0
    summary = json.loads((pytester.path / "report" / "verdict.json").read_text("utf-8"))
    assert (summary["verdict"], summary["subject"]["name"]) == ("PASSED", "mine")
    rows = {row["name"]: (row["group"], row["source"]) for row in summary["requirements"]}
    assert rows == {
        "threes and eights to read": ("mistakes", ""),
        "threes read as eights": ("mistakes", "stated in the spec"),
        "seconds of training": ("mistakes", ""),
    }
    assert (pytester.path / "report" / "index.html").is_file()
