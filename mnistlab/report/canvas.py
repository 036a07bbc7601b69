"""What all figures share: size, colours, font, text that fits. Lengths are in pixels."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from mnistlab.arrays import Bytes

WIDTH, DPI, MARGIN = 940, 100, 10
INK, GREY, PALE = "#222222", "#6b6b6b", "#ececec"
# Colour-blind people can distinguish these (Okabe and Ito, 2008).
BLUE, ORANGE, RED = "#0072b2", "#e69f00", "#d55e00"
# matplotlib ships this font, so a figure looks the same everywhere.
FONT = "DejaVu Sans"
# Without parse_math=False, a "$" in a message would start a formula.
TEXT: dict[str, Any] = {"family": FONT, "color": INK, "parse_math": False}


def wrap(text: str, width: float, size: float) -> list[str]:
    """Break a text into lines of this width at a font size; replace characters without a glyph."""
    # matplotlib would warn of such a character.
    fonts = [get_font(findfont(f"{FONT}:{weight}")) for weight in ("regular", "bold")]
    drawable = {c for c in set(text) if all(font.get_char_index(ord(c)) for font in fonts)}
    text = "".join(c if c in drawable or c == "\n" else "\ufffd" for c in text)
    columns = int(1.2 * width / size)  # at 100 dpi a letter is about size / 1.2 pixels wide
    return [row for line in text.splitlines() for row in textwrap.wrap(line, columns)]


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
    """Add axes to a figure; the box is left, bottom, width and height."""
    axes = figure.add_axes(tuple(np.array(box) / ([WIDTH, figure.get_figheight() * DPI] * 2)))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=10, labelfontfamily=FONT, labelcolor=INK, color=GREY)
    axes.set_xlabel(xlabel, fontsize=10, **TEXT)
    axes.set_ylabel(ylabel, fontsize=10, **TEXT)
    return axes


def tiles(title: str, images: Bytes, captions: Sequence[str], cell: int, below: int = 0) -> Figure:
    """Draw images in rows, each with its caption in a cell of this width, above free space."""
    # One picture of all images, enlarged by a whole number: one Axes for each is far slower.
    columns = (WIDTH - 2 * MARGIN) // cell
    zoom = min(4, max(1, (cell - 8) // images.shape[2]))
    images = images.repeat(zoom, 1).repeat(zoom, 2)
    height, width = images.shape[1:]
    lines = [wrap(caption, cell, 9) for caption in captions]
    step = height + 16 * max(map(len, lines), default=0) + MARGIN
    page = np.full((step * max(1, -(-len(images) // columns)), columns * cell), 255, np.uint8)
    figure = new_figure(title, below + len(page))
    axes = axes_at(figure, (WIDTH - MARGIN - columns * cell, below, columns * cell, len(page)))
    centred: dict[str, Any] = {"fontsize": 9, "ha": "center", "va": "top", **TEXT}
    for i, (image, rows) in enumerate(zip(images, lines, strict=True)):
        y, x = i // columns * step, i % columns * cell + (cell - width) // 2
        page[y : y + height, x : x + width] = image
        axes.text(x + width / 2, y + height + 4, "\n".join(rows), **centred)
    if not len(images):
        axes.text(0, 0, "There are none.", fontsize=10, va="top", **TEXT)
    axes.imshow(page, "gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    return figure
