"""The commands of the gates take what they should and say what is wrong."""

import subprocess
import sys
from pathlib import Path

import pytest

from mnistlab import cli
from mnistlab.commands import baseline_folder
from mnistlab.loaded import Unknown, load_model


def test_help_of_all_commands_loads_nothing_heavy():
    code = (
        "import sys; from mnistlab import cli\n"
        "try: cli.main(['baseline', 'accept', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('numpy', 'scipy', 'tensorflow', 'keras', 'matplotlib') if name in sys.modules])"
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


def test_power_without_pools_says_how_to_make_them(tmp_path, capsys):
    assert cli.main(["power", f"--pools={tmp_path / 'no.json'}"]) == 1
    assert "make them: python benchmarks/pools.py" in capsys.readouterr().err


def test_baselines_are_looked_for_where_told_then_here(tmp_path, monkeypatch):
    assert baseline_folder("there") == Path("there")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baselines").mkdir()
    assert baseline_folder(None) == Path("baselines")


def test_what_a_file_does_not_tell_skips_whoever_asks():
    for ask in (lambda: Unknown()["loss"], lambda: list(Unknown())):
        with pytest.raises(pytest.skip.Exception, match="which does not tell how it was trained"):
            ask()


def test_a_model_that_is_not_there_ends_the_run(tmp_path):
    with pytest.raises(pytest.exit.Exception, match="there is no such file"):
        load_model(str(tmp_path / "no.keras"))
