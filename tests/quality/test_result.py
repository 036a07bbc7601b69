"""Whether the trained model is good enough."""

import numpy as np
import pytest

from mnistlab.metrics import figures
from mnistlab.report import figures as plots
from mnistlab.stats import wilson


def test_first_five_predictions_can_be_looked_at(check, dataset, evaluation):
    five = slice(5)
    figure = figures.first_predictions(
        dataset.test_images[five], evaluation.probabilities[five], dataset.test_labels[five]
    )
    check.picture(
        "The first five predictions", "Truth, prediction and the probability of each digit.", figure
    )


def test_accuracy_on_the_test_images_is_as_required(check, evaluation):
    interval = wilson(int(evaluation.right.sum()), evaluation.count)
    ends = f"{100 * interval.low:.2f} to {100 * interval.high:.2f} %"
    check(
        "test accuracy", evaluation.accuracy, f"95 % Wilson interval {ends}, n = {evaluation.count}"
    )


def test_loss_on_the_test_images_is_as_required(check, evaluation):
    check("test loss", evaluation.loss)


def test_training_accuracy_is_not_far_above_validation_accuracy(check, trained):
    gap = trained.history_of("accuracy")[-1] - trained.history_of("val_accuracy")[-1]
    check("training accuracy over validation accuracy", gap)


def test_confusions_can_be_looked_at(check, evaluation):
    caption = "Rows are the truth, columns what it was taken for; a dark cell off the diagonal is a systematic error."
    check.picture("Confusion matrix", caption, figures.confusion(evaluation.confusion))


def test_recall_can_be_looked_at(check, evaluation, pipeline):
    right, all_of = np.diag(evaluation.confusion), evaluation.confusion.sum(axis=1)
    intervals = [wilson(int(r), int(n)) for r, n in zip(right, all_of, strict=True)]
    low, high = (
        np.array([getattr(interval, end) for interval in intervals]) for end in ("low", "high")
    )
    stated = {bound.name: bound.bound for bound in pipeline.spec.bounds}
    bounds = np.array(
        [stated.get(f"recall of digit {digit}", np.nan) for digit in range(10)], dtype=np.float64
    )
    caption = "The share of each digit's images that are read right, with 95 % Wilson intervals, against its bound."
    check.picture(
        "Recall by digit", caption, figures.recall_by_digit(evaluation.recall, low, high, bounds)
    )


@pytest.mark.parametrize("digit", range(10))
def test_every_digit_is_recognised(check, evaluation, digit):
    count = int(evaluation.confusion[digit].sum())
    check(f"recall of digit {digit}", float(evaluation.recall[digit]), f"n = {count}")


def test_most_confident_mistakes_can_be_looked_at(check, dataset, evaluation):
    worst = evaluation.confident_mistakes(20)
    captions = [
        f"{dataset.test_labels[i]} read as {evaluation.predictions[i]}\n{evaluation.confidence[i]:.2%}"
        for i in worst
    ]
    figure = plots.gallery(
        dataset.test_images[worst], captions, title="The most confident mistakes", columns=10
    )
    caption = "Truth, prediction and confidence. Would you read them right? If so, they are defects of the model."
    check.picture("The most confident mistakes", caption, figure)
