"""matplotlib figures of behaviour beyond accuracy; see `mnistlab.report.figures`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mnistlab.metrics.calibration import Reliability
from mnistlab.report.canvas import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    PALE,
    RED,
    TEXT,
    WIDTH,
    Array,
    axes_at,
    new_figure,
)
from mnistlab.stats import wilson

COLUMNS, PANEL = 3, 158  # panels side by side; pixels from one to the next below
THUMB = 41  # pixels from an example image to the next


def robustness(
    accuracies: Mapping[str, tuple[float, ...]],
    bounds: Mapping[str, float],
    examples: Mapping[str, Array],
    severity: int,
) -> Figure:
    """Show accuracy against severity for each corruption, with an example image at each severity.

    Parameters
    ----------
    accuracies : mapping, corruption -> six fractions, at severity 0 to 5
    bounds : mapping, corruption -> the least accuracy that is accepted at `severity`; may lack some
    examples : mapping, corruption -> uint8 array, (6, 28, 28)
    severity : int
    """
    worst = min(accuracies, key=lambda name: accuracies[name][severity])
    title = f"At severity {severity}, {worst.replace('_', ' ')} costs most: {accuracies[worst][severity]:.1%} is right"
    rows = -(-len(accuracies) // COLUMNS)
    figure = new_figure(title.replace("%", " %"), rows * PANEL)
    wide = (WIDTH - 2 * MARGIN) // COLUMNS
    for number, (name, row) in enumerate(accuracies.items()):
        left = MARGIN + 40 + number % COLUMNS * wide
        bottom = (rows - 1 - number // COLUMNS) * PANEL
        axes = axes_at(figure, (left, bottom + 50, 6 * THUMB, 80))
        axes.set_title(name.replace("_", " "), fontsize=10, loc="left", pad=4, **TEXT)
        axes.plot(range(6), 100 * np.array(row), "o-", color=BLUE, markersize=4, clip_on=False)
        if name in bounds:
            axes.hlines(100 * bounds[name], severity - 0.4, severity + 0.4, color=RED, linewidth=2)
        axes.set(xlim=(-0.5, 5.5), ylim=(0, 100), xticks=(), yticks=(0, 50, 100))
        axes.grid(axis="y", color=PALE)
        strip = axes_at(figure, (left, bottom + 8, 6 * THUMB, THUMB))
        strip.imshow(
            np.hstack(list(np.pad(examples[name], ((0, 0), (0, 0), (1, 1)), constant_values=255))),
            "gray",
        )
        strip.set_axis_off()
    return figure


def reliability_diagram(reliability: Reliability, bias: float) -> Figure:
    """Show accuracy against confidence, over all and for the confident; a calibrated model lies on the diagonal.

    Parameters
    ----------
    reliability : Reliability
    bias : float
        The error that a perfectly calibrated model would be given, a fraction.
    """
    error = f"{reliability.error:.2%}; chance alone would give an honest model {bias:.2%}"
    figure = new_figure(f"Expected calibration error {error}".replace("%", " %"), 350)
    right = np.rint(reliability.accuracy * reliability.count).astype(int)
    intervals = [wilson(int(r), int(n)) for r, n in zip(right, reliability.count, strict=True)]
    ends = 100 * np.array([(interval.low, interval.high) for interval in intervals]).T
    for left, lowest in ((80, 0.0), (550, 95.0)):
        axes = axes_at(
            figure, (left, 55, 370, 270), "Mean confidence of a bin (%)", "Accuracy of the bin (%)"
        )
        _diagonal(axes, lowest)
        shown = 100 * np.minimum(reliability.confidence, reliability.accuracy) >= lowest
        x, y = 100 * reliability.confidence[shown], 100 * reliability.accuracy[shown]
        axes.vlines(x, *ends[:, shown], color=GREY, linewidth=2)
        axes.plot(x, y, "o", color=BLUE, markersize=7, clip_on=False)
    return figure


def _diagonal(axes: Axes, lowest: float) -> None:
    axes.plot([lowest, 100], [lowest, 100], color=INK, linewidth=1)
    near, far = lowest + 0.04 * (100 - lowest), lowest + 0.96 * (100 - lowest)
    axes.text(near, far, "more often right than it says", fontsize=9, ha="left", va="top", **TEXT)
    axes.text(far, near, "less often", fontsize=9, ha="right", va="bottom", **TEXT)
    axes.set(xlim=(lowest, 100), ylim=(lowest, 100))
    axes.grid(color=PALE)
