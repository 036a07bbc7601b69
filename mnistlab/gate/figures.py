"""The pictures of the gates: a strip of seeds, the power curve, and the paired table of a file."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mnistlab.gate.comparison import MetricComparison
from mnistlab.gate.error_rates import Rates, found_at
from mnistlab.gate.paired import Comparison
from mnistlab.gate.seed_runs import SeedMetrics
from mnistlab.gate.sequential import Result
from mnistlab.report.canvas import (
    BLUE,
    FONT,
    GREY,
    INK,
    ORANGE,
    PALE,
    RED,
    TEXT,
    axes_at,
    new_figure,
    tiles,
)

COLOURS = {"passed": BLUE, "failed": RED, "undecided": ORANGE}
CELL = 92


def seed_strip(result: Result, baseline: SeedMetrics) -> Figure:
    """Show every seed of accuracy and loss, candidate against the accepted columns, with margins and bounds."""
    shown = [
        comparison
        for comparison in result.comparisons
        if comparison.margin.metric in ("accuracy", "loss")
    ]
    shown = [comparison for comparison in shown if comparison.margin.kind == "mean"]
    figure = new_figure(f"{result.decision}: {result.sentence}", 40 + 105 * len(shown))
    for row, comparison in enumerate(reversed(shown)):
        _strip(figure, 35 + 105 * row, comparison, result, baseline)
    return figure


def _strip(
    figure: Figure,
    bottom: float,
    comparison: MetricComparison,
    result: Result,
    baseline: SeedMetrics,
) -> None:
    margin = comparison.margin
    scale = 1 if margin.is_loss else 100
    new, old = (scale * arm[margin.weights][margin.metric] for arm in (result.columns, baseline))
    axes = axes_at(figure, (320, bottom, 600, 70))
    jitter = np.random.default_rng(0)
    axes.plot(
        old, 0.75 + 0.12 * jitter.uniform(-1, 1, len(old)), "o", color=GREY, markersize=3, alpha=0.5
    )
    axes.plot(
        new,
        0.25 + 0.1 * jitter.uniform(-1, 1, len(new)),
        "o",
        color=COLOURS[comparison.status],
        markersize=5,
    )
    worse = 1 if margin.is_loss else -1
    limit = old.mean() + worse * scale * margin.margin
    axes.axvline(limit, color=INK, linewidth=1.6)
    axes.text(limit, 1.02, "margin", fontsize=9, ha="center", va="bottom", **TEXT)
    ends = [
        old.mean() + worse * scale * end
        for end in (comparison.low, comparison.high)
        if np.isfinite(end)
    ]
    if len(ends) == 2:
        axes.hlines(-0.05, *ends, color=COLOURS[comparison.status], linewidth=4)
        axes.plot(
            old.mean() + worse * scale * comparison.degradation,
            -0.05,
            "|",
            color=INK,
            markersize=12,
        )
    axes.set(
        ylim=(-0.2, 1),
        yticks=(0.75, 0.25, -0.05),
        yticklabels=("accepted", "candidate", "mean, bounds"),
    )
    name = f"{margin.name}\n({'nats' if margin.is_loss else '%'}): {comparison.status}"
    axes.text(
        -0.515, 0.5, name, fontsize=10, va="center", ha="left", transform=axes.transAxes, **TEXT
    )


def power_curve(rates: Rates, others: Mapping[str, Any], here: float) -> Figure:
    """Show the chance to be found against the true drop, of this gate and of what others do (`error_rates_study`).

    `here` is the drop of this run, a fraction; NaN if there is none to show.
    """
    margin, budget, drops = 100 * rates["margin"], rates["budget"], rates["drops"]
    at = 100 * found_at(rates, 2 * rates["margin"])
    title = f"A drop of {2 * margin:.2f} points is found with a probability of {at:.1f} %, at most {budget} seeds"
    figure = new_figure(title, 340)
    axes = axes_at(
        figure, (80, 50, 560, 270), "True drop of accuracy (points)", "Runs that do not pass (%)"
    )
    x = 100 * np.asarray(drops)
    lines = [(f"this gate, margin {margin:.2f}", rates["curve"], BLUE, "-", 2.5)]
    styles = {"threshold": (RED, ":"), "McNemar": (ORANGE, "--"), "final weights": (GREY, "-.")}
    words = {
        "threshold": "one seed, the spec's accuracy",
        "McNemar": "McNemar 1 % on two retrainings",
        "final weights": "final weights alone",
    }
    for name, each in others.items():
        curve = np.interp(drops, each["drops"], each["curve"], right=np.nan)
        lines.append((words[name], curve, *styles[name], 1.6))
    for label, curve, colour, style, width in lines:
        axes.plot(
            x,
            100 * np.asarray(curve),
            style,
            color=colour,
            linewidth=width,
            label=label,
            clip_on=False,
        )
    axes.axvline(margin, color=INK, linewidth=1)
    axes.text(margin, 103, "margin", fontsize=9, ha="center", **TEXT)
    if np.isfinite(here):
        place = 100 * float(np.clip(here, 0, drops[-1]))
        height = 100 * found_at(rates, place / 100)
        axes.plot(
            place,
            height,
            "D",
            color=INK,
            markersize=9,
            label="this run's estimate",
            clip_on=False,
            zorder=5,
        )
    axes.set(xlim=(0, x[-1]), ylim=(0, 100))
    axes.grid(axis="y", color=PALE)
    axes.legend(
        loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, prop={"family": FONT, "size": 10}
    )
    return figure


def paired_table(comparison: Comparison) -> Figure:
    """Show how many images the accepted model and the file read right and wrong, and the bounds of the difference."""
    figure = new_figure(comparison.sentence, 190)
    axes = axes_at(figure, (160, 20, 340, 120))
    table = comparison.table
    colours = np.array([["white", RED], [BLUE, "white"]])
    for (row, column), count in np.ndenumerate(table):
        place = (column, 1 - row)
        shade = 0.25 if row != column else 1.0
        axes.add_patch(_cell(place, str(colours[row, column]), shade))
        axes.text(
            column + 0.5, 1.5 - row, f"{count:,}", fontsize=14, ha="center", va="center", **TEXT
        )
    axes.set(xlim=(0, 2), ylim=(0, 2), xticks=(0.5, 1.5), yticks=(0.5, 1.5))
    axes.set(
        xticklabels=("file right", "file wrong"), yticklabels=("accepted wrong", "accepted right")
    )
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    found = comparison.difference
    right = axes_at(
        figure, (560, 60, 340, 60), "Difference of accuracy, file less accepted (points)"
    )
    right.hlines(0.5, 100 * found.low, 100 * found.high, color=BLUE, linewidth=4)
    right.plot(100 * found.estimate, 0.5, "o", color=INK)
    right.axvline(-100 * comparison.margin, color=RED)
    right.text(
        -100 * comparison.margin, 1.02, "margin", fontsize=9, ha="center", va="bottom", **TEXT
    )
    right.axvline(0, color=GREY, linewidth=1)
    right.set(ylim=(0, 1), yticks=())
    return figure


def _cell(place: tuple[int, int], colour: str, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle(place, 1, 1, facecolor=colour, alpha=alpha, edgecolor=INK, linewidth=0.8)


def newly_wrong(comparison: Comparison, images: NDArray[np.uint8], most: int = 40) -> Figure:
    """Show the test images that only the file misreads, the most confident mistakes first."""
    found, evaluation = comparison.newly_wrong[:most], comparison.evaluation
    captions = [
        f"{evaluation.labels[i]} read as {evaluation.predictions[i]}\n{100 * evaluation.confidence[i]:.1f} %"
        for i in found
    ]
    title = f"{len(comparison.newly_wrong)} images that the accepted model reads right and this file does not"
    return tiles(title, images[found], captions, CELL)
