"""The arguments of the command line, many of which pytest takes too; nothing heavy, so that help is fast."""

import argparse
import shlex
from collections.abc import Callable
from typing import Any

BUDGET = 32
"""Most seeds of the recipe gate, by default: with 16, 1 healthy recipe of 8 stays undecided (docs/power.md)."""


def add_data_options(add: Callable[..., Any]) -> None:
    """Add the options about data and seed; `add` is argparse's ``add_argument`` or pytest's ``addoption``."""
    add("--mnist-data", metavar="PATH", help="MNIST: a folder of IDX files, or an .npz")
    choices = ["auto", "mnist", "digits"]
    add(
        "--dataset",
        choices=choices,
        default="auto",
        help="auto (default): MNIST, else scikit-learn's digits",
    )
    add(
        "--seed",
        type=_seed,
        default=0,
        help="of the initial weights and of the orders (default: 0)",
    )


def add_report_option(add: Callable[..., Any]) -> None:
    """Add the option of where a run writes its page."""
    add("--report", metavar="DIR", default="report", help="where the page goes (default: report)")


def add_pipeline_options(add: Callable[..., Any]) -> None:
    """Add the options of what is judged, and by which promise."""
    add("--pipeline", metavar="FILE.py:Name", help="a pipeline of your own; or package.module:Name")
    add(
        "--spec", metavar="FILE.toml", help="what it promises: architecture, recipe, bounds, margin"
    )


def add_gate_options(add: Callable[..., Any]) -> None:
    """Add what the gates of a run can be told; `add` is argparse's ``add_argument`` or pytest's ``addoption``."""
    add_margin_option(add)
    add(
        "--seeds",
        type=int,
        default=BUDGET,
        help=f"most trainings of the recipe gate (default: {BUDGET})",
    )
    add("--baselines", metavar="DIR", help="where accepted results are kept (default: baselines)")
    add(
        "--model",
        metavar="FILE",
        help="judge this .keras file against the accepted predictions; nothing is trained",
    )
    add_scheduler_option(add)


def add_margin_option(add: Callable[..., Any]) -> None:
    """Add the option of the leading margin."""
    add(
        "--margin",
        type=_margin,
        metavar="M",
        help="loss of accuracy that is too much, a fraction (default: 0.001)",
    )


def add_scheduler_option(add: Callable[..., Any]) -> None:
    """Add the option of where trainings and trials run."""
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="of a Dask cluster, to run on it, such as tcp://HOST:8786",
    )


def accept_command(
    dataset: str, pipeline: str | None, spec: str | None, baselines: str | None
) -> str:
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
        raise argparse.ArgumentTypeError(
            f"{text!r} is no margin; required: a fraction such as 0.001"
        )
    return margin
