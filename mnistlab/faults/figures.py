"""The picture of a campaign: fault by check."""

from itertools import groupby
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mnistlab.faults.summary import Summary
from mnistlab.report.canvas import BLUE, GREY, PALE, RED, TEXT, WIDTH, axes_at, new_figure

LEFT, RIGHT, TOP, STEP, APART = 210, 250, 90, 13, 14
"""Room for names, for the check that failed first, for modules; a row's height; between modules' names; in pixels."""
BESIDE: dict[str, Any] = {"textcoords": "offset points", **TEXT}


def kill_matrix(summary: Summary) -> Figure:
    """Draw a row for every fault and control, a column for every check that failed anywhere."""
    rows, checks = summary.rows, summary.failing
    figure = new_figure(
        "Who catches what: orange failed first, blue failed too, white did not run",
        TOP + STEP * len(rows),
    )
    paper = np.ones((max(len(rows), 1), max(len(checks), 1), 3))
    for place, (_, trial) in enumerate(rows):
        for column, check in enumerate(checks):
            status = trial.checks.get(check, "not run")
            colour = {"passed": PALE, "not run": "white"}.get(
                status, RED if check == trial.first else BLUE
            )
            paper[place, column] = to_rgb(colour)
    axes = axes_at(figure, (LEFT, 4, WIDTH - LEFT - RIGHT, STEP * len(rows) or STEP))
    axes.imshow(
        paper, aspect="auto", interpolation="nearest", extent=(0, paper.shape[1], paper.shape[0], 0)
    )
    axes.hlines(np.arange(1, len(rows)), 0, paper.shape[1], "white", linewidth=0.6)
    axes.set_axis_off()
    for place, (entry, trial) in enumerate(rows):
        axes.annotate(
            entry.name, (0, place + 0.5), (-6, 0), ha="right", va="center", fontsize=8, **BESIDE
        )
        first = (
            trial.first.partition("::")[2].removeprefix("test_").replace("_", " ") or trial.status
        )
        first = first if len(first) < 48 else f"{first[:46]}…"
        axes.annotate(
            first, (paper.shape[1], place + 0.5), (6, 0), va="center", fontsize=7, **BESIDE
        )
    start, free, apart = 0, 0.0, APART * paper.shape[1] / (WIDTH - LEFT - RIGHT)
    for module, group in groupby(checks, lambda check: check.partition("::")[0]):
        axes.axvline(start, color=GREY, linewidth=0.8)
        axes.annotate(
            module.replace("_", " "),
            (max(start, free), 0),
            (2, 5),
            rotation=50,
            fontsize=8,
            **BESIDE,
        )
        start, free = start + len(list(group)), max(start, free) + apart
    return figure
