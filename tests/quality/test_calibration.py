"""Whether the model is right as often as it says, and knows when it may be wrong."""

import numpy as np
import pytest

from mnistlab.data import images_without_digits
from mnistlab.metrics import calibration
from mnistlab.metrics import figures as plots_behaviour
from mnistlab.metrics import robustness
from mnistlab.report import figures as plots
from mnistlab.requirement import Requirement

REPORTED = "reported, not required: nothing is promised on what shows no digit"


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
def said_of(pipeline, trained, not_digits):
    """Return the probabilities that images get which show no digit."""
    return {
        kind: robustness.predict_raw(pipeline, trained.model, images)
        for kind, images in not_digits.items()
    }


def test_reliability_can_be_looked_at(check, reliability, bias):
    caption = (
        f"{len(reliability.count)} bins of {reliability.count[0]} predictions or one less, by rising confidence, with "
        "95 % Wilson intervals; most lie in the corner, enlarged on the right. On the line, confidence is honest; "
        "below it the model says more than it knows."
    )
    check.picture(
        "Reliability diagram", caption, plots_robustness.reliability_diagram(reliability, bias)
    )


def test_confidence_is_accuracy(check, reliability, bias):
    detail = (
        f"{len(reliability.count)} bins of equal mass; a perfectly calibrated model with these confidences would "
        f"be given {100 * bias:.2f} %; mean confidence less accuracy {100 * reliability.overconfidence:+.2f} points"
    )
    check("expected calibration error", reliability.error, detail)


def test_probabilities_are_near_the_truth(check, evaluation):
    check("Brier score", calibration.brier_score(evaluation.probabilities, evaluation.labels))


def test_mistakes_are_not_made_with_confidence(check, evaluation):
    mean = calibration.mean_confidence_on_mistakes(evaluation.confidence, evaluation.right)
    check(
        "mean confidence on mistakes",
        mean,
        f"{evaluation.count - int(evaluation.right.sum())} mistakes",
    )


def test_confidence_tells_right_from_wrong(check, evaluation):
    check(
        "area under the ROC of confidence",
        calibration.confidence_auroc(evaluation.confidence, evaluation.right),
    )


@pytest.mark.parametrize("kind", ["blank", "noise"])
def test_confidence_where_there_is_no_digit_is_reported(check, said_of, kind):
    name = f"{kind} images read with more than 99 % confidence"
    reported = Requirement(name, "calibration", 1.0, "at most", "fraction", REPORTED)
    most = said_of[kind].max(axis=1)
    check(
        reported,
        float((most > robustness.SURE).mean()),
        f"{len(most)} images, highest {100 * most.max():.2f} %",
    )


def test_readings_of_what_is_no_digit_can_be_looked_at(check, said_of, not_digits):
    images, captions = [], []
    for kind, probabilities in said_of.items():
        for index in np.argsort(-probabilities.max(axis=1), kind="stable")[:10]:
            images.append(not_digits[kind][index])
            captions.append(
                f"{probabilities[index].argmax()}\n{100 * probabilities[index].max():.2f} % sure"
            )
    figure = plots.gallery(
        np.stack(images), captions, title="Read as a digit, though there is none"
    )
    caption = "One grey level all over, and noise: the most confident readings. An honest model would not be sure."
    check.picture("What is read where there is no digit", caption, figure)
