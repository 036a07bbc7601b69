"""What the command line and pytest both take."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


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


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed; required: a whole number from 0")
    return int(text)
