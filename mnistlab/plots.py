"""matplotlib figures from plain values, 940 pixels wide, each with a suptitle that says what is seen."""

import io
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
WIDTH, DPI, MARGIN = 940, 100, 10  # lengths are in pixels at native size
INK, GREY, PALE = "#222222", "#6b6b6b", "#ececec"
BLUE, ORANGE, RED = "#0072b2", "#e69f00", "#d55e00"  # Okabe and Ito (2008): told apart by colour-blind people
FONT = "DejaVu Sans"  # matplotlib brings it along, so a figure looks the same everywhere
TEXT: dict[str, Any] = {"family": FONT, "color": INK, "parse_math": False}  # a "$" from outside is a "$"


def _wrap(text: str, width: float, size: float) -> list[str]:
    # A character that the fonts lack would warn. At 100 dpi a letter is about size / 1.2 pixels wide.
    fonts = [get_font(findfont(f"{FONT}:{weight}")) for weight in ("regular", "bold")]
    text = "".join(c if c == "\n" or all(f.get_char_index(ord(c)) for f in fonts) else "\ufffd" for c in text)
    return [row for line in text.splitlines() for row in textwrap.wrap(line, int(1.2 * width / size))]


def _figure(title: str, body: float) -> Figure:
    lines = _wrap(title, WIDTH - 2 * MARGIN, 13)
    height = body + 22 * len(lines) + 2 * MARGIN
    figure = Figure((WIDTH / DPI, height / DPI), DPI, facecolor="white")
    place = {"x": MARGIN / WIDTH, "y": 1 - MARGIN / height, "ha": "left", "va": "top"}
    figure.suptitle("\n".join(lines), fontsize=13, weight="bold", **place, **TEXT)
    return figure


