"""The picture of a campaign: fault by check."""

from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from mnistlab.faults.summary import Outcome, Summary
from mnistlab.report.canvas import BLUE, GREY, PALE, RED, TEXT, WIDTH, axes_at, new_figure

# In pixels: room for the names of faults, of the check that failed first and of modules; the
# height of a row; and the least distance between the names of two modules.
LEFT, RIGHT, TOP, ROW_HEIGHT, MODULE_GAP = 210, 250, 90, 13, 14


def kill_matrix(summary: Summary) -> Figure:
    """Draw a row for every fault and control and a column for every check that failed anywhere."""
    outcomes, checks = summary.outcomes, summary.failing
    title = "Fault by check: orange failed first, blue failed too, white did not run"
    figure = new_figure(title, TOP + ROW_HEIGHT * len(outcomes))
    columns, width = max(len(checks), 1), WIDTH - LEFT - RIGHT
    axes = axes_at(figure, (LEFT, 4, width, ROW_HEIGHT * max(len(outcomes), 1)))
    cells = np.ones((max(len(outcomes), 1), columns, 3))
    for row, column in np.ndindex(len(outcomes), len(checks)):
        cells[row, column] = to_rgb(_colour(outcomes[row], checks[column]))
    extent = (0, columns, len(cells), 0)
    axes.imshow(cells, aspect="auto", interpolation="nearest", extent=extent)
    axes.hlines(np.arange(1, len(outcomes)), 0, columns, "white", linewidth=0.6)
    axes.set_axis_off()
    label: dict[str, Any] = {"textcoords": "offset points", **TEXT}
    for row, outcome in enumerate(outcomes):
        side = {"va": "center", **label}
        axes.annotate(outcome.entry.name, (0, row + 0.5), (-6, 0), ha="right", fontsize=8, **side)
        axes.annotate(_result(outcome), (columns, row + 0.5), (6, 0), fontsize=7, **side)
    free = 0.0  # where the name of the last module leaves room
    modules = [check.partition("::")[0] for check in checks]
    for module in dict.fromkeys(modules):
        start = modules.index(module)
        axes.axvline(start, color=GREY, linewidth=0.8)
        corner = max(start, free), 0
        axes.annotate(module.replace("_", " "), corner, (2, 5), rotation=50, fontsize=8, **label)
        free = corner[0] + MODULE_GAP * columns / width
    return figure


def _colour(outcome: Outcome, check: str) -> str:
    if outcome.trial.missed(check):
        return RED if check == outcome.trial.caught_by else BLUE
    return PALE if outcome.trial.checks.get(check) == "passed" else "white"


def _result(outcome: Outcome) -> str:
    """Return the claim that failed first, or how the trial ended, in at most 47 characters."""
    claim = outcome.trial.caught_by.partition("::")[2].removeprefix("test_").replace("_", " ")
    text = claim or outcome.trial.status
    return text if len(text) < 48 else f"{text[:46]}…"
