"""Whether confidence equals accuracy, and is lower for mistakes."""

import numpy as np
import pytest

from mnistlab.data import images_without_digits
from mnistlab.metrics import calibration, figures, robustness
from mnistlab.report.figures import gallery
from mnistlab.requirement import Requirement

REPORTED = "reported, not required: the spec promises nothing for images without a digit"


@pytest.fixture(scope="module")
def reliability(evaluation):
    return calibration.reliability(evaluation.confidence, evaluation.right)


@pytest.fixture(scope="module")
def bias(evaluation):
    return calibration.calibration_bias(evaluation.confidence)


@pytest.fixture(scope="module")
def not_digits():
    return images_without_digits()


@pytest.fixture(scope="module")
def probabilities(pipeline, trained, not_digits):
    """Return the predicted probabilities of images without a digit."""
    return {
        kind: robustness.predict_raw(pipeline, trained.model, images)
        for kind, images in not_digits.items()
    }


def test_reliability_can_be_looked_at(check, reliability, bias):
    caption = (
        f"{len(reliability.count)} bins of {reliability.count[0]} predictions or one less, by "
        "rising confidence, with 95 % Wilson intervals. Most are in the corner, which is enlarged "
        "on the right. On the line, confidence equals accuracy; below it, the model is "
        "overconfident."
    )
    figure = figures.reliability_diagram(reliability, bias)
    check.picture("Reliability diagram", caption, figure)


def test_confidence_is_accuracy(check, reliability, bias):
    detail = (
        f"{len(reliability.count)} bins of equal mass; by chance alone, a calibrated model "
        f"with these confidences would get {100 * bias:.2f} %; mean confidence minus accuracy "
        f"{100 * reliability.overconfidence:+.2f} points"
    )
    check.within_healthy_range(
        "expected calibration error",
        reliability.error,
        worse="higher",
        unit="fraction",
        advice="its confidence is not its accuracy: look at the loss, label smoothing, scaling at "
        "prediction, overfitting",
        detail=detail,
    )


def test_probabilities_are_near_the_truth(check, evaluation):
    check.within_healthy_range(
        "Brier score",
        calibration.brier_score(evaluation.probabilities, evaluation.labels),
        worse="higher",
        advice="look at the reliability diagram",
    )


def test_mistakes_are_not_made_with_confidence(check, evaluation):
    mean = calibration.mean_confidence_on_mistakes(evaluation.confidence, evaluation.right)
    mistakes = evaluation.count - int(evaluation.right.sum())
    check.within_healthy_range(
        "mean confidence on mistakes",
        mean,
        worse="higher",
        unit="fraction",
        advice="it is overconfident: look for overfitting",
        detail=f"{mistakes} mistakes",
    )


def test_confidence_tells_right_from_wrong(check, evaluation):
    check.within_healthy_range(
        "area under the ROC of confidence",
        calibration.confidence_auroc(evaluation.confidence, evaluation.right),
        worse="lower",
        advice="confidence does not tell right from wrong",
    )


@pytest.mark.parametrize("kind", ["blank", "noise"])
def test_confidence_where_there_is_no_digit_is_reported(check, probabilities, kind):
    name = f"{kind} images read with more than 99 % confidence"
    reported = Requirement(name, "calibration", 1.0, "at most", "fraction", REPORTED)
    confidence = probabilities[kind].max(axis=1)
    detail = f"{len(confidence)} images, highest {100 * confidence.max():.2f} %"
    check(reported, float((confidence > 0.99).mean()), detail)


def test_readings_of_what_is_no_digit_can_be_looked_at(check, probabilities, not_digits):
    images, captions = [], []
    for kind, rows in probabilities.items():
        for index in np.argsort(-rows.max(axis=1), kind="stable")[:10]:
            images.append(not_digits[kind][index])
            captions.append(f"{rows[index].argmax()}\n{100 * rows[index].max():.2f} % sure")
    figure = gallery(np.stack(images), captions, title="Images without a digit, read as digits")
    caption = (
        "Images of one grey level, and noise: the most confident predictions. A calibrated model "
        "would not be sure."
    )
    check.picture("What is read where there is no digit", caption, figure)
