"""matplotlib figures of images and of a training; each title states what is seen."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mnistlab.arrays import Array, Bytes
from mnistlab.report import canvas


def png(figure: Figure) -> bytes:
    """Encode a figure as a PNG file, 940 pixels wide."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def samples(images: Bytes, labels: Array, *, title: str = "The first images") -> Figure:
    """Draw the first twenty images, uint8 (N, 28, 28), with their labels."""
    return gallery(images[:20], [f"label {label}" for label in labels[:20]], title=title)


def gallery(images: Bytes, captions: Sequence[str], *, title: str) -> Figure:
    """Draw images, uint8 (N, height, width), in rows of ten, or say that there are none."""
    return canvas.tiles(title, images, captions, (canvas.WIDTH - 2 * canvas.MARGIN) // 10)


def curves(history: Mapping[str, Sequence[float]]) -> Figure:
    """Draw loss and accuracy of training and validation by epoch; only "loss" is required."""
    keys = ("loss", "val_loss", "accuracy", "val_accuracy")
    n = len(history["loss"])
    values = np.array([history.get(key, [np.nan] * n) for key in keys], float)
    loss, accuracy = values[1, -1], 100 * values[3, -1]
    title = f"After epoch {n}: validation accuracy {accuracy:.4g} %, loss {loss:.4g}"
    for epoch, key in np.argwhere(~np.isfinite(values.T))[:1]:
        title = f"Epoch {epoch + 1} has no finite {keys[key]}: training diverged, or recorded none"
    figure = canvas.new_figure(title, 290)
    for left, label, (training, validation) in (
        (80, "Mean loss per image", values[:2]),
        (550, "Accuracy (% of images)", 100 * values[2:]),
    ):
        axes = canvas.axes_at(figure, (left, 55, 370, 200), "Epoch", label)
        for name, numbers, line, colour in (
            ("training", training, "o--", canvas.ORANGE),
            ("validation", validation, "s-", canvas.BLUE),
        ):
            text = f"{name} {numbers[-1]:.4g}"
            axes.plot(range(1, n + 1), numbers, line, color=colour, label=text, clip_on=False)
        above, font = (0, 1.04), {"family": canvas.FONT}
        axes.legend(loc="lower left", bbox_to_anchor=above, ncols=2, frameon=False, prop=font)
        axes.set(xlim=(0.8, n + 0.2), xticks=range(1, n + 1, 1 + n // 10))
        axes.grid(axis="y", color=canvas.PALE)
    return figure
