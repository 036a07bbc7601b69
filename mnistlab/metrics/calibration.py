"""Confidence against correctness: whether a model is right as often as it says.

Every function takes the confidence of N predictions (the probability of the predicted digit, 0 to 1) and whether
each was right, and returns numbers; nothing here knows a model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError

BINS = 15
"""Bins of the expected calibration error: Guo et al. (2017), section 4."""

DRAWS = 200
"""Simulated models for the bias: its standard error is then a fourteenth of the estimator's own spread."""


@dataclass(frozen=True, eq=False)
class Reliability:
    """Predictions in bins of rising confidence; float64 arrays, one entry a bin.

    Attributes
    ----------
    confidence, accuracy : numpy.ndarray
        Mean confidence and fraction right of the bin, 0 to 1.
    count : numpy.ndarray of int64
        Predictions in the bin.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance of confidence and accuracy, weighted by count."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.count))

    @property
    def overconfidence(self) -> float:
        """Mean confidence less accuracy, -1 to 1: the error's sign, where all bins have the same."""
        return float(np.average(self.confidence - self.accuracy, weights=self.count))


def reliability(
    confidence: NDArray[Any], right: NDArray[np.bool_], bins: int = BINS
) -> Reliability:
    """Compare confidence and accuracy in bins of equal mass.

    Bins of equal width, as in the paper, leave all but a few of a good model's predictions in the last bin.

    Parameters
    ----------
    confidence : numpy.ndarray of float, shape (N,), 0 to 1
    right : numpy.ndarray of bool, shape (N,)
    bins : int
        At most N. They differ by one prediction at most.

    Returns
    -------
    Reliability

    Raises
    ------
    MnistlabError
        If the shapes differ or there are fewer predictions than bins.

    Source
    ------
    Guo, Pleiss, Sun and Weinberger (2017), On calibration of modern neural networks, equation 3; equal mass:
    Nguyen and O'Connor (2015), Posterior calibration and exploratory analysis, section 3.
    """
    confidence, right = np.asarray(confidence, np.float64), np.asarray(right, bool)
    if confidence.ndim != 1 or confidence.shape != right.shape or not 1 <= bins <= len(confidence):
        got = f"{confidence.shape} confidences, {right.shape} outcomes"
        raise MnistlabError(f"{got}; required one of each for at least {bins} predictions")
    parts = np.array_split(np.argsort(confidence, kind="stable"), bins)
    means = [(confidence[part].mean(), right[part].mean(), len(part)) for part in parts]
    return Reliability(*(np.array(column) for column in zip(*means, strict=True)))


def bias(confidence: NDArray[Any], bins: int = BINS, draws: int = DRAWS) -> float:
    """Return the error that a perfectly calibrated model with these confidences would be given, on average.

    The expected calibration error is never negative, so chance alone makes it positive. The bias is simulated:
    every prediction is right with the probability that its confidence states.

    Parameters
    ----------
    confidence : numpy.ndarray of float, shape (N,), 0 to 1
    bins : int
    draws : int
        Simulated models, from a fixed seed.

    Returns
    -------
    float

    Source
    ------
    The resampling of Broecker and Smith (2007), Increasing the reliability of reliability diagrams, section 3a.
    """
    rng = np.random.default_rng(0)
    errors = [
        reliability(confidence, rng.random(len(confidence)) < confidence, bins).error
        for _ in range(draws)
    ]
    return float(np.mean(errors))


def brier_score(probabilities: NDArray[Any], labels: NDArray[np.integer[Any]]) -> float:
    """Return the mean squared distance of probabilities and truth, summed over classes: 0 (best) to 2.

    Parameters
    ----------
    probabilities : numpy.ndarray of float, shape (N, classes)
    labels : numpy.ndarray of int, shape (N,)

    Returns
    -------
    float

    Source
    ------
    Brier (1950), Verification of forecasts expressed in terms of probability, equation 2. scikit-learn has it for
    more than two classes only from 1.7 on.
    """
    truth = np.eye(np.shape(probabilities)[1])[labels]
    return float(np.mean(np.sum((np.asarray(probabilities, np.float64) - truth) ** 2, axis=1)))


def discrimination(confidence: NDArray[Any], right: NDArray[np.bool_]) -> float:
    """Return the probability that a right prediction is more confident than a wrong one: the area under the ROC.

    Parameters
    ----------
    confidence : numpy.ndarray of float, shape (N,)
    right : numpy.ndarray of bool, shape (N,)

    Returns
    -------
    float
        0 to 1; 0.5 if confidence tells nothing, NaN if all are right or all are wrong.
    """
    from sklearn.metrics import roc_auc_score

    if np.all(right) or not np.any(right):
        return float("nan")
    return float(roc_auc_score(right, confidence))


def mean_confidence_on_mistakes(confidence: NDArray[Any], right: NDArray[np.bool_]) -> float:
    """Return the mean confidence of the wrong predictions, 0 to 1; NaN if there is none."""
    wrong = ~np.asarray(right, bool)
    return (
        float(np.mean(np.asarray(confidence, np.float64)[wrong])) if wrong.any() else float("nan")
    )