def _axes(figure: Figure, box: tuple[float, float, float, float], xlabel: str = "", ylabel: str = "") -> Axes:
    axes = figure.add_axes(tuple(np.array(box) / ([WIDTH, figure.get_figheight() * DPI] * 2)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10, labelfontfamily=FONT, labelcolor=INK, color=GREY)
    axes.set_xlabel(xlabel, fontsize=10, **TEXT)
    axes.set_ylabel(ylabel, fontsize=10, **TEXT)
    return axes


def _tiles(title: str, images: Array, captions: Sequence[str], cell: int, below: int = 0) -> Figure:
    # One picture for all images, enlarged by a whole number: an Axes for each is far slower.
    columns = (WIDTH - 2 * MARGIN) // cell
    zoom = min(4, max(1, (cell - 8) // images.shape[2]))
    images = images.repeat(zoom, 1).repeat(zoom, 2)
    high, wide = images.shape[1:]
    lines = [_wrap(caption, cell, 9) for caption in captions]
    step = high + 16 * max(map(len, lines), default=0) + MARGIN
    page = np.full((step * max(1, -(-len(images) // columns)), columns * cell), 255, np.uint8)
    figure = _figure(title, below + len(page))
    axes = _axes(figure, (WIDTH - MARGIN - columns * cell, below, columns * cell, len(page)))
    for i, (image, rows) in enumerate(zip(images, lines, strict=True)):
        y, x = i // columns * step, i % columns * cell + (cell - wide) // 2
        page[y : y + high, x : x + wide] = image
        axes.text(x + wide / 2, y + high + 4, "\n".join(rows), fontsize=9, ha="center", va="top", **TEXT)
    if not len(images):
        axes.text(0, 0, "There are none.", fontsize=10, va="top", **TEXT)
    axes.imshow(page, "gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure


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
    return _tiles(title, images, captions, (WIDTH - 2 * MARGIN) // columns)


def curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Show loss and accuracy after each epoch, in training and validation.

    Parameters
    ----------
    history : mapping, "loss", "accuracy", "val_loss", "val_accuracy" -> a number an epoch, accuracies in [0, 1]
    """
    keys = ("loss", "val_loss", "accuracy", "val_accuracy")
    epochs = range(1, (n := len(history["loss"])) + 1)
    loss, val_loss, accuracy, val_accuracy = (np.array(history.get(key, [np.nan] * n), float) for key in keys)
    title = f"After epoch {n}: validation accuracy {100 * val_accuracy[-1]:.4g} %, loss {val_loss[-1]:.4g}"
    for epoch, key in np.argwhere(~np.isfinite([loss, val_loss, accuracy, val_accuracy]).T)[:1]:
        title = f"Epoch {epoch + 1} has no finite {keys[key]}: training diverged, or recorded none"
    figure = _figure(title, 290)
    for left, label, training, validation in (
        (80, "Mean loss per image", loss, val_loss),
        (550, "Accuracy (% of images)", 100 * accuracy, 100 * val_accuracy),
    ):
        axes = _axes(figure, (left, 55, 370, 200), "Epoch", label)
        axes.plot(epochs, training, "o--", color=ORANGE, label=f"training {training[-1]:.4g}", clip_on=False)
        axes.plot(epochs, validation, "s-", color=BLUE, label=f"validation {validation[-1]:.4g}", clip_on=False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.04), ncols=2, frameon=False, prop={"family": FONT})
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
    figure = _tiles(title, images[:5], captions, cell, below=180)
    axes = _axes(figure, (WIDTH - MARGIN - 5 * cell, 60, 5 * cell, 110), "Digit", "Probability (%)")
    axes.xaxis.labelpad = 27
    for i, (row, truth) in enumerate(zip(chances, truths, strict=True)):
        x = [i * cell + 14 + 16 * digit for digit in range(10)]
        axes.bar(x, np.nan_to_num(row), 12, color=[BLUE if digit == truth else RED for digit in range(10)])
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
    most = f", most often {truth} as {digit} ({errors.max()} of {totals[truth]})" if errors.any() else ""
    figure = _figure(f"{errors.sum():,} of {totals.sum():,} test images are misread{most}", 410)
    # The diagonal would dwarf the errors: it is grey. The scale goes to 3 % at least: few must look few.
    share = 100 * errors / np.maximum(totals[:, None], 1) + np.diag(np.full(10, np.nan))
    top = max(3, np.nanmax(share))
    label = f"Predicted digit (colour: share of the row, white 0 % to red {top:.0f} %)"
    axes = _axes(figure, (115, 50, 815, 350), label, "True digit")
    colours = LinearSegmentedColormap.from_list("errors", ["white", ORANGE, RED]).with_extremes(bad=PALE)
    axes.imshow(share, colours, vmin=0, vmax=top, aspect="auto")
    for (row, column), count in np.ndenumerate(matrix):
        axes.text(column, row, f"{count or ''}", fontsize=11, ha="center", va="center", **TEXT)
    rows = [f"{digit} (of {total})" for digit, total in enumerate(totals)]
    axes.set(xticks=range(10), yticks=range(10), yticklabels=rows)
    axes.tick_params(length=0)
    axes.set_frame_on(False)
    return figure


def recall_by_digit(recall: Array, interval_low: Array, interval_high: Array, bounds: Array) -> Figure:
    """Show the recall of each digit with its interval against its bound.

    Parameters
    ----------
    recall, interval_low, interval_high : float arrays, (10,), in [0, 1]; NaN where a digit has no images
    bounds : float array, (10,), in [0, 1], the least recall that is accepted of each digit
    """
    recall, low, high, least = 100 * recall, 100 * interval_low, 100 * interval_high, 100 * bounds
    worst, below = np.nan_to_num(recall, nan=101).argmin(), (recall < least).sum()
    title = f"Digit {worst} has the lowest recall, {recall[worst]:.1f} %; {below} of 10 are below their bound"
    figure = _figure(title if np.isfinite(recall).any() else "There is no recall: no images were judged", 305)
    axes = _axes(figure, (80, 50, 735, 240), "Digit, with its Wilson interval", "Recall (% of the digit's images)")
    axes.hlines(least, np.arange(10) - 0.35, np.arange(10) + 0.35, color=INK, linewidth=1.6)
    axes.text(9.5, least[9], "bound", fontsize=10, va="center", **TEXT)
    axes.vlines(range(10), low, high, color=GREY, linewidth=2)
    axes.plot(recall, "o", color=BLUE, markersize=8, clip_on=False)
    axes.plot(worst, recall[worst], "D", color=RED, markersize=9, clip_on=False)
    paper = {"facecolor": "white", "linewidth": 0, "pad": 1}  # keeps the bound's line out of the numbers
    for digit, value in enumerate(recall):
        text, y = (f"{value:.1f}", value) if np.isfinite(value) else ("none", least[digit])
        axes.text(digit + 0.15, y, text, fontsize=10, va="center", bbox=paper, **TEXT)
    axes.set(xlim=(-0.5, 9.5), ylim=(1.08 * np.nanmin([99, *least, *low]) - 8, 100), xticks=range(10))
    return figure
