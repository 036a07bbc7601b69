"""matplotlib figures of predictions and metrics; see `mnistlab.report.figures`."""

from collections.abc import Mapping

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mnistlab.arrays import CLASSES, Array
from mnistlab.metrics.calibration import Reliability
from mnistlab.report import canvas
from mnistlab.stats import wilson


def first_predictions(images: Array, probabilities: Array, labels: Array) -> Figure:
    """Show the first five images with truth, prediction, confidence and the ten probabilities."""
    percents, truths, cell = 100 * probabilities[:5], labels[:5], 172
    right = percents.argmax(1) == truths
    captions = [
        f"truth {truth}, predicted {row.argmax()}\n"
        f"{'✓ right' if ok else '✗ wrong'}, {row.max():.2f} % sure"
        for row, truth, ok in zip(percents, truths, right, strict=True)
    ]
    title = f"{right.sum()} of the first {len(right)} test images are read correctly"
    figure = canvas.tiles(title, images[:5], captions, cell, below=180)
    box = (canvas.WIDTH - canvas.MARGIN - 5 * cell, 60, 5 * cell, 110)
    axes = canvas.axes_at(figure, box, "Digit", "Probability (%)")
    is_truth = (truths[:, None] == np.arange(CLASSES)).ravel()
    x = [i * cell + 14 + 16 * digit for i, digit in np.ndindex(percents.shape)]
    colours = np.where(is_truth, canvas.BLUE, canvas.RED)
    axes.bar(x, np.nan_to_num(percents).ravel(), 12, color=colours)
    below = [f"{i % CLASSES}\n{'truth' if each else ''}" for i, each in enumerate(is_truth)]
    axes.set_xticks(x, below, fontsize=9)
    axes.tick_params(axis="x", length=0)
    axes.set(xlim=(0, 5 * cell), ylim=(0, 100), yticks=(0, 50, 100))
    return figure


def confusion(matrix: Array) -> Figure:
    """Show how many images of each digit (rows) were read as each digit (columns), (10, 10)."""
    errors = matrix - np.diag(np.diag(matrix))
    totals, (truth, digit) = matrix.sum(1), divmod(int(errors.argmax()), CLASSES)
    title = f"{errors.sum():,} of {totals.sum():,} test images are misread"
    if errors.any():
        title += f", most often {truth} as {digit} ({errors.max()} of {totals[truth]})"
    figure = canvas.new_figure(title, 410)
    # The diagonal would hide the errors, so it is grey. The scale reaches at least 3 %, so that a
    # few errors look like few.
    share = 100 * errors / np.maximum(totals[:, None], 1) + np.diag(np.full(CLASSES, np.nan))
    top = max(3, np.nanmax(share))
    label = f"Predicted digit (colour: share of the row, white 0 % to red {top:.0f} %)"
    axes = canvas.axes_at(figure, (115, 50, 815, 350), label, "True digit")
    colours = LinearSegmentedColormap.from_list("errors", ["white", canvas.ORANGE, canvas.RED])
    axes.imshow(share, colours.with_extremes(bad=canvas.PALE), vmin=0, vmax=top, aspect="auto")
    centred = {"fontsize": 11, "ha": "center", "va": "center", **canvas.TEXT}
    for (row, column), count in np.ndenumerate(matrix):
        axes.text(column, row, f"{count or ''}", **centred)
    rows = [f"{digit} (of {total})" for digit, total in enumerate(totals)]
    axes.set(xticks=range(CLASSES), yticks=range(CLASSES), yticklabels=rows)
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    return figure


def recall_by_digit(recall: Array, low: Array, high: Array, bounds: Array) -> Figure:
    """Show each digit's recall with its interval and its bound: fractions, (10,), NaN of none."""
    recall, low, high, bounds = 100 * recall, 100 * low, 100 * high, 100 * bounds
    worst, below = np.nan_to_num(recall, nan=101).argmin(), (recall < bounds).sum()
    title = f"Digit {worst} has the lowest recall, {recall[worst]:.1f} %"
    title += f"; {below} of {CLASSES} are below their bound"
    if not np.isfinite(recall).any():
        title = "There is no recall: no images were judged"
    figure = canvas.new_figure(title, 305)
    labels = "Digit, with its Wilson interval", "Recall (% of the digit's images)"
    axes = canvas.axes_at(figure, (80, 50, 735, 240), *labels)
    digits = np.arange(CLASSES)
    axes.hlines(bounds, digits - 0.35, digits + 0.35, color=canvas.INK, linewidth=1.6)
    axes.text(9.5, bounds[-1], "bound", fontsize=10, va="center", **canvas.TEXT)
    axes.vlines(digits, low, high, color=canvas.GREY, linewidth=2)
    axes.plot(recall, "o", color=canvas.BLUE, markersize=8, clip_on=False)
    axes.plot(worst, recall[worst], "D", color=canvas.RED, markersize=9, clip_on=False)
    paper = {"facecolor": "white", "linewidth": 0, "pad": 1}  # keeps the bound off the numbers
    for digit, value in enumerate(recall):
        text, y = (f"{value:.1f}", value) if np.isfinite(value) else ("none", bounds[digit])
        axes.text(digit + 0.15, y, text, fontsize=10, va="center", bbox=paper, **canvas.TEXT)
    bottom = 1.08 * np.nanmin([99, *bounds, *low]) - 8
    axes.set(xlim=(-0.5, 9.5), ylim=(bottom, 100), xticks=digits)
    return figure


