"""Whether the trained model is good enough."""

import numpy as np
import pytest

from mnistlab.arrays import CLASSES
from mnistlab.metrics import figures
from mnistlab.report.figures import gallery
from mnistlab.stats import wilson


def test_first_five_predictions_can_be_looked_at(check, dataset, evaluation):
    figure = figures.first_predictions(
        dataset.test_images, evaluation.probabilities, dataset.test_labels
    )
    caption = "Truth, prediction and the probability of each digit."
    check.picture("The first five predictions", caption, figure)


def test_accuracy_on_the_test_images_is_as_required(check, evaluation, trained):
    interval = wilson(int(evaluation.right.sum()), evaluation.count)
    ends = f"{100 * interval.low:.2f} to {100 * interval.high:.2f} %"
    detail = f"95 % Wilson interval {ends}, n = {evaluation.count}"
    check.within_healthy_range(
        "test accuracy",
        evaluation.accuracy,
        worse="lower",
        images=evaluation.count,
        advice="is it the file that you meant, and are images prepared as in its training?"
        if trained.history is None
        else "look at the curves: does it learn at all?",
        detail=detail,
    )


def test_loss_on_the_test_images_is_as_required(check, evaluation):
    check.within_healthy_range(
        "test loss",
        evaluation.loss,
        worse="higher",
        unit="nats",
        advice="accuracy without calibration: look at the scaling of the test images, the labels, "
        "overfitting",
    )


def test_training_accuracy_is_not_far_above_validation_accuracy(check, pipeline, trained, prepared):
    trained.required("history")
    pipeline.spec.promised("validation_split")
    count = len(prepared.train_images)
    gap = trained.history_of("accuracy")[-1] - trained.history_of("val_accuracy")[-1]
    check.within_healthy_range(
        "training accuracy over validation accuracy",
        gap,
        worse="higher",
        images=count - pipeline.spec.trained_on(count),
        advice="it memorises: look at the amount of training data and at wrong labels",
    )


def test_confusions_can_be_looked_at(check, evaluation):
    caption = (
        "Rows are true digits, columns predicted digits. A dark cell off the diagonal is a "
        "systematic error."
    )
    check.picture("Confusion matrix", caption, figures.confusion(evaluation.confusion))


def test_recall_can_be_looked_at(check, evaluation):
    right, all_of = np.diag(evaluation.confusion), evaluation.confusion.sum(axis=1)
    intervals = [wilson(int(r), int(n)) for r, n in zip(right, all_of, strict=True)]
    low, high = np.array([(interval.low, interval.high) for interval in intervals]).T
    bounds = np.array([check.least(f"recall of digit {digit}") for digit in range(CLASSES)])
    figure = figures.recall_by_digit(evaluation.recall, low, high, bounds)
    caption = (
        "The share of each digit's images that are predicted correctly, with 95 % Wilson "
        "intervals and bounds."
    )
    check.picture("Recall by digit", caption, figure)


@pytest.mark.parametrize("digit", range(CLASSES))
def test_every_digit_is_recognised(check, evaluation, digit):
    count = int(evaluation.confusion[digit].sum())
    check.within_healthy_range(
        f"recall of digit {digit}",
        float(evaluation.recall[digit]),
        worse="lower",
        images=count,
        advice="look at this digit's row of the confusion matrix, and at its share of the training "
        "labels",
        detail=f"n = {count}",
    )


def test_most_confident_mistakes_can_be_looked_at(check, dataset, evaluation):
    worst = evaluation.confident_mistakes(20)
    captions = [
        f"{dataset.test_labels[i]} read as {evaluation.predictions[i]}\n"
        f"{100 * evaluation.confidence[i]:.2f} %"
        for i in worst
    ]
    images = dataset.test_images[worst]
    figure = gallery(images, captions, title="The most confident mistakes")
    caption = (
        "Truth, prediction and confidence. If you read an image correctly, the model is wrong; "
        "if not, the image is ambiguous or its label is wrong."
    )
    check.picture("The most confident mistakes", caption, figure)
