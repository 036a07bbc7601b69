"""Figures of metrics say what they must, for every input that a run can give them."""

import numpy as np
import pytest
from matplotlib.text import Text

from mnistlab.data import CORRUPTIONS
from mnistlab.metrics import figures, reliability
from mnistlab.report.figures import png

IMAGES = np.arange(30 * 28 * 28).reshape(30, 28, 28).astype(np.uint8)
LABELS = np.arange(30) % 10
MATRIX = np.diag(np.arange(90, 100))
MATRIX[4, 9] = 17
MATRIX[7, 2] = 3
RECALL = np.array([0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.95, 0.96, 0.97, 0.98])
NAN = np.full(10, np.nan)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def title(figure):
    return figure.get_suptitle().replace("\n", " ")


def test_no_images_are_said_to_be_none():
    figure = figures.first_predictions(IMAGES[:0], np.zeros((0, 10)), LABELS[:0])
    png(figure)
    assert "There are none." in texts(figure)


def test_first_predictions_tell_right_from_wrong_in_words():
    probabilities = np.full((30, 10), 0.02)
    probabilities[np.arange(30), LABELS] = 0.82
    probabilities[1] = np.roll(probabilities[1], 6)
    figure = figures.first_predictions(IMAGES, probabilities, LABELS)
    assert title(figure) == "4 of the first 5 test images are read correctly"
    captions = (
        "truth 1, predicted 7\n✗ wrong, 82.00 % sure",
        "truth 4, predicted 4\n✓ right, 82.00 % sure",
    )
    assert set(captions) <= set(texts(figure))
    assert len([bar for bar in figure.axes[1].patches if bar.get_height() == 2]) == 45


def test_predictions_that_are_not_numbers_render():
    figure = figures.first_predictions(IMAGES[:1], np.full((1, 10), np.nan), LABELS[:1] + 3)
    png(figure)
    assert "truth 3, predicted 0\n✗ wrong, nan % sure" in texts(figure)


def test_confusion_shows_the_counts_and_names_the_worst_pair():
    figure = figures.confusion(MATRIX)
    assert title(figure) == "20 of 965 test images are misread, most often 4 as 9 (17 of 111)"
    cells = {
        text.get_position(): text.get_text() for text in figure.axes[0].texts if text.get_text()
    }
    assert cells == {(column, row): str(MATRIX[row, column]) for row, column in np.argwhere(MATRIX)}
    assert "4 (of 111)" in texts(figure)


def test_confusion_colours_errors_by_their_share_and_not_what_is_right():
    shares = figures.confusion(MATRIX).axes[0].images[0].get_array()
    assert shares[4, 9] == pytest.approx(100 * 17 / 111)
    assert shares.mask.diagonal().all()


@pytest.mark.parametrize("matrix", [np.zeros((10, 10), int), np.diag(np.arange(10))])
def test_confusion_without_errors_names_no_pair(matrix):
    figure = figures.confusion(matrix)
    png(figure)
    assert title(figure) == f"0 of {matrix.sum()} test images are misread"


def test_recall_names_the_worst_digit_and_counts_those_below_the_bound():
    figure = figures.recall_by_digit(RECALL, RECALL - 0.01, RECALL + 0.01, np.full(10, 0.955))
    assert title(figure) == "Digit 5 has the lowest recall, 93.0 %; 3 of 10 are below their bound"
    assert {"93.0", "99.0", "bound"} <= set(texts(figure))


@pytest.mark.parametrize("bound", [0.5, 0.94, 1.0])
def test_the_axis_of_recall_holds_bound_and_intervals(bound):
    low, high = (
        figures.recall_by_digit(RECALL, RECALL - 0.05, RECALL + 0.005, np.full(10, bound))
        .axes[0]
        .get_ylim()
    )
    assert low < 100 * min(bound, RECALL.min() - 0.05)
    assert high == 100


def test_a_digit_without_images_is_not_the_worst():
    recall = np.where(np.arange(10) == 5, np.nan, RECALL)
    figure = figures.recall_by_digit(recall, recall - 0.01, recall + 0.01, np.full(10, 0.9))
    png(figure)
    assert title(figure).startswith("Digit 4 has the lowest recall, 95.0 %")
    (none,) = [text.get_position() for text in figure.axes[0].texts if text.get_text() == "none"]
    assert np.isfinite(none).all()


def test_recall_of_no_images_says_so():
    figure = figures.recall_by_digit(NAN, NAN, NAN, np.full(10, 0.9))
    png(figure)
    assert title(figure) == "There is no recall: no images were judged"


def test_robustness_names_the_corruption_that_costs_most():
    accuracies = {name: (0.97, 0.96, 0.95, 0.9, 0.8, 0.7) for name in CORRUPTIONS}
    accuracies["blur"] = (0.97, 0.5, 0.4, 0.3, 0.2, 0.1)
    examples = {name: IMAGES[:6] for name in CORRUPTIONS}
    figure = figures.robustness(accuracies, {"blur": 0.2}, examples, 3)
    assert figure.get_suptitle() == "At severity 3, blur costs most: 30.0 % is right"
    assert len(figure.axes) == 2 * len(CORRUPTIONS)
    assert png(figure).startswith(b"\x89PNG")


def test_reliability_diagram_says_error_and_bias():
    rng = np.random.default_rng(0)
    confidence = rng.random(300)
    bins = reliability(confidence, rng.random(300) < confidence)
    diagram = figures.reliability_diagram(bins, 0.01)
    assert diagram.get_suptitle().endswith("a calibrated model would get 1.00 %")
    assert png(diagram).startswith(b"\x89PNG")
