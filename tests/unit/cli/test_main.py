"""The commands of the gates take what they should and say what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from mnistlab import cli
from mnistlab.environment import baseline_folder


def test_help_of_all_commands_loads_nothing_heavy():
    code = (
        "import sys; from mnistlab import cli\n"
        "try: cli.main(['baseline', 'accept', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('numpy', 'scipy', 'tensorflow', 'keras', 'matplotlib')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("margin", ["0", "-0.1", "0.5", "x", "nan"])
def test_a_margin_that_is_none_is_refused(margin, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["validate", f"--margin={margin}"])
    assert "is no margin; required: a fraction such as 0.001" in capsys.readouterr().err


def test_showing_what_was_never_accepted_says_what_to_type(tmp_path, capsys):
    assert cli.main(["baseline", "show", "--dataset=digits", f"--baselines={tmp_path}"]) == 1
    assert "nothing was accepted yet; type: mnistlab baseline accept" in capsys.readouterr().err


def test_a_baseline_is_looked_for_where_told_then_here_then_where_there_is_one(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert baseline_folder("there", "seed-mnist.json") == Path("there")
    assert baseline_folder(None, "mine-mnist.json") == Path("baselines")
    assert (baseline_folder(None, "seed-mnist.json") / "seed-mnist.json").is_file()
    (tmp_path / "baselines").mkdir()
    assert (baseline_folder(None, "seed-mnist.json") / "seed-mnist.json").is_file()
    (tmp_path / "baselines" / "seed-mnist.json").touch()
    assert baseline_folder(None, "seed-mnist.json") == Path("baselines")


def test_a_mistyped_dataset_is_refused_before_anything_is_loaded(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["validate", "--dataset=minst"])
    assert "dataset 'minst' is unknown; did you mean mnist?" in capsys.readouterr().err


def test_what_was_accepted_of_other_data_is_shown_without_the_data(tmp_path, capsys):
    assert cli.main(["baseline", "show", "--dataset=fashion", f"--baselines={tmp_path}"]) == 1
    assert "seed-fashion.json: nothing was accepted yet" in capsys.readouterr().err


def test_showing_what_was_accepted_of_a_pipeline_of_ones_own_names_its_file(tmp_path, capsys):
    (tmp_path / "mine.py").write_text(
        "from mnistlab import Pipeline\nclass Mine(Pipeline):\n    name = 'my-own'\n"
    )
    arguments = [
        "--dataset=digits",
        f"--baselines={tmp_path}",
        f"--pipeline={tmp_path / 'mine.py'}:Mine",
    ]
    assert cli.main(["baseline", "show", *arguments]) == 1
    assert f"{tmp_path / 'my-own-digits.json'}: nothing was accepted yet" in capsys.readouterr().err


def test_accepting_what_is_no_pipeline_is_refused_in_one_line(tmp_path, capsys):
    arguments = ["--dataset=digits", f"--baselines={tmp_path}", "--pipeline=no.py:Mine"]
    with pytest.raises(SystemExit, match="2"):
        cli.main(["baseline", "accept", *arguments])
    assert capsys.readouterr().err.startswith(
        "mnistlab baseline accept: --pipeline no.py:Mine: there is no file no.py in "
    )


TYPOS = {
    "validat": "did you mean validate?",
    "baseline acept": "did you mean accept?",
    "validate --pipline x.py:X": "did you mean --pipeline?",
    "validate --pipeline typo.py:X": "there is no file typo.py in ",
    "validate --datset digits": "did you mean --dataset?",
    "validate --seed x": "is not a seed",
    "validate -- --mxfail=2": "did you mean --maxfail?",
    "power --datset digits": "did you mean --dataset?",
    "baseline accept --seeds 3": "3: required at least 16 to know a spread; 96 are better",
    "baseline accept --figures 7": "7: required at least 8 to know a healthy range",
}


def test_a_typo_is_named_in_one_line_with_exit_code_2_before_tensorflow_is_loaded(tmp_path):
    report = tmp_path / "report" / "verdict.json"
    report.parent.mkdir()
    report.touch()
    code = f"""
import sys
from mnistlab import cli
for typed in {list(TYPOS)}:
    try: code = cli.main(typed.split())
    except SystemExit as error: code = error.code
    print(code, sorted({{"tensorflow", "keras"}} & set(sys.modules)))
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert [line for line in found.stdout.splitlines() if line] == ["2 []"] * len(TYPOS)
    lines = [line for line in found.stderr.splitlines() if line]
    assert len(lines) == len(TYPOS)
    for line, part in zip(lines, TYPOS.values(), strict=True):
        assert part in line
    assert report.read_text() == ""
    assert list(report.parent.iterdir()) == [report]
