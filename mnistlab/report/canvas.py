"""The paper that the pictures are drawn on: size, colours, fonts, text that fits."""

import textwrap
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
WIDTH, DPI, MARGIN = 940, 100, 10  # lengths are in pixels at native size
INK, GREY, PALE = "#222222", "#6b6b6b", "#ececec"
BLUE, ORANGE, RED = (
    "#0072b2",
    "#e69f00",
    "#d55e00",
)  # Okabe and Ito (2008): told apart by colour-blind people
FONT = "DejaVu Sans"  # matplotlib brings it along, so a figure looks the same everywhere
TEXT: dict[str, Any] = {
    "family": FONT,
    "color": INK,
    "parse_math": False,
}  # a "$" from outside is a "$"


def wrap(text: str, width: float, size: float) -> list[str]:
    """Break a text into lines of a width in pixels, at a font size."""
    # A character that the fonts lack would warn. At 100 dpi a letter is about size / 1.2 pixels wide.
    fonts = [get_font(findfont(f"{FONT}:{weight}")) for weight in ("regular", "bold")]
    text = "".join(
        c if c == "\n" or all(f.get_char_index(ord(c)) for f in fonts) else "\ufffd" for c in text
    )
    return [
        row for line in text.splitlines() for row in textwrap.wrap(line, int(1.2 * width / size))
    ]


def new_figure(title: str, body: float) -> Figure:
    """Return a figure with a title above a body of this height in pixels."""
    lines = wrap(title, WIDTH - 2 * MARGIN, 13)
    height = body + 22 * len(lines) + 2 * MARGIN
    figure = Figure((WIDTH / DPI, height / DPI), DPI, facecolor="white")
    place = {"x": MARGIN / WIDTH, "y": 1 - MARGIN / height, "ha": "left", "va": "top"}
    figure.suptitle("\n".join(lines), fontsize=13, weight="bold", **place, **TEXT)
    return figure


def axes_at(
    figure: Figure, box: tuple[float, float, float, float], xlabel: str = "", ylabel: str = ""
) -> Axes:
    """Add axes to a figure; the box is left, bottom, width and height in pixels."""
    axes = figure.add_axes(tuple(np.array(box) / ([WIDTH, figure.get_figheight() * DPI] * 2)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10, labelfontfamily=FONT, labelcolor=INK, color=GREY)
    axes.set_xlabel(xlabel, fontsize=10, **TEXT)
    axes.set_ylabel(ylabel, fontsize=10, **TEXT)
    return axes


def tiles(title: str, images: Array, captions: Sequence[str], cell: int, below: int = 0) -> Figure:
    """Return a figure of images in rows with captions, each in a cell of this width, above room of a height."""
    # One picture for all images, enlarged by a whole number: an Axes for each is far slower.
    columns = (WIDTH - 2 * MARGIN) // cell
    zoom = min(4, max(1, (cell - 8) // images.shape[2]))
    images = images.repeat(zoom, 1).repeat(zoom, 2)
    high, wide = images.shape[1:]
    lines = [wrap(caption, cell, 9) for caption in captions]
    step = high + 16 * max(map(len, lines), default=0) + MARGIN
    page = np.full((step * max(1, -(-len(images) // columns)), columns * cell), 255, np.uint8)
    figure = new_figure(title, below + len(page))
    axes = axes_at(figure, (WIDTH - MARGIN - columns * cell, below, columns * cell, len(page)))
    for i, (image, rows) in enumerate(zip(images, lines, strict=True)):
        y, x = i // columns * step, i % columns * cell + (cell - wide) // 2
        page[y : y + high, x : x + wide] = image
        axes.text(
            x + wide / 2, y + high + 4, "\n".join(rows), fontsize=9, ha="center", va="top", **TEXT
        )
    if not len(images):
        axes.text(0, 0, "There are none.", fontsize=10, va="top", **TEXT)
    axes.imshow(page, "gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure
