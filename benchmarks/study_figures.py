"""The three pictures of docs/statistics.md."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from study_gates import (
    BUDGET,
    MARGINS,
    Decisions,
    Study,
    below_97,
    mcnemar_rate,
    welch,
    worse_gates,
)
from weakened import ONE_THREAD, RECIPES, STREAMED

from mnistlab.report.canvas import BLUE, INK, ORANGE, RED, TEXT, axes_at, new_figure

DROPS = np.arange(13) / 5000


def found_figure(study: Study) -> Figure:
    """Draw the probability to be found against the true drop."""
    figure = new_figure(
        "A drop of one margin is found 99 times of 100, whether seeds match or not", 330
    )
    axes = axes_at(figure, (70, 55, 600, 260), "True drop of accuracy (points)", "Not passed (%)")
    for margin, colour in zip(MARGINS, (BLUE, ORANGE), strict=True):
        plan = study.plan(margin)
        for name, line in ((ONE_THREAD, "o-"), (STREAMED, "s--")):
            found = [100 * (~worse_gates(study, name, plan, drop).passed).mean() for drop in DROPS]
            label = f"margin {100 * margin:.2f}, {name.removeprefix('healthy, ')}"
            axes.plot(100 * DROPS, found, line, color=colour, label=label, markersize=4)
        axes.axvline(100 * margin, color=colour, linewidth=0.8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=10)
    return figure


def seeds_figure(decided: Decisions) -> Figure:
    """Draw the mean number of seeds by kind of change."""
    names = ["unchanged", *RECIPES]
    figure = new_figure(
        "Worse recipes fail after 4 to 6 seeds, healthy ones pass after 2 to 11",
        32 * len(names) + 70,
    )
    axes = axes_at(
        figure,
        (180, 55, 720, 32 * len(names)),
        "Trainings until the gate decides, margin 0.10 points: mean over gates",
    )
    axes.barh(0, 2, color=BLUE, height=0.6)
    axes.text(2.3, 0, "2", va="center", fontsize=10, **TEXT)
    for place, name in enumerate(RECIPES, start=1):
        each = decided[name, MARGINS[0]]
        ends, shares = each.interval["seeds"], (each.passed, each.failed)
        colour = ORANGE if max(shares) < 0.5 else RED if each.failed > 0.5 else BLUE
        axes.barh(place, each.seeds, color=colour, height=0.6)
        axes.plot(ends, (place, place), color=INK)
        axes.text(ends[1] + 0.3, place, f"{each.seeds:.1f}", va="center", fontsize=10, **TEXT)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlim=(0, BUDGET + 3), ylim=(len(names) - 0.4, -0.6))
    for colour, word, y in ((BLUE, "PASSED", 0), (RED, "FAILED", 0.7), (ORANGE, "UNDECIDED", 1.4)):
        axes.text(27, y, f"mostly {word}", va="center", fontsize=10, **{**TEXT, "color": colour})
    return figure


def peers_figure(study: Study, decided: Decisions) -> Figure:
    """Draw how often each method calls a recipe worse, on the same trainings."""
    plan = study.plan(MARGINS[0])
    columns: dict[str, Callable[[str], float]] = {
        "this gate": lambda name: 1 - decided[name, MARGINS[0]].passed,
        "Welch's gate\nof before": lambda name: float((~welch(study, name, plan)[0]).mean()),
        "McNemar, 1 %,\ntwo trainings": lambda name: mcnemar_rate(study, name),
        "one training,\n97 % accuracy": lambda name: below_97(study, name),
    }
    shares = 100 * np.array([[rate(name) for rate in columns.values()] for name in RECIPES])
    seeds = np.ones_like(shares)
    seeds[:, 0] = [decided[name, MARGINS[0]].seeds for name in RECIPES]
    seeds[:, 1] = [welch(study, name, plan)[1].mean() for name in RECIPES]
    body = 34 * len(RECIPES)
    figure = new_figure(
        "How often a recipe does not pass (% of runs), and the mean number of seeds", body + 60
    )
    axes = axes_at(figure, (180, 10, 700, body))
    axes.imshow(shares, "Blues", vmin=0, vmax=150, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        text = f"{share:.3g}" + (f"  ({seeds[row, column]:.1f} seeds)" if column < 2 else "")
        axes.text(column, row, text, ha="center", va="center", fontsize=11, **TEXT)
    axes.set_xticks(range(len(columns)), list(columns))
    axes.set_yticks(range(len(RECIPES)), list(RECIPES))
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    return figure
