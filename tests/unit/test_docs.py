"""The commands in the documents parse, paths and links exist, and code compiles."""

import configparser
import re
import shlex
import textwrap
from pathlib import Path

import pytest

from mnistlab.cli.main import _parser

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]
LINTERS = ("ruff", "mypy", "lint-imports")
PROGRAMS = ("mnistlab", "pytest", "tox", "pip", "python", "pre-commit", "git", "dask", *LINTERS)
PYTEST_OPTIONS = {"-k", "-x", "-q", "--cov"}
SOURCE_FOLDERS = ("mnistlab", "tests", "benchmarks", "docs")


def blocks(text):
    """Return the fenced and the indented blocks of a document, as language and lines."""
    fence = re.compile(r"(?ms)^( *)```(\w*)\n(.*?)^ *```$")
    fenced = [(match[2], textwrap.dedent(match[3]).splitlines()) for match in fence.finditer(text)]
    return [*fenced, ("", re.findall(r"(?m)^ {4,8}(\S.*)$", fence.sub("", text)))]


def commands():
    """Return each command line of the documents, with its document."""
    found = []
    for document in DOCUMENTS:
        for language, lines in blocks(document.read_text(encoding="utf-8")):
            shown = [line for line in lines if language in ("", "bash")]
            found += [
                pytest.param(words, id=f"{document.name}: {' '.join(words)}")
                for line in shown
                if (words := shlex.split(line, comments=True)) and words[0] in PROGRAMS
            ]
    return found


def parse(arguments):
    """Parse the arguments of `mnistlab`; return the options and what is left for pytest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mnistlab.options.reference", str)  # the reader's own file
        options, left = _parser().parse_known_args(arguments)
    if left and options.command != "validate":
        pytest.fail(f"mnistlab {options.command} has no {left}")
    return options, left


def tox():
    """Return the commands of every tox environment, one string per line."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", encoding="utf-8")
    named = {name.removeprefix("testenv:"): parser[name] for name in parser.sections()}
    return {
        name: part["commands"].split("\n") for name, part in named.items() if "commands" in part
    }


def action(arguments):
    """Return the words that name a command of mnistlab: "validate", "baseline accept"."""
    return " ".join(arguments[: 2 if arguments[0] == "baseline" else 1])


@pytest.mark.parametrize("words", commands())
def test_a_command_in_the_documents_is_one_that_works(words):
    program, *arguments = words
    if program == "mnistlab" and "--help" not in arguments:
        arguments = parse(arguments)[1]
    if program == "pytest":
        arguments = parse(["validate", *arguments])[1]
    if program in ("mnistlab", "pytest"):
        assert {each for each in arguments if each.startswith("-")} <= PYTEST_OPTIONS
    if program == "tox" and "-e" in arguments:
        assert arguments[arguments.index("-e") + 1] in tox()
    if program == "python" and arguments[0] != "-m":
        script = (ROOT / arguments[0]).read_text(encoding="utf-8")
        assert [each for each in arguments if each.startswith("--") and each not in script] == []
    if program in LINTERS and not {"--fix", "format"} & set(arguments):
        assert " ".join(words) in tox()["lint"]


@pytest.mark.parametrize("words", commands())
def test_a_path_in_a_command_exists(words):
    paths = [word.partition("::")[0].partition(":")[0] for word in words]
    assert [
        each
        for each in paths
        if each.startswith(SOURCE_FOLDERS) and "/" in each and not (ROOT / each).exists()
    ] == []


def test_every_command_of_mnistlab_in_the_documents_is_run_by_tox():
    run = [line.split()[1:] for lines in tox().values() for line in lines if "mnistlab " in line]
    documented = [param.values[0] for param in commands()]
    wanted = {action(words[1:]) for words in documented if words[0] == "mnistlab"}
    assert wanted
    assert wanted - {action(arguments) for arguments in run if arguments} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_relative_link_leads_to_a_file(document):
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_source_file_that_is_named_exists(document):
    named = re.findall(r"`((?:[\w.-]+/)+[\w.-]*)`", document.read_text(encoding="utf-8"))
    sources = [name for name in named if name.startswith(SOURCE_FOLDERS) or name.endswith(".py")]
    places = (ROOT, ROOT / "mnistlab", ROOT / "docs")
    assert [name for name in sources if not any((place / name).exists() for place in places)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_python_in_the_documents_compiles(document):
    for language, lines in blocks(document.read_text(encoding="utf-8")):
        if language == "python":
            compile("\n".join(lines), document.name, "exec")


def test_the_readme_is_short_enough_to_be_read():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    tables = re.findall(r"(?m)(?:^\|.*\n)+", text)
    assert max(table.count("\n") - 2 for table in tables) <= 8


def test_pre_commit_runs_what_tox_runs_as_lint():
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"(?m)^ +entry: (.+)$", hooks) == [line for line in tox()["lint"] if line]


def test_options_that_do_not_exist_are_found():
    with pytest.raises(pytest.fail.Exception, match="faults has no"):
        parse(["faults", "--no-such-option"])
    assert parse(["validate", "--no-such-option"])[1] == ["--no-such-option"]
