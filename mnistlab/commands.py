"""The commands about the gates, ``mnistlab baseline`` and ``mnistlab power``: arguments only, so that help is fast."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = "baselines"
BUDGET = 32
"""Most seeds of the recipe gate, by default: with 16, 1 healthy recipe of 12 stays undecided (docs/power.md)."""


def add_gate_options(add: Callable[..., Any]) -> None:
    """Add what the gates of a run can be told; `add` is argparse's ``add_argument`` or pytest's ``addoption``."""
    add("--margin", type=_margin, metavar="M", help="loss of accuracy that is too much, a fraction (default: 0.001)")
    add("--seeds", type=int, default=BUDGET, help=f"most trainings of the recipe gate (default: {BUDGET})")
    add("--baselines", metavar="DIR", help="where accepted results are kept (default: baselines)")
    add("--model", metavar="FILE", help="judge this .keras file against the accepted predictions; nothing is trained")


def add_commands(commands: Any, data: argparse.ArgumentParser) -> None:
    """Add ``baseline`` with its three actions, and ``power``."""
    text = "what was last accepted: accept, show, compare"
    actions = commands.add_parser("baseline", help=text, description=text.capitalize())
    choices = actions.add_subparsers(dest="action", required=True)
    accept = choices.add_parser("accept", parents=[data], help="train, show old against new, and accept")
    accept.add_argument("--seeds", type=int, default=96, help="how many to train (default: 96)")
    show = choices.add_parser("show", parents=[data], help="print what was accepted")
    for parser in (accept, show):
        parser.add_argument("--baselines", metavar="DIR", default=FOLDER, help="where they are kept")
    compare = choices.add_parser("compare", help="hold one baseline against another; exit 1 unless it is no worse")
    compare.add_argument("old", metavar="A", type=Path)
    compare.add_argument("new", metavar="B", type=Path)
    text = "how often the gates err, measured on real trainings"
    power = commands.add_parser("power", help=text, description=text.capitalize())
    power.add_argument("--margin", type=_margin, metavar="M", help="of one more gate, a fraction")
    power.add_argument("--seeds", type=int, default=BUDGET, help="most seeds of that gate")
    power.add_argument("--gates", type=int, default=2000, help="simulated for each rate, of rare ones 5 times as many")
    power.add_argument("--pools", metavar="FILE", type=Path, default=Path("benchmarks/pools.json"))
    power.add_argument("--baselines", metavar="DIR", default=FOLDER, help="where the rates go")
    power.add_argument("--docs", metavar="DIR", type=Path, default=Path("docs"), help="where page and picture go")


def run(options: argparse.Namespace) -> int:
    """Run ``baseline`` or ``power``."""
    if options.command == "power":
        from mnistlab.power_page import command
    else:
        from mnistlab.accept import command
    return command(options)


def baseline_folder(named: str | None) -> Path:
    """Return where accepted results are kept: as named, else here, in the clone, or beside this file in a wheel."""
    if named:
        return Path(named)
    package = Path(__file__).resolve().parent
    places = (Path(FOLDER), package.parent / FOLDER, package / FOLDER)
    return next((place for place in places if place.is_dir()), places[0])


def _margin(text: str) -> float:
    try:
        margin = float(text)
    except ValueError:
        margin = 0.0
    if not 0 < margin < 0.5:
        raise argparse.ArgumentTypeError(f"{text!r} is no margin; required: a fraction such as 0.001")
    return margin
