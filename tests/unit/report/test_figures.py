"""Figures say what they must, for every input that a run can give them."""

import io
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.text import Text

from mnistlab.report import figures as plots

NONE = np.zeros((0, 28, 28), np.uint8)
IMAGES = np.arange(30 * 28 * 28).reshape(30, 28, 28).astype(np.uint8)
LABELS = np.arange(30) % 10
HISTORY = {
    "loss": [0.29, 0.13, 0.05],
    "accuracy": [0.92, 0.96, 0.985],
    "val_loss": [0.16, 0.12, 0.09],
    "val_accuracy": [0.955, 0.965, 0.9731],
}
MATRIX = np.diag(np.arange(90, 100))
MATRIX[4, 9] = 17
MATRIX[7, 2] = 3
RECALL = np.array([0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.95, 0.96, 0.97, 0.98])
NAN = np.full(10, np.nan)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def pixels(figure, dpi=100):
    return imread(io.BytesIO(plots.png(figure, dpi=dpi)))


def title(figure):
    return figure.get_suptitle().replace("\n", " ")


DRAW = {
    "samples": lambda: plots.samples(IMAGES, LABELS),
    "curves": lambda: plots.curves(HISTORY),
    "first_predictions": lambda: plots.first_predictions(IMAGES, np.eye(10)[LABELS], LABELS),
    "confusion": lambda: plots.confusion(MATRIX),
    "recall_by_digit": lambda: plots.recall_by_digit(
        RECALL, RECALL - 0.01, RECALL + 0.01, np.full(10, 0.94)
    ),
    "gallery": lambda: plots.gallery(IMAGES, ["4 read as 9\n99.67 % sure"] * 30, title="Mistakes"),
}


@pytest.fixture(scope="module")
def files():
    return {name: plots.png(draw()) for name, draw in DRAW.items()}


def test_all_pictures_of_a_page_make_small_files(files):
    assert all(file.startswith(b"\x89PNG\r\n\x1a\n") for file in files.values())
    assert all(imread(io.BytesIO(file)).shape[1] == 940 for file in files.values())
    assert sum(map(len, files.values())) < 400_000


@pytest.mark.parametrize("name", DRAW)
def test_a_figure_has_a_title_fits_a_page_and_nothing_is_cut_off_or_on_the_title(name):
    figure = DRAW[name]()
    wide, high = figure.get_size_inches()
    renderer = FigureCanvasAgg(figure).get_renderer()
    drawn = figure.get_tightbbox(renderer)
    heading = figure.texts[0].get_window_extent(renderer)
    assert title(figure)
    assert wide == 9.4
    assert high < 6
    assert drawn.xmin >= 0
    assert drawn.ymin >= 0
    assert drawn.xmax <= wide
    assert drawn.ymax <= high
    assert heading.ymin >= max(axes.get_tightbbox(renderer).ymax for axes in figure.axes)


def test_the_same_values_give_the_same_file_and_others_another(files):
    assert plots.png(DRAW["recall_by_digit"]()) == files["recall_by_digit"]
    assert (
        plots.png(plots.recall_by_digit(RECALL, RECALL - 0.02, RECALL, np.full(10, 0.94)))
        != files["recall_by_digit"]
    )


def test_twice_the_dpi_gives_twice_the_pixels():
    figure = plots.gallery(IMAGES[:1], ["one"], title="Twice")
    small, large = pixels(figure), pixels(figure, dpi=200)
    assert large.shape[:2] == (2 * small.shape[0], 2 * small.shape[1])


def test_drawing_starts_no_pyplot():
    code = f"import sys; from mnistlab.report import figures as plots; plots.png(plots.curves({HISTORY})); print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "matplotlib.figure" in modules
    assert "matplotlib.pyplot" not in modules


def test_samples_shows_the_first_twenty_with_their_labels():
    assert [text for text in texts(plots.samples(IMAGES, LABELS)) if text.startswith("label")] == [
        f"label {label}" for label in LABELS[:20]
    ]


def test_an_image_is_shown_with_its_own_grey_levels():
    shown = pixels(plots.gallery(np.full((1, 28, 28), 51, np.uint8), [""], title="Grey"))
    assert (shown[..., 0] == np.float32(51 / 255)).sum() == (3 * 28) ** 2


@pytest.mark.parametrize("caption", ["costs $5 and $6", "$\\frac{", "$x^", "a_b"])
def test_a_caption_and_a_title_are_shown_as_they_are(caption):
    figure = plots.gallery(IMAGES[:1], [caption], title=caption)
    plots.png(figure)
    assert title(figure) == caption
    assert caption in [text.replace("\n", " ") for text in texts(figure)]
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text())


def test_a_character_that_the_font_lacks_is_replaced():
    figure = plots.gallery(IMAGES[:1], ["\u6f22 \x07 \udc80"], title="caf\u00e9 \u6f22")
    plots.png(figure)
    assert title(figure) == "caf\u00e9 \ufffd"
    assert "\ufffd \ufffd \ufffd" in texts(figure)


def test_a_long_title_and_caption_go_on_in_the_next_line():
    short = plots.gallery(IMAGES[:1], ["one"], title="one")
    long = plots.gallery(IMAGES[:1], ["one two three four five"], title="word " * 60)
    assert title(long) == ("word " * 60).strip()
    assert "one two\nthree four\nfive" in texts(long)
    assert long.get_figheight() > short.get_figheight()


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.gallery(NONE, [], title="Mistakes"),
        lambda: plots.samples(NONE, LABELS[:0]),
        lambda: plots.first_predictions(NONE, np.zeros((0, 10)), LABELS[:0]),
    ],
)
def test_no_images_are_said_to_be_none(draw):
    figure = draw()
    plots.png(figure)
    assert "There are none." in texts(figure)


