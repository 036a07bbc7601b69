"""Mistyped names: the nearest known one, before anything heavy is imported."""

import argparse
import ast
import difflib
import importlib.util
import pkgutil
import re
from collections.abc import Iterable
from pathlib import Path


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that names the nearest known name; "" if none is near."""
    near = difflib.get_close_matches(name, sorted({*known}), 1)
    return f"; did you mean {near[0]}?" if near else ""


def usage_line(message: str, options: Iterable[str]) -> str:
    """Return argparse's message about a command line in one line, with the nearest known name."""
    message = re.sub(r"^argument --\S+: (?=--)", "", message)
    if found := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
        return message + did_you_mean(found[1], re.findall(r"[\w-]+", found[2]))
    if found := re.match(r"unrecognized arguments: .*?(--?[\w-]+)", message):
        return message + did_you_mean(found[1], options)
    return message


def reference(text: str) -> str:
    """Check what ``--pipeline`` names, without running it: the ``type`` of that option."""
    location, _, name = text.rpartition(":")
    path, problem = Path(location), ""
    is_file = location.endswith(".py")
    is_module = all(part.isidentifier() for part in location.split("."))
    if not (is_file or is_module) or not name.isidentifier():
        problem = "required FILE.py:Name or package.module:Name, of a class or an instance"
    elif not is_file:
        problem = _missing_module(location.partition(".")[0])
    elif not path.is_file():
        near = did_you_mean(path.name, (file.name for file in path.parent.glob("*.py")))
        problem = f"there is no file {location} in {Path.cwd()}{near}"
    elif (names := _names_in(path)) and name not in names:
        problem = f"{location} has no {name}{did_you_mean(name, names)}"
    if problem:
        raise argparse.ArgumentTypeError(f"--pipeline {text}: {problem}")
    return text


def _missing_module(name: str) -> str:
    if Path(name).is_dir() or Path(f"{name}.py").is_file() or importlib.util.find_spec(name):
        return ""
    near = did_you_mean(name, (module.name for module in pkgutil.iter_modules()))
    return f"there is no module {name}, neither in the working directory nor installed{near}"


def _names_in(path: Path) -> set[str]:
    """Return the names that a file defines; none if only running it can tell."""
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (OSError, SyntaxError, ValueError):  # reported with its line when the file is run
        return set()
    names = {each.asname or each.name for each in nodes if isinstance(each, ast.alias)}
    names |= {each.name for each in nodes if isinstance(each, ast.ClassDef | ast.FunctionDef)}
    names |= {each.id for each in nodes if isinstance(each, ast.Name)}
    return set() if names & {"*", "globals", "vars", "setattr", "exec", "__getattr__"} else names
