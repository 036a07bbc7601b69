"""matplotlib figures from plain values, 940 pixels wide, each with a suptitle that says what is seen."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from mnistlab.report.canvas import (
    BLUE,
    DPI,
    FONT,
    GREY,
    INK,
    MARGIN,
    ORANGE,
    PALE,
    RED,
    TEXT,
    WIDTH,
    Array,
    axes_at,
    new_figure,
    tiles,
)


def png(figure: Figure, *, dpi: int = DPI) -> bytes:
    """Encode a figure as a PNG file.

    Parameters
    ----------
    figure : Figure
    dpi : int
        100 is native size, 940 pixels wide; 200, shown 940 wide, is sharp on dense displays.

    Returns
    -------
    bytes
    """
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def samples(images: Array, labels: Array, *, title: str = "The first images") -> Figure:
    """Show the first twenty images with their labels.

    Parameters
    ----------
    images : uint8 array, (n, 28, 28)
    labels : integer array, (n,)
    title : str
    """
    return gallery(images[:20], [f"label {label}" for label in labels[:20]], title=title)


def gallery(images: Array, captions: Sequence[str], *, title: str, columns: int = 10) -> Figure:
    """Show images in rows, or that there are none.

    Parameters
    ----------
    images : uint8 array, (n, height, width)
    captions : n strings, shown literally
    title : str
    columns : int, images in a row
    """
    return tiles(title, images, captions, (WIDTH - 2 * MARGIN) // columns)


def curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Show loss and accuracy after each epoch, in training and validation.

    Parameters
    ----------
    history : mapping, "loss", "accuracy", "val_loss", "val_accuracy" -> a number an epoch, accuracies in [0, 1]
    """
    keys = ("loss", "val_loss", "accuracy", "val_accuracy")
    epochs = range(1, (n := len(history["loss"])) + 1)
    loss, val_loss, accuracy, val_accuracy = (
        np.array(history.get(key, [np.nan] * n), float) for key in keys
    )
    title = f"After epoch {n}: validation accuracy {100 * val_accuracy[-1]:.4g} %, loss {val_loss[-1]:.4g}"
    for epoch, key in np.argwhere(~np.isfinite([loss, val_loss, accuracy, val_accuracy]).T)[:1]:
        title = f"Epoch {epoch + 1} has no finite {keys[key]}: training diverged, or recorded none"
    figure = new_figure(title, 290)
    for left, label, training, validation in (
        (80, "Mean loss per image", loss, val_loss),
        (550, "Accuracy (% of images)", 100 * accuracy, 100 * val_accuracy),
    ):
        axes = axes_at(figure, (left, 55, 370, 200), "Epoch", label)
        axes.plot(
            epochs,
            training,
            "o--",
            color=ORANGE,
            label=f"training {training[-1]:.4g}",
            clip_on=False,
        )
        axes.plot(
            epochs,
            validation,
            "s-",
            color=BLUE,
            label=f"validation {validation[-1]:.4g}",
            clip_on=False,
        )
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.04),
            ncols=2,
            frameon=False,
            prop={"family": FONT},
        )
        axes.set(xlim=(0.8, n + 0.2), xticks=epochs[:: 1 + n // 10])
        axes.grid(axis="y", color=PALE)
    return figure


def first_predictions(images: Array, probabilities: Array, labels: Array) -> Figure:
    """Show the first five images with truth, prediction, confidence and the ten probabilities.

    Parameters
    ----------
    images : uint8 array, (n, 28, 28)
    probabilities : float array, (n, 10), in [0, 1]
    labels : integer array, (n,), in 0..9
    """
    chances, truths, cell = 100 * probabilities[:5], labels[:5], 172
    right = chances.argmax(1) == truths
    captions = [
        f"truth {truth}, predicted {row.argmax()}\n{'✓ right' if ok else '✗ wrong'}, {row.max():.2f} % sure"
        for row, truth, ok in zip(chances, truths, right, strict=True)
    ]
    title = f"{right.sum()} of the first {len(right)} test images are read correctly"
    figure = tiles(title, images[:5], captions, cell, below=180)
    axes = axes_at(
        figure, (WIDTH - MARGIN - 5 * cell, 60, 5 * cell, 110), "Digit", "Probability (%)"
    )
    axes.xaxis.labelpad = 27
    for i, (row, truth) in enumerate(zip(chances, truths, strict=True)):
        x = [i * cell + 14 + 16 * digit for digit in range(10)]
        axes.bar(
            x,
            np.nan_to_num(row),
            12,
            color=[BLUE if digit == truth else RED for digit in range(10)],
        )
        for digit, middle in enumerate(x):
            axes.text(middle, -5, f"{digit}", fontsize=9, ha="center", va="top", **TEXT)
        axes.text(x[truth], -20, "truth", fontsize=9, ha="center", va="top", **TEXT)
    axes.set(xlim=(0, 5 * cell), ylim=(0, 100), xticks=(), yticks=(0, 50, 100))
    return figure


def confusion(matrix: Array) -> Figure:
    """Show how many images of each digit were read as each; colour shows the errors.

    Parameters
    ----------
    matrix : integer array, (10, 10), counts of images; rows are the truth, columns the prediction
    """
    errors = matrix - np.diag(np.diag(matrix))
    totals, (truth, digit) = matrix.sum(1), divmod(int(errors.argmax()), 10)
    most = (
        f", most often {truth} as {digit} ({errors.max()} of {totals[truth]})"
        if errors.any()
        else ""
    )
    figure = new_figure(f"{errors.sum():,} of {totals.sum():,} test images are misread{most}", 410)
    # The diagonal would dwarf the errors: it is grey. The scale goes to 3 % at least: few must look few.
    share = 100 * errors / np.maximum(totals[:, None], 1) + np.diag(np.full(10, np.nan))
    top = max(3, np.nanmax(share))
    label = f"Predicted digit (colour: share of the row, white 0 % to red {top:.0f} %)"
    axes = axes_at(figure, (115, 50, 815, 350), label, "True digit")
    colours = LinearSegmentedColormap.from_list("errors", ["white", ORANGE, RED]).with_extremes(
        bad=PALE
    )
    axes.imshow(share, colours, vmin=0, vmax=top, aspect="auto")
    for (row, column), count in np.ndenumerate(matrix):
        axes.text(column, row, f"{count or ''}", fontsize=11, ha="center", va="center", **TEXT)
    rows = [f"{digit} (of {total})" for digit, total in enumerate(totals)]
    axes.set(xticks=range(10), yticks=range(10), yticklabels=rows)
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    return figure


def recall_by_digit(
    recall: Array, interval_low: Array, interval_high: Array, bounds: Array
) -> Figure:
    """Show the recall of each digit with its interval against its bound.

    Parameters
    ----------
    recall, interval_low, interval_high : float arrays, (10,), in [0, 1]; NaN where a digit has no images
    bounds : float array, (10,), in [0, 1], the least recall that is accepted of each digit
    """
    recall, low, high, least = 100 * recall, 100 * interval_low, 100 * interval_high, 100 * bounds
    worst, below = np.nan_to_num(recall, nan=101).argmin(), (recall < least).sum()
    title = f"Digit {worst} has the lowest recall, {recall[worst]:.1f} %; {below} of 10 are below their bound"
    figure = new_figure(
        title if np.isfinite(recall).any() else "There is no recall: no images were judged", 305
    )
    axes = axes_at(
        figure,
        (80, 50, 735, 240),
        "Digit, with its Wilson interval",
        "Recall (% of the digit's images)",
    )
    axes.hlines(least, np.arange(10) - 0.35, np.arange(10) + 0.35, color=INK, linewidth=1.6)
    axes.text(9.5, least[9], "bound", fontsize=10, va="center", **TEXT)
    axes.vlines(range(10), low, high, color=GREY, linewidth=2)
    axes.plot(recall, "o", color=BLUE, markersize=8, clip_on=False)
    axes.plot(worst, recall[worst], "D", color=RED, markersize=9, clip_on=False)
    paper = {
        "facecolor": "white",
        "linewidth": 0,
        "pad": 1,
    }  # keeps the bound's line out of the numbers
    for digit, value in enumerate(recall):
        text, y = (f"{value:.1f}", value) if np.isfinite(value) else ("none", least[digit])
        axes.text(digit + 0.15, y, text, fontsize=10, va="center", bbox=paper, **TEXT)
    axes.set(
        xlim=(-0.5, 9.5), ylim=(1.08 * np.nanmin([99, *least, *low]) - 8, 100), xticks=range(10)
    )
    return figure
