"""The plugin in a test suite of one's own, as the documentation shows it."""

import json
import shutil
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "own_suite"
pytest_plugins = ["pytester"]


def test_the_example_of_the_documentation_is_judged_and_passes(pytester):
    # pytester forgets what is first imported in its run, and TensorFlow cannot be imported twice.
    import tensorflow  # noqa: F401
    shutil.copytree(EXAMPLE, pytester.path / "own", ignore=shutil.ignore_patterns("__pycache__"))
    options = "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--import-mode=importlib"
    result = pytester.runpytest_inprocess("own", "--dataset=digits", "--strict", *options)
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
