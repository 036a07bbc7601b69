"""Whether a model is right as often as its confidence in the predicted classes says."""

from dataclasses import dataclass

import numpy as np

from mnistlab.arrays import Array, Bools, Doubles, Indices
from mnistlab.errors import MnistlabError

BINS = 15
"""Bins of the expected calibration error: Guo et al. (2017), section 4."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predictions in bins of rising confidence; arrays with one entry for each bin."""

    confidence: Doubles  # the mean in the bin
    accuracy: Doubles  # the fraction of its predictions that are right
    count: Indices  # of its predictions
    error: float  # expected calibration error: the mean of |confidence - accuracy|
    overconfidence: float  # the mean of confidence - accuracy


def reliability(confidence: Array, right: Bools, bins: int = BINS) -> Reliability:
    """Compare confidence and accuracy in bins of equal mass, whose counts differ by one at most.

    With bins of equal width, nearly all predictions of a good model would be in the last bin.
    Source: Guo et al. (2017), eq. 3; equal mass: Nguyen and O'Connor (2015), section 3.
    """
    if len(confidence) < bins:
        raise MnistlabError(f"{len(confidence)} predictions; required at least {bins}")
    confidence = np.asarray(confidence, np.float64)
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    means, shares = (np.array([of[part].mean() for part in parts]) for of in (confidence, right))
    count = np.array([len(part) for part in parts])
    distance = means - shares
    error = float(np.average(abs(distance), weights=count))
    return Reliability(means, shares, count, error, float(np.average(distance, weights=count)))


def calibration_bias(confidence: Array, bins: int = BINS, draws: int = 200) -> float:
    """Estimate the calibration error that chance alone gives a perfectly calibrated model.

    It is the mean over simulated models, each right with the probability that its confidence
    states. Source: Broecker and Smith (2007), Reliability diagrams, section 3a.
    """
    rng = np.random.default_rng(0)
    simulated = (rng.random(len(confidence)) < confidence for _ in range(draws))
    return float(np.mean([reliability(confidence, right, bins).error for right in simulated]))


def brier_score(probabilities: Array, labels: Array) -> float:
    """Return the squared distance from the labels, 0 (best) to 2: Brier (1950), equation 2."""
    # scikit-learn has it for many classes only from 1.7 on.
    truth = np.eye(np.shape(probabilities)[1])[labels]
    return float(np.mean(np.sum((np.asarray(probabilities, np.float64) - truth) ** 2, axis=1)))


def confidence_auroc(confidence: Array, right: Bools) -> float:
    """Return the area under the ROC curve of confidence; NaN if all or no predictions are right."""
    from sklearn.metrics import roc_auc_score

    if np.all(right) or not np.any(right):
        return float("nan")
    return float(roc_auc_score(right, confidence))


def mean_confidence_on_mistakes(confidence: Array, right: Bools) -> float:
    """Return the mean confidence of the wrong predictions, 0 to 1; NaN if there is none."""
    wrong = np.asarray(confidence, np.float64)[~np.asarray(right, bool)]
    return float(wrong.mean()) if wrong.size else float("nan")
