"""The arguments of the command line, many of which pytest takes too; nothing heavy, so that help is fast."""

import argparse
import importlib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

BUDGET = 32
"""Most seeds of the recipe gate, by default: with 16, 1 healthy recipe of 8 stays undecided (docs/power.md)."""
ACCEPTED = 96
"""Seeds that are accepted, by default."""


def add_options(add: Callable[..., Any]) -> None:
    """Add the options about data and seed; `add` is argparse's ``add_argument`` or pytest's ``addoption``."""
    add("--mnist-data", metavar="PATH", help="MNIST: a folder of IDX files, or an .npz")
    choices = ["auto", "mnist", "digits"]
    add("--dataset", choices=choices, default="auto", help="auto (default): MNIST, else scikit-learn's digits")
    add("--seed", type=_seed, default=0, help="of the initial weights and of the orders (default: 0)")


def add_report_option(add: Callable[..., Any]) -> None:
    """Add the option of where a run writes its page."""
    add("--report", metavar="DIR", default="report", help="where the page goes (default: report)")


def add_subject_options(add: Callable[..., Any]) -> None:
    """Add the options of what is judged, and by which promise."""
    add("--pipeline", metavar="FILE.py:Name", help="a pipeline of your own; or package.module:Name")
    add("--spec", metavar="FILE.toml", help="what it promises: architecture, recipe, bounds, margin")


def add_gate_options(add: Callable[..., Any]) -> None:
    """Add what the gates of a run can be told; `add` is argparse's ``add_argument`` or pytest's ``addoption``."""
    _add_margin(add)
    add("--seeds", type=int, default=BUDGET, help=f"most trainings of the recipe gate (default: {BUDGET})")
    add("--baselines", metavar="DIR", help="where accepted results are kept (default: baselines)")
    add("--model", metavar="FILE", help="judge this .keras file against the accepted predictions; nothing is trained")
    add_scheduler(add)


def _add_margin(add: Callable[..., Any]) -> None:
    add("--margin", type=_margin, metavar="M", help="loss of accuracy that is too much, a fraction (default: 0.001)")


def add_scheduler(add: Callable[..., Any]) -> None:
    """Add the option of where trainings and trials run."""
    add("--scheduler", metavar="ADDRESS", help="of a Dask cluster, to run on it, such as tcp://HOST:8786")


def add_commands(commands: Any, data: argparse.ArgumentParser) -> None:
    """Add ``baseline`` with its three actions, and ``faults``."""
    text = "what was last accepted: accept, show, compare"
    actions = commands.add_parser("baseline", help=text, description=text.capitalize())
    choices = actions.add_subparsers(dest="action", required=True)
    accept = choices.add_parser("accept", parents=[data], help="train, show old against new, and accept")
    accept.add_argument("--seeds", type=int, default=ACCEPTED, help=f"how many to train (default: {ACCEPTED})")
    add_scheduler(accept.add_argument)
    show = choices.add_parser("show", parents=[data], help="print what was accepted")
    for parser in (accept, show):
        add_subject_options(parser.add_argument)
        parser.add_argument("--baselines", metavar="DIR", default="baselines", help="where they are kept")
    compare = choices.add_parser("compare", help="hold one baseline against another; exit 1 unless it is no worse")
    compare.add_argument("old", metavar="A", type=Path)
    compare.add_argument("new", metavar="B", type=Path)
    compare.add_argument("--spec", metavar="FILE.toml", help="with the margin")
    _add_margin(compare.add_argument)
    _add_faults(commands, data)


def _add_faults(commands: Any, data: argparse.ArgumentParser) -> None:
    text = "run the suite on broken pipelines: which check catches which fault"
    faults = commands.add_parser("faults", parents=[data], help=text, description=text.capitalize())
    faults.add_argument("--list", action="store_true", help="show what there is, and run nothing")
    only = "this fault or twin alone; may be repeated"
    faults.add_argument("--only", metavar="NAME", action="append", default=[], help=only)
    faults.add_argument("--sample", action="store_true", help="ten of them, in a minute or two")
    full = "run every check on each, for the whole matrix (default: up to the first failure)"
    faults.add_argument("--full", action="store_true", help=full)
    faults.add_argument("--out", metavar="DIR", default="faults", help="where the page goes (default: faults)")
    faults.add_argument("--docs", metavar="DIR", type=Path, help="where Markdown and a picture go, if wanted")
    faults.add_argument("--timeout", type=float, default=600, metavar="S", help="seconds of one trial (default: 600)")
    faults.add_argument("--processes", type=int, default=0, metavar="N", help="here (default: one a core)")
    add_scheduler(faults.add_argument)


def run(options: argparse.Namespace) -> int:
    """Run one of these commands."""
    modules = {"faults": "campaign", "baseline": "accept"}
    return int(importlib.import_module(f"mnistlab.{modules[options.command]}").command(options))


def accept_command(dataset: str, pipeline: str | None, spec: str | None, baselines: str | None) -> str:
    """Return the options behind ``mnistlab baseline accept`` that accept what a run judged."""
    given = {"dataset": dataset, "pipeline": pipeline, "spec": spec, "baselines": baselines}
    return " ".join(f"--{name} {shlex.quote(value)}" for name, value in given.items() if value)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed; required: a whole number from 0")
    return int(text)


def _margin(text: str) -> float:
    try:
        margin = float(text)
    except ValueError:
        margin = 0.0
    if not 0 < margin < 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is no margin; required: a fraction such as 0.001")
    return margin
