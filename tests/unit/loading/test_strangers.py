"""The suite judges other people's healthy pipelines by what they promise."""

import json
import re
import sys
from pathlib import Path

import pytest

from mnistlab import cli

STRANGERS = Path(__file__).with_name("_strangers.py")


@pytest.fixture
def judge(tmp_path, capsys):
    """Return a function that runs modules of the suite and returns the requirements judged."""

    def requirements(name, *modules):
        options = ["--dataset=digits", f"--report={tmp_path}", f"--baselines={tmp_path}"]
        only = " or ".join(f"test_{module}.py" for module in modules)
        before = {*sys.modules}
        cli.main(["validate", f"--pipeline={STRANGERS}:{name}", *options, "-k", only])
        for module in {*sys.modules} - before:
            if module.startswith("quality"):  # other tests have modules of these names
                del sys.modules[module]
        capsys.readouterr()
        rows = json.loads((tmp_path / "verdict.json").read_text())["requirements"]
        return [row for row in rows if "deselected" not in row["message"]]

    return requirements


def failures(rows):
    return [row["message"] for row in rows if row["status"] not in ("passed", "not run")]


@pytest.mark.parametrize("name", ["Shifted", "Standardised", "ScaledByImage", "Centred"])
def test_a_preparation_of_ones_own_passes_if_it_is_promised(judge, name):
    rows = judge(name, "preparation")
    assert len([row for row in rows if row["status"] == "passed"]) >= 9
    assert failures(rows) == []
    refused = [row for row in rows if "refused" in row["name"]]
    assert len(refused) == 10
    assert not any(row["asked"] for row in refused)


def test_a_preparation_that_is_not_promised_fails_and_says_what_to_state(judge):
    messages = failures(judge("Unpromised", "preparation"))
    assert len(messages) == 3
    assert re.search(r"prepared pixels are from -0\.5 to .*, required 0 to 1; look at", messages[0])
    assert all("state what is meant as image_range in the spec" in each for each in messages)


@pytest.mark.parametrize(
    "name",
    ["NothingHeldOut", "NoValidation", "NoHistory", "StoppedEarly", "SparseLogits", "OwnLoop"],
)
def test_what_a_training_does_not_promise_is_not_held_against_it(judge, name):
    rows = judge(name, "architecture", "fit", "training", "result")
    assert failures(rows) == []
    reasons = " ".join(row["message"] for row in rows if row["status"] == "not run")
    assert "Error" not in reasons


def test_epochs_are_counted_without_keras_and_may_be_fewer_only_if_that_is_promised(judge):
    [length] = [
        row for row in judge("StoppedEarly", "training") if row["name"].startswith("length")
    ]
    assert length["status"] == "passed"
    assert length["measured"] == length["bound"] == "7 epochs"
