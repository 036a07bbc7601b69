"""What predictions are worth, against scikit-learn as an outside oracle."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss, recall_score

from mnistlab.metrics.evaluation import EPSILON, Evaluation

DIGITS = list(range(10))


def predictions(seed, count=300, sharpness=4.0):
    """Draw softmax rows that favour the truth, and the truth."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 10, count).astype(np.uint8)
    logits = generator.normal(size=(count, 10)) + sharpness * np.eye(10)[labels] * generator.random(
        (count, 1)
    )
    rows = np.exp(logits)
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32), labels


def rows_for(digits, confidence=0.7):
    """Make a row of probabilities for every digit, with this confidence in it."""
    rows = np.full((len(digits), 10), (1 - confidence) / 9, dtype=np.float32)
    rows[np.arange(len(digits)), digits] = confidence
    return rows


@pytest.fixture(params=range(5))
def drawn(request):
    return predictions(request.param)


def test_accuracy_is_scikit_learns(drawn):
    probabilities, labels = drawn
    assert Evaluation(probabilities, labels).accuracy == accuracy_score(
        labels, probabilities.argmax(axis=1)
    )


def test_confusion_is_scikit_learns(drawn):
    probabilities, labels = drawn
    expected = confusion_matrix(labels, probabilities.argmax(axis=1), labels=DIGITS)
    assert np.array_equal(Evaluation(probabilities, labels).confusion, expected)


def test_recall_is_scikit_learns(drawn):
    probabilities, labels = drawn
    expected = recall_score(labels, probabilities.argmax(axis=1), labels=DIGITS, average=None)
    np.testing.assert_allclose(Evaluation(probabilities, labels).recall, expected, rtol=1e-15)


def test_loss_is_scikit_learns(drawn):
    probabilities, labels = drawn
    rows = probabilities.astype(
        np.float64
    )  # log_loss warns of rows that do not sum to 1 but for rounding
    expected = log_loss(labels, rows / rows.sum(axis=1, keepdims=True), labels=DIGITS)
    assert Evaluation(probabilities, labels).loss == pytest.approx(expected, rel=1e-6)


def test_loss_of_a_certain_mistake_is_that_of_the_smallest_probability():
    probabilities = np.eye(10, dtype=np.float32)[[0, 1]]
    clipped = np.clip(probabilities.astype(np.float64), EPSILON, 1 - EPSILON)
    expected = log_loss([0, 2], clipped / clipped.sum(axis=1, keepdims=True), labels=DIGITS)
    loss = Evaluation(probabilities, np.array([0, 2], np.uint8)).loss
    assert loss == pytest.approx(-np.log(1e-7) / 2, rel=1e-6)
    assert loss == pytest.approx(expected, rel=1e-6)


def test_loss_of_certain_and_right_predictions_is_all_but_zero():
    assert 0 < Evaluation(np.eye(10, dtype=np.float32), np.arange(10)).loss < 2e-7


def test_ignorance_costs_the_logarithm_of_ten():
    ignorant = np.full((4, 10), 0.1, dtype=np.float32)
    assert Evaluation(ignorant, np.array([0, 3, 5, 9])).loss == pytest.approx(np.log(10), rel=1e-6)


def test_of_equally_likely_digits_the_smallest_is_predicted():
    ignorant = np.full((3, 10), 0.1, dtype=np.float32)
    evaluation = Evaluation(ignorant, np.array([0, 3, 9], np.uint8))
    assert evaluation.predictions.tolist() == [0, 0, 0]
    assert evaluation.right.tolist() == [True, False, False]


def test_recall_of_a_digit_without_images_is_nan_and_the_others_stay():
    labels = np.array([0, 0, 1, 2, 4, 5, 6, 7, 8, 9], np.uint8)
    recall = Evaluation(rows_for(np.where(labels == 9, 8, labels)), labels).recall
    assert np.isnan(recall[3])
    assert recall[[0, 1, 2, 4, 5, 6, 7, 8, 9]].tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 0]


def test_one_image_can_be_evaluated():
    evaluation = Evaluation(rows_for([7], confidence=0.75), np.array([7], np.uint8))
    assert (evaluation.count, evaluation.accuracy, evaluation.confidence.tolist()) == (
        1,
        1.0,
        [0.75],
    )
    assert evaluation.confusion.sum() == evaluation.confusion[7, 7] == 1


def test_shuffling_the_images_changes_no_figure(drawn):
    probabilities, labels = drawn
    order = np.random.default_rng(1).permutation(len(labels))
    assert not np.array_equal(labels[order], labels)
    one, other = Evaluation(probabilities, labels), Evaluation(probabilities[order], labels[order])
    assert one.accuracy == other.accuracy
    assert np.array_equal(one.confusion, other.confusion)
    assert one.loss == pytest.approx(other.loss, rel=1e-12)


def test_confident_mistakes_are_the_wrong_ones_most_confident_first():
    labels = np.zeros(6, np.uint8)
    digits = np.array([1, 0, 2, 3, 0, 4])
    rows = np.concatenate(
        [
            rows_for([digit], c)
            for digit, c in zip(digits, (0.5, 0.99, 0.9, 0.5, 1, 0.7), strict=True)
        ]
    )
    evaluation = Evaluation(rows, labels)
    assert evaluation.confident_mistakes(10).tolist() == [2, 5, 0, 3], (
        "of equals, the first comes first"
    )
    assert evaluation.confident_mistakes(2).tolist() == [2, 5]
    assert evaluation.confident_mistakes(0).tolist() == []


def test_equally_confident_mistakes_keep_the_order_of_the_images():
    evaluation = Evaluation(rows_for([1, 2] * 50), np.zeros(100, np.uint8))
    assert evaluation.confident_mistakes(100).tolist() == list(range(100))


def test_without_a_mistake_there_are_no_confident_ones():
    labels = np.arange(10, dtype=np.uint8)
    assert Evaluation(rows_for(labels), labels).confident_mistakes(20).tolist() == []
