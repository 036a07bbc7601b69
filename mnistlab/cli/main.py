"""The command line: parse the arguments, then import and run the one command that was asked for."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mnistlab import __version__
from mnistlab.errors import MnistlabError
from mnistlab.options import (
    BUDGET,
    add_data_options,
    add_gate_options,
    add_margin_option,
    add_pipeline_options,
    add_report_option,
    add_scheduler_option,
)

# This module imports nothing heavy, so that `mnistlab --help` answers at once. Each command is a
# module of this package with a function `run(options)`, imported when it is asked for.

ACCEPTED_SEEDS = 96
MEASURED_SEEDS = 32


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        The arguments of the process by default.

    Returns
    -------
    int
        0 if all went well, and for ``validate`` if the verdict allows it; else 1.
    """
    parser = _parser()
    options, further = parser.parse_known_args(arguments)
    if further and options.command != "validate":
        parser.error(f"unknown arguments: {' '.join(further)}")
    options.pytest_arguments = further
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow logs its start-up otherwise
    try:
        return int(importlib.import_module(f"mnistlab.cli.{options.command}").run(options))
    except MnistlabError as error:
        print(f"mnistlab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mnistlab: interrupted; nothing was written", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    data = argparse.ArgumentParser(add_help=False)
    add_data_options(data.add_argument)
    parser = argparse.ArgumentParser(
        "mnistlab", description="Test a classifier the way code is tested."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_train(commands, data)
    _add_validate(commands, data)
    _add_baseline(commands, data)
    _add_power(commands, data)
    _add_faults(commands, data)
    return parser


def _add_train(commands: Any, data: argparse.ArgumentParser) -> None:
    train = commands.add_parser(
        "train",
        parents=[data],
        help="train the published recipe",
        description="Train the published recipe once.",
    )
    train.add_argument(
        "--out", metavar="DIR", default="mnist-out", help="a new folder for model and pictures"
    )


def _add_validate(commands: Any, data: argparse.ArgumentParser) -> None:
    validate = commands.add_parser(
        "validate",
        parents=[data],
        help="judge a pipeline: the whole suite, a verdict and a page",
        description="Judge a pipeline by the whole suite. Other arguments go to pytest.",
    )
    validate.add_argument(
        "--strict", action="store_true", help="fail also if something was not judged"
    )
    add_pipeline_options(validate.add_argument)
    add_report_option(validate.add_argument)
    add_gate_options(validate.add_argument)


def _add_baseline(commands: Any, data: argparse.ArgumentParser) -> None:
    text = "what was last accepted: accept, show, compare"
    actions = commands.add_parser("baseline", help=text, description=text.capitalize())
    choices = actions.add_subparsers(dest="action", required=True)
    accept = choices.add_parser(
        "accept", parents=[data], help="train, show old against new, and accept"
    )
    accept.add_argument(
        "--seeds",
        type=int,
        default=ACCEPTED_SEEDS,
        help=f"how many to train (default: {ACCEPTED_SEEDS})",
    )
    text = f"on how many of them the suite measures its figures (default: {MEASURED_SEEDS})"
    accept.add_argument("--figures", type=int, default=MEASURED_SEEDS, help=text)
    add_scheduler_option(accept.add_argument)
    show = choices.add_parser("show", parents=[data], help="print what was accepted")
    for parser in (accept, show):
        add_pipeline_options(parser.add_argument)
        parser.add_argument(
            "--baselines", metavar="DIR", default="baselines", help="folder of accepted results"
        )
    compare = choices.add_parser(
        "compare", help="compare two baselines; exit 1 unless B is no worse than A"
    )
    compare.add_argument("old", metavar="A", type=Path)
    compare.add_argument("new", metavar="B", type=Path)
    compare.add_argument("--spec", metavar="FILE.toml", help="a spec with the margin")
    add_margin_option(compare.add_argument)


def _add_power(commands: Any, data: argparse.ArgumentParser) -> None:
    text = "how often the recipe gate errs, simulated from the accepted seeds"
    power = commands.add_parser("power", parents=[data], help=text, description=text.capitalize())
    add_pipeline_options(power.add_argument)
    add_margin_option(power.add_argument)
    text = f"most trainings of the gate (default: {BUDGET})"
    power.add_argument("--seeds", type=int, default=BUDGET, help=text)
    power.add_argument("--baselines", metavar="DIR", help="folder of accepted results")


def _add_faults(commands: Any, data: argparse.ArgumentParser) -> None:
    text = "run the suite on broken pipelines: which check catches which fault"
    faults = commands.add_parser("faults", parents=[data], help=text, description=text.capitalize())
    faults.add_argument(
        "--list", action="store_true", help="list the faults and healthy controls; run nothing"
    )
    only = "run this fault or control alone; may be repeated"
    faults.add_argument("--only", metavar="NAME", action="append", default=[], help=only)
    faults.add_argument("--sample", action="store_true", help="run ten of them, in a minute or two")
    full = "run every check on each, for the whole matrix (default: stop at the first failure)"
    faults.add_argument("--full", action="store_true", help=full)
    faults.add_argument(
        "--out", metavar="DIR", default="faults", help="folder of the page (default: faults)"
    )
    faults.add_argument(
        "--docs", metavar="DIR", type=Path, help="also write Markdown and a picture to this folder"
    )
    symptoms = "with --full: write the dictionary of symptoms that runs are diagnosed by"
    faults.add_argument("--symptoms", metavar="FILE", type=Path, help=symptoms)
    faults.add_argument(
        "--timeout", type=float, default=600, metavar="S", help="seconds of a trial (default: 600)"
    )
    faults.add_argument(
        "--processes",
        type=int,
        default=0,
        metavar="N",
        help="processes on this machine (default: one a core)",
    )
    add_scheduler_option(faults.add_argument)
