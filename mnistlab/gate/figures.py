"""Figures of the gates: seeds, power, and the paired comparison of a file."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mnistlab.arrays import Bytes
from mnistlab.gate.error_rates import found_at
from mnistlab.gate.paired import PairedComparison
from mnistlab.gate.seed_runs import SeedMetrics
from mnistlab.gate.sequential import Result
from mnistlab.report import canvas
from mnistlab.report.canvas import BLUE, GREY, INK, ORANGE, PALE, RED, TEXT, axes_at, new_figure

COLOURS = {"passed": BLUE, "failed": RED, "undecided": ORANGE}
ROW = 105  # pixels


def _mark_margin(axes: Axes, place: float) -> None:
    axes.axvline(place, color=INK, linewidth=1.6)
    at_top: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "ha": "center"}
    axes.text(place, 1.02, "margin", fontsize=9, va="bottom", **at_top, **TEXT)


def seed_strip(result: Result, accepted: SeedMetrics, same: SeedMetrics) -> Figure:
    """Show all trainings; a line joins each with the accepted one of its seed, in `same`."""
    shown = [
        each
        for each in result.comparisons
        if not each.metric.spread and each.metric.key.endswith(("accuracy", "loss"))
    ]
    figure = new_figure(f"{result.decision}: {result.sentence}", 40 + ROW * len(shown))
    for row, comparison in enumerate(reversed(shown)):
        axes, metric = axes_at(figure, (320, 35 + ROW * row, 600, 70)), comparison.metric
        unit, scale = ("nats", 1) if metric.unit == "nats" else ("%", 100)
        new, old, own = (scale * part[metric.key] for part in (result.columns, accepted, same))
        worse, colour = scale if metric.lower_is_better else -scale, COLOURS[comparison.status]
        rng = np.random.default_rng(0)
        heights = 0.75 + 0.12 * rng.uniform(-1, 1, len(old))
        axes.plot(old, heights, "o", color=GREY, markersize=3, alpha=0.5)
        heights = 0.25 + 0.1 * rng.uniform(-1, 1, len(new))
        lines = [own, new], [np.full(len(new), 0.6), heights]
        axes.plot(*lines, color=PALE, linewidth=1, zorder=0)
        axes.plot(new, heights, "o", color=colour, markersize=5)
        _mark_margin(axes, old.mean() + worse * metric.margin)
        ends = old.mean() + worse * np.array([comparison.low, comparison.high])
        if np.isfinite(ends).all():
            estimate = old.mean() + worse * comparison.degradation
            axes.hlines(-0.05, *ends, color=colour, linewidth=4)
            axes.plot(estimate, -0.05, "|", color=INK, markersize=12)
        labels = ("accepted", "candidate", "mean, bounds")
        axes.set(ylim=(-0.2, 1), yticks=(0.75, 0.25, -0.05), yticklabels=labels)
        text = f"{metric.name}\n({unit}): {comparison.status}"
        axes.text(-0.515, 0.5, text, fontsize=10, va="center", transform=axes.transAxes, **TEXT)
    return figure


def power_curve(rates: dict[str, Any], here: float) -> Figure:
    """Show how often a drop is found; `here`, if a number, is the drop that this run estimates."""
    margin, drops = 100 * rates["margin"], 100 * np.asarray(rates["drops"])
    at = 100 * found_at(rates, 2 * rates["margin"])
    title = (
        f"A drop of {2 * margin:.2f} points is found with a probability of {at:.1f} %, "
        f"with at most {rates['budget']} seeds"
    )
    figure = new_figure(title, 340)
    labels = ("True drop of accuracy (points)", "Runs that do not pass (%)")
    axes = axes_at(figure, (80, 50, 560, 270), *labels)
    label = f"independent seeds, margin {margin:.2f}"
    axes.plot(drops, 100 * np.asarray(rates["curve"]), color=BLUE, linewidth=2.5, label=label)
    _mark_margin(axes, margin)
    if np.isfinite(here):
        drop = float(np.clip(100 * here, 0, drops[-1]))
        style: dict[str, Any] = {"color": INK, "markersize": 9, "clip_on": False, "zorder": 5}
        found = 100 * found_at(rates, drop / 100)
        axes.plot(drop, found, "D", label="this run's estimate", **style)
    axes.set(xlim=(0, drops[-1]), ylim=(0, 100))
    axes.grid(axis="y", color=PALE)
    font = {"family": canvas.FONT, "size": 10}
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, prop=font)
    return figure


def paired_table(comparison: PairedComparison) -> Figure:
    """Show how many images both models read right and wrong, and the difference with its bounds."""
    figure = new_figure(comparison.sentence, 190)
    axes = axes_at(figure, (160, 20, 340, 120))
    now_wrong, now_right = len(comparison.newly_wrong), len(comparison.newly_right)
    both = int(comparison.evaluation.right.sum()) - now_right
    neither = comparison.evaluation.count - both - now_wrong - now_right
    counts = {(0, 1): both, (1, 1): now_wrong, (0, 0): now_right, (1, 0): neither}
    colours = {(1, 1): RED, (0, 0): BLUE}
    for (x, y), count in counts.items():
        face = colours.get((x, y), "white"), 0.25
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor=INK))
        axes.text(x + 0.5, y + 0.5, f"{count:,}", fontsize=14, ha="center", va="center", **TEXT)
    axes.set(xlim=(0, 2), ylim=(0, 2), xticks=(0.5, 1.5), yticks=(0.5, 1.5))
    names = ("file right", "file wrong"), ("accepted wrong", "accepted right")
    axes.set(xticklabels=names[0], yticklabels=names[1])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    interval = comparison.difference
    label = "Difference of accuracy, file minus accepted (points)"
    axes = axes_at(figure, (560, 60, 340, 60), label)
    axes.hlines(0.5, 100 * interval.low, 100 * interval.high, color=BLUE, linewidth=4)
    axes.plot(100 * interval.estimate, 0.5, "o", color=INK)
    _mark_margin(axes, -100 * comparison.margin)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set(ylim=(0, 1), yticks=())
    return figure


def newly_wrong(comparison: PairedComparison, images: Bytes, most: int = 40) -> Figure:
    """Show the test images that only the file misreads, the most confident mistakes first."""
    evaluation, shown = comparison.evaluation, comparison.newly_wrong[:most]
    captions = [
        f"{evaluation.labels[i]} read as {evaluation.predictions[i]}\n"
        f"{100 * evaluation.confidence[i]:.1f} %"
        for i in shown
    ]
    count = len(comparison.newly_wrong)
    title = f"{count} images that the accepted model reads right and this file does not"
    return canvas.tiles(title, images[shown], captions, 92)
