"""Options that argparse and pytest share. This module imports nothing heavy, so --help is fast."""

import argparse
import re
from collections.abc import Callable
from typing import Any

from mnistlab.errors import MnistlabError
from mnistlab.spelling import did_you_mean, reference

DATASETS = ("auto", "mnist", "digits")
"""Names of datasets that need no `--data`; not free for data of one's own."""
BUDGET = 32
"""Most seeds of the recipe gate, by default. With 16, 1 healthy recipe of 8 stays undecided."""
DATA = ("--data", "--dataset", "--seed")
PIPELINE = ("--pipeline", "--spec")
GATES = ("--margin", "--seeds", "--baselines", "--model", "--scheduler")


def add_options(add: Callable[..., Any], *names: str) -> None:
    """Add options by name; `add` is argparse's ``add_argument`` or pytest's ``addoption``."""

    def option(name: str, text: str, *aliases: str, **settings: Any) -> None:
        if name in names:
            add(name, *aliases, help=text, **settings)

    text = "the data: a folder of IDX files, or an .npz"
    option("--data", text, "--mnist-data", dest="mnist_data", metavar="PATH")
    text = "auto (MNIST, else digits; the default), mnist, digits, or your name for other --data"
    option("--dataset", text, metavar="NAME", default="auto")
    text = "seed of initial weights and sample order (default: 0)"
    option("--seed", text, type=_seed, default=0)
    option("--report", "folder of the page (default: report)", metavar="DIR", default="report")
    text = "judge this pipeline; also package.module:Name (default: the published recipe)"
    option("--pipeline", text, type=reference, metavar="FILE.py:Name")
    text = "what it promises: architecture, recipe, bounds, margin"
    option("--spec", text, metavar="FILE.toml")
    text = "loss of accuracy that is too much, a fraction (default: 0.001)"
    option("--margin", text, type=_margin, metavar="M")
    text = f"most trainings of the recipe gate (default: {BUDGET})"
    option("--seeds", text, type=int, default=BUDGET)
    option("--baselines", "folder of accepted results (default: baselines)", metavar="DIR")
    text = "judge this .keras file against the accepted predictions; nothing is trained"
    option("--model", text, metavar="FILE")
    text = "run on the Dask cluster with this scheduler, such as tcp://HOST:8786"
    option("--scheduler", text, metavar="ADDRESS")


def check_dataset(name: str, path: object) -> None:
    """Raise MnistlabError unless a dataset may have this name, with or without a path to data."""
    if path and (name == "digits" or (name not in DATASETS and name.lower() in DATASETS)):
        raise MnistlabError(f"dataset {name!r}: the name is taken; give the data at {path} another")
    if name in DATASETS:
        return
    if not path:
        near = did_you_mean(name.lower(), DATASETS)
        what = f"is unknown{near or ';'} data of your own needs its place: --data PATH"
        raise MnistlabError(f"dataset {name!r} {what}")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", name):
        required = "required letters, digits, '_', '-' or '.'"
        raise MnistlabError(f"dataset {name!r}: {required}, as it becomes part of a file's name")


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
        required = "required: a fraction such as 0.001"
        raise argparse.ArgumentTypeError(f"{text!r} is no margin; {required}")
    return margin
