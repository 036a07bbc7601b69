"""What holds for every figure of the page, whichever package draws it."""

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

from mnistlab.metrics import figures
from mnistlab.report import figures as general
from mnistlab.report.figures import png

IMAGES = np.arange(30 * 28 * 28).reshape(30, 28, 28).astype(np.uint8)
LABELS = np.arange(30) % 10
MATRIX = np.diag(np.arange(90, 100))
MATRIX[4, 9] = 17
RECALL = np.linspace(0.99, 0.93, 10)
HISTORY = {name: [0.9, 0.5, 0.3] for name in ("loss", "val_loss", "accuracy", "val_accuracy")}
BOUNDS = RECALL - 0.01, RECALL + 0.01, np.full(10, 0.94)
DRAW = {
    "samples": lambda change: general.samples(IMAGES + change, LABELS),
    "curves": lambda change: general.curves(HISTORY | {"loss": [0.9, 0.5, 0.3 + change]}),
    "gallery": lambda change: general.gallery(
        IMAGES, ["4 read as 9\n99.67 % sure"] * 30, title=f"Mistakes {change}"
    ),
    "first_predictions": lambda change: figures.first_predictions(
        IMAGES + change, np.eye(10)[LABELS], LABELS
    ),
    "confusion": lambda change: figures.confusion(MATRIX + change),
    "recall_by_digit": lambda change: figures.recall_by_digit(RECALL - change / 100, *BOUNDS),
}


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_has_a_title_fits_a_page_and_nothing_is_cut_off_or_on_the_title(name):
    figure = DRAW[name](0)
    wide, high = figure.get_size_inches()
    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn = figure.get_tightbbox(renderer)
    heading = figure.texts[0].get_window_extent(renderer)
    assert figure.get_suptitle()
    assert wide == 9.4
    assert high < 6
    assert min(drawn.xmin, drawn.ymin) >= 0
    assert drawn.xmax <= wide
    assert drawn.ymax <= high
    assert heading.ymin >= max(axes.get_tightbbox(renderer).ymax for axes in figure.axes)


@pytest.mark.parametrize("name", DRAW)
def test_the_same_values_give_the_same_small_file_and_others_another(name):
    file = png(DRAW[name](0))
    assert imread(io.BytesIO(file)).shape[1] == 940
    assert len(file) < 70_000
    assert png(DRAW[name](0)) == file
    assert png(DRAW[name](1)) != file
