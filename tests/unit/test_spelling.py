"""A reference that names nothing is refused before any file runs; what may exist is let through."""

import argparse

import pytest

from mnistlab.spelling import did_you_mean, reference, usage_line

SOURCE = """
raise RuntimeError("this file must not run")
from elsewhere import Imported, other as Renamed
class Mine: pass
made = Mine()
if made:
    class Inner: pass
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["Mine", "made", "Inner", "Imported", "Renamed"])
def test_every_name_that_the_file_defines_is_let_through(folder, name):
    assert reference(f"mine.py:{name}") == f"mine.py:{name}"
    assert reference(f"{folder}/mine.py:{name}")
    assert reference(f"mine:{name}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine.py:Mime", r"mine.py has no Mime; did you mean Mine\?"),
        ("mine.py:Xyzzy", "mine.py has no Xyzzy$"),
        ("mien.py:Mine", r"there is no file mien.py in .*; did you mean mine.py\?"),
        ("no_such.thing:Mine", "there is no module no_such, neither in the working directory"),
        ("jsn:loads", r"there is no module jsn, .*; did you mean json\?"),
        ("mine.py", "required FILE.py:Name or package.module:Name"),
        ("mine.py:", "required FILE.py:Name"),
        ("a b:C", "required FILE.py:Name"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_reference_that_names_nothing_is_refused_with_the_nearest_name(text, message):
    with pytest.raises(argparse.ArgumentTypeError, match=f"^--pipeline {text}: .*{message}"):
        reference(text)


@pytest.mark.parametrize("line", ["from elsewhere import *", "globals()['Made'] = 1", "class ("])
def test_a_file_whose_names_only_running_it_can_tell_is_let_through(folder, line):
    (folder / "mine.py").write_text(line)
    assert reference("mine.py:Made")


def test_only_a_name_that_is_near_is_proposed():
    assert did_you_mean("--pipline", ["--pipeline", "--spec"]) == "; did you mean --pipeline?"
    assert did_you_mean("--pipline", ["--spec"]) == ""


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("unrecognized arguments: --sed=3 -q", "; did you mean --seed?"),
        (
            "argument --x: invalid choice: 'mnst' (choose from mnist, digits)",
            "; did you mean mnist?",
        ),
        ("argument --seed: expected one argument", ""),
    ],
)
def test_argparses_message_ends_with_the_nearest_option_or_choice(message, line):
    assert usage_line(message, ["--seed", "--spec"]) == message + line
