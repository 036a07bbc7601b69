"""Options that argparse and pytest share. This module imports nothing heavy, so --help is fast.

`add` is argparse's ``add_argument`` or pytest's ``addoption``.
"""

import argparse
import shlex
from collections.abc import Callable
from typing import Any

from mnistlab.spelling import reference

BUDGET = 32
"""Most seeds of the recipe gate, by default. With 16, 1 healthy recipe of 8 stays undecided."""


def add_data_options(add: Callable[..., Any]) -> None:
    """Add the options of the data and the seed."""
    add("--mnist-data", metavar="PATH", help="MNIST: a folder of IDX files, or an .npz")
    choices = ["auto", "mnist", "digits"]
    text = "auto (default): MNIST, else scikit-learn's digits"
    add("--dataset", choices=choices, default="auto", help=text)
    text = "seed of initial weights and sample order (default: 0)"
    add("--seed", type=_seed, default=0, help=text)


def add_report_option(add: Callable[..., Any]) -> None:
    """Add the option of the report's folder."""
    add("--report", metavar="DIR", default="report", help="folder of the page (default: report)")


def add_pipeline_options(add: Callable[..., Any]) -> None:
    """Add the options that name a pipeline and its promise."""
    text = "judge this pipeline; also package.module:Name (default: the published recipe)"
    add("--pipeline", type=reference, metavar="FILE.py:Name", help=text)
    text = "what it promises: architecture, recipe, bounds, margin"
    add("--spec", metavar="FILE.toml", help=text)


def add_gate_options(add: Callable[..., Any]) -> None:
    """Add the options of the two gates."""
    add_margin_option(add)
    text = f"most trainings of the recipe gate (default: {BUDGET})"
    add("--seeds", type=int, default=BUDGET, help=text)
    text = "folder of accepted results (default: baselines)"
    add("--baselines", metavar="DIR", help=text)
    text = "judge this .keras file against the accepted predictions; nothing is trained"
    add("--model", metavar="FILE", help=text)
    add_scheduler_option(add)


def add_margin_option(add: Callable[..., Any]) -> None:
    """Add the option of the leading metric's margin."""
    text = "loss of accuracy that is too much, a fraction (default: 0.001)"
    add("--margin", type=_margin, metavar="M", help=text)


def add_scheduler_option(add: Callable[..., Any]) -> None:
    """Add the option of a Dask cluster."""
    text = "run on the Dask cluster with this scheduler, such as tcp://HOST:8786"
    add("--scheduler", metavar="ADDRESS", help=text)


def accept_command(
    dataset: str, pipeline: str | None, spec: str | None, baselines: str | None
) -> str:
    """Return the options of ``mnistlab baseline accept`` that accept what a run judged."""
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
