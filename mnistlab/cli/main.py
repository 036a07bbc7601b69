"""The command line: parse the arguments, then import and run the one command that was asked for."""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from mnistlab import __version__
from mnistlab.errors import MnistlabError
from mnistlab.options import DATA, GATES, PIPELINE, add_options, check_dataset
from mnistlab.spelling import usage_line

# This module imports nothing heavy, so that `mnistlab --help` answers at once. Each command is a
# module of this package with a function `run(options)`, imported when it is asked for.

ACCEPTED_SEEDS = 96
MEASURED_SEEDS = 32
USAGE_ERROR = 2
"""The exit code of a command that was typed wrong."""


class _Parser(argparse.ArgumentParser):
    """Takes no abbreviated options, and says in one line what is wrong with a command line."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **{**settings, "allow_abbrev": False})
        self.set_defaults(refuse=self.error)

    def error(self, message: str) -> NoReturn:
        line = usage_line(message, self._option_string_actions)
        self.exit(USAGE_ERROR, f"{self.prog}: {line}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if all went well, 2 if it was typed wrong, else 1."""
    options, further = _parser().parse_known_args(arguments)
    if further and options.command != "validate":
        options.refuse(f"unrecognized arguments: {' '.join(further)}")
    options.pytest_arguments = further[further[:1] == ["--"] :]
    try:
        if "mnist_data" in options and getattr(options, "action", "") != "show":
            check_dataset(options.dataset, options.mnist_data)
    except MnistlabError as error:
        options.refuse(str(error))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow logs its start-up otherwise
    try:
        return int(importlib.import_module(f"mnistlab.cli.{options.command}").run(options))
    except MnistlabError as error:
        print(f"mnistlab: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("mnistlab: interrupted; nothing was written", file=sys.stderr)
    return 1


def _at_least(least: int, purpose: str, better: int, text: str) -> int:
    """Read a whole number that is large enough for a purpose."""
    if not text.isdecimal() or int(text) < least:
        required = f"required at least {least} to know {purpose}; {better} are better"
        raise argparse.ArgumentTypeError(f"{text}: {required}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("mnistlab", description="Test a classifier the way code is tested.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, text: str, *shared: str, of: Any = commands) -> Callable[..., Any]:
        """Add a command with shared options; return the function that adds options of its own."""
        added = of.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        add_options(added.add_argument, *shared)
        return added.add_argument  # type: ignore[no-any-return]

    add = command("train", "train the published recipe once", *DATA)
    add("--out", metavar="DIR", default="mnist-out", help="a new folder for model and pictures")

    text = "judge a pipeline: the whole suite, a verdict and a page; other arguments go to pytest"
    add = command("validate", text, *DATA, *PIPELINE, "--report", *GATES)
    add("--strict", action="store_true", help="fail also if something was not judged")

    text = "what was last accepted: accept, show, compare"
    baseline = commands.add_parser("baseline", help=text)
    actions = baseline.add_subparsers(dest="action", required=True)
    text = "train, show old against new, and accept"
    add = command("accept", text, *DATA, "--scheduler", *PIPELINE, "--baselines", of=actions)
    kind = partial(_at_least, 16, "a spread", ACCEPTED_SEEDS)
    text = "how many to train (default: 96)"
    add("--seeds", type=kind, default=ACCEPTED_SEEDS, help=text)
    kind = partial(_at_least, 8, "a healthy range", MEASURED_SEEDS)
    text = "on how many of them the suite measures its figures (default: 32)"
    add("--figures", type=kind, default=MEASURED_SEEDS, help=text)
    text = "also measure the figures of the tests in this folder; may be repeated"
    add("--suite", metavar="DIR", action="append", default=[], help=text)
    command("show", "print what was accepted", *DATA, *PIPELINE, "--baselines", of=actions)
    text = "compare two baselines; exit 1 unless B is no worse than A"
    add = command("compare", text, "--margin", of=actions)
    add("old", metavar="A", type=Path)
    add("new", metavar="B", type=Path)
    add("--spec", metavar="FILE.toml", help="a spec with the margin")

    text = "how often the recipe gate errs, simulated from the accepted seeds"
    command("power", text, *DATA, *PIPELINE, "--margin", "--seeds", "--baselines")

    text = "run the suite on broken pipelines: which check catches which fault"
    add = command("faults", text, *DATA, "--scheduler")
    add("--list", action="store_true", help="list the faults and healthy controls; run nothing")
    text = "run this fault or control alone; may be repeated"
    add("--only", metavar="NAME", action="append", default=[], help=text)
    add("--sample", action="store_true", help="run ten of them, in a minute or two")
    text = "run every check on each, for the whole matrix (default: stop at the first failure)"
    add("--full", action="store_true", help=text)
    text = "folder of the page (default: faults)"
    add("--out", metavar="DIR", default="faults", help=text)
    text = "also write Markdown and a picture to this folder"
    add("--docs", metavar="DIR", type=Path, help=text)
    text = "with --full: write the dictionary of symptoms that runs are diagnosed by"
    add("--symptoms", metavar="FILE", type=Path, help=text)
    text = "seconds of a trial (default: 600)"
    add("--timeout", type=float, default=600, metavar="S", help=text)
    text = "processes on this machine (default: one a core)"
    add("--processes", type=int, default=0, metavar="N", help=text)
    return parser