def robustness(
    accuracies: Mapping[str, tuple[float, ...]],
    bounds: Mapping[str, float],
    examples: Mapping[str, Array],
    severity: int,
) -> Figure:
    """Show accuracy at severity 0 to 5 with example images; `bounds` are those at `severity`."""
    worst = min(accuracies, key=lambda name: accuracies[name][severity])
    cost = f"{worst.replace('_', ' ')} costs most: {100 * accuracies[worst][severity]:.1f} %"
    columns, panel, thumb = 3, 158, 41  # panels in a row; height of a panel; width of an example
    rows = -(-len(accuracies) // columns)
    figure = canvas.new_figure(f"At severity {severity}, {cost} is right", rows * panel)
    for number, (name, row) in enumerate(accuracies.items()):
        left = canvas.MARGIN + 40 + number % columns * 306
        bottom = (rows - 1 - number // columns) * panel
        axes = canvas.axes_at(figure, (left, bottom + 50, 6 * thumb, 80))
        axes.set_title(name.replace("_", " "), fontsize=10, loc="left", pad=4, **canvas.TEXT)
        axes.plot(100 * np.array(row), "o-", color=canvas.BLUE, markersize=4, clip_on=False)
        if name in bounds:
            ends = severity - 0.4, severity + 0.4
            axes.hlines(100 * bounds[name], *ends, color=canvas.RED, linewidth=2)
        axes.set(xlim=(-0.5, 5.5), ylim=(0, 100), xticks=(), yticks=(0, 50, 100))
        axes.grid(axis="y", color=canvas.PALE)
        strip = canvas.axes_at(figure, (left, bottom + 8, 6 * thumb, thumb))
        framed = np.pad(examples[name], ((0, 0), (0, 0), (1, 1)), constant_values=255)
        strip.imshow(np.hstack([*framed]), "gray")
        strip.set_axis_off()
    return figure


def reliability_diagram(reliability: Reliability, bias: float) -> Figure:
    """Show accuracy against confidence, in full and enlarged; `bias` is the error by chance."""
    error = f"{100 * reliability.error:.2f} %; a calibrated model would get {100 * bias:.2f} %"
    figure = canvas.new_figure(f"Expected calibration error {error}", 350)
    right = np.rint(reliability.accuracy * reliability.count).astype(int)
    intervals = [wilson(int(r), int(n)) for r, n in zip(right, reliability.count, strict=True)]
    ends = 100 * np.array([(interval.low, interval.high) for interval in intervals]).T
    labels = "Mean confidence of a bin (%)", "Accuracy of the bin (%)"
    for left, lowest in ((80, 0.0), (550, 95.0)):
        axes = canvas.axes_at(figure, (left, 55, 370, 270), *labels)
        axes.plot([lowest, 100], [lowest, 100], color=canvas.INK, linewidth=1)
        near, far = lowest + 0.04 * (100 - lowest), lowest + 0.96 * (100 - lowest)
        axes.text(near, far, "underconfident", fontsize=9, ha="left", va="top", **canvas.TEXT)
        axes.text(far, near, "overconfident", fontsize=9, ha="right", va="bottom", **canvas.TEXT)
        shown = 100 * np.minimum(reliability.confidence, reliability.accuracy) >= lowest
        x, y = 100 * reliability.confidence[shown], 100 * reliability.accuracy[shown]
        axes.vlines(x, *ends[:, shown], color=canvas.GREY, linewidth=2)
        axes.plot(x, y, "o", color=canvas.BLUE, markersize=7, clip_on=False)
        axes.set(xlim=(lowest, 100), ylim=(lowest, 100))
        axes.grid(color=canvas.PALE)
    return figure
