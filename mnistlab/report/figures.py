"""matplotlib figures from plain values, 940 pixels wide, each with a suptitle that says what is seen."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mnistlab.report.canvas import (
    BLUE,
    DPI,
    FONT,
    MARGIN,
    ORANGE,
    PALE,
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