def test_one_image_is_not_said_to_be_none():
    assert "There are none." not in texts(plots.gallery(IMAGES[:1], ["one"], title="Mistakes"))


def test_curves_state_the_last_values():
    figure = plots.curves(HISTORY)
    assert title(figure) == "After epoch 3: validation accuracy 97.31 %, loss 0.09"
    assert {"training 0.05", "validation 0.09", "training 98.5", "validation 97.31"} <= set(
        texts(figure)
    )


@pytest.mark.parametrize("epochs", [1, 30])
def test_epochs_are_counted_in_whole_numbers_from_one(epochs):
    figure = plots.curves({name: [0.5] * epochs for name in HISTORY})
    plots.png(figure)
    ticks = [axes.get_xticks().tolist() for axes in figure.axes]
    assert all(places[0] == 1 and places[-1] <= epochs for places in ticks)
    assert all(place == int(place) for places in ticks for place in places)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_diverged_training_renders_and_its_title_says_when(bad):
    figure = plots.curves(HISTORY | {"val_loss": [0.2, bad, bad]})
    plots.png(figure)
    assert title(figure) == "Epoch 2 has no finite val_loss: training diverged, or recorded none"
    assert f"validation {bad}" in texts(figure)


def test_a_training_of_nothing_finite_renders():
    figure = plots.curves({name: [np.nan] for name in HISTORY})
    plots.png(figure)
    assert title(figure).startswith("Epoch 1 has no finite loss")


def test_a_training_without_validation_renders_and_says_so():
    figure = plots.curves({"loss": [0.3, 0.2], "accuracy": [0.9, 0.95]})
    plots.png(figure)
    assert title(figure).startswith("Epoch 1 has no finite val_loss")


def test_first_predictions_tell_right_from_wrong_in_words():
    probabilities = np.full((30, 10), 0.02)
    probabilities[np.arange(30), LABELS] = 0.82
    probabilities[1] = np.roll(probabilities[1], 6)
    figure = plots.first_predictions(IMAGES, probabilities, LABELS)
    assert title(figure) == "4 of the first 5 test images are read correctly"
    captions = (
        "truth 1, predicted 7\n✗ wrong, 82.00 % sure",
        "truth 4, predicted 4\n✓ right, 82.00 % sure",
    )
    assert set(captions) <= set(texts(figure))
    assert len([bar for bar in figure.axes[1].patches if bar.get_height() == 2]) == 45


def test_predictions_that_are_not_numbers_render():
    figure = plots.first_predictions(IMAGES[:1], np.full((1, 10), np.nan), LABELS[:1] + 3)
    plots.png(figure)
    assert "truth 3, predicted 0\n✗ wrong, nan % sure" in texts(figure)


def test_confusion_shows_the_counts_and_names_the_worst_pair():
    figure = plots.confusion(MATRIX)
    assert title(figure) == "20 of 965 test images are misread, most often 4 as 9 (17 of 111)"
    cells = {
        text.get_position(): text.get_text() for text in figure.axes[0].texts if text.get_text()
    }
    assert cells == {(column, row): str(MATRIX[row, column]) for row, column in np.argwhere(MATRIX)}
    assert "4 (of 111)" in texts(figure)


def test_confusion_colours_errors_by_their_share_and_not_what_is_right():
    shares = plots.confusion(MATRIX).axes[0].images[0].get_array()
    assert shares[4, 9] == pytest.approx(100 * 17 / 111)
    assert shares.mask.diagonal().all()


@pytest.mark.parametrize("matrix", [np.zeros((10, 10), int), np.diag(np.arange(10))])
def test_confusion_without_errors_names_no_pair(matrix):
    figure = plots.confusion(matrix)
    plots.png(figure)
    assert title(figure) == f"0 of {matrix.sum()} test images are misread"


def test_recall_names_the_worst_digit_and_counts_those_below_the_bound():
    figure = plots.recall_by_digit(RECALL, RECALL - 0.01, RECALL + 0.01, np.full(10, 0.955))
    assert title(figure) == "Digit 5 has the lowest recall, 93.0 %; 3 of 10 are below their bound"
    assert {"93.0", "99.0", "bound"} <= set(texts(figure))


@pytest.mark.parametrize("bound", [0.5, 0.94, 1.0])
def test_the_axis_of_recall_holds_bound_and_intervals(bound):
    low, high = (
        plots.recall_by_digit(RECALL, RECALL - 0.05, RECALL + 0.005, np.full(10, bound))
        .axes[0]
        .get_ylim()
    )
    assert low < 100 * min(bound, RECALL.min() - 0.05)
    assert high == 100


def test_a_digit_without_images_is_not_the_worst():
    recall = np.where(np.arange(10) == 5, np.nan, RECALL)
    figure = plots.recall_by_digit(recall, recall - 0.01, recall + 0.01, np.full(10, 0.9))
    plots.png(figure)
    assert title(figure).startswith("Digit 4 has the lowest recall, 95.0 %")
    (none,) = [text.get_position() for text in figure.axes[0].texts if text.get_text() == "none"]
    assert np.isfinite(none).all()


def test_recall_of_no_images_says_so():
    figure = plots.recall_by_digit(NAN, NAN, NAN, np.full(10, 0.9))
    plots.png(figure)
    assert title(figure) == "There is no recall: no images were judged"
