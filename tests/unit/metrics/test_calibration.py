"""Calibration figures agree with scikit-learn and with cases that can be worked out by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from mnistlab.errors import MnistlabError
from mnistlab.metrics import calibration

RNG = np.random.default_rng(1)
CONFIDENCE = RNG.uniform(0.1, 1, 3000)
CALIBRATED = RNG.random(3000) < CONFIDENCE


def test_bins_agree_with_scikit_learn():
    accuracy, confidence = calibration_curve(CALIBRATED, CONFIDENCE, n_bins=15, strategy="quantile")
    found = calibration.reliability(CONFIDENCE, CALIBRATED)
    np.testing.assert_allclose(found.accuracy, accuracy)
    np.testing.assert_allclose(found.confidence, confidence)


def test_error_is_the_mean_distance_weighted_by_count():
    confidence, right = np.array([0.6, 0.9, 0.8]), np.array([True, True, False])
    found = calibration.reliability(confidence, right, bins=2)
    assert found.count.tolist() == [2, 1]
    np.testing.assert_allclose(found.error, (2 * 0.2 + 1 * 0.1) / 3)
    np.testing.assert_allclose(found.overconfidence, (2 * 0.2 - 1 * 0.1) / 3)


def test_overconfidence_is_found_and_has_a_sign():
    right = RNG.random(3000) < CONFIDENCE - 0.1
    found = calibration.reliability(CONFIDENCE, right)
    assert found.error > 0.07
    assert found.overconfidence > 0.07
    assert (
        calibration.reliability(CONFIDENCE, RNG.random(3000) < CONFIDENCE + 0.1).overconfidence
        < -0.04
    )


def test_bins_of_one_confidence_do_not_vanish():
    found = calibration.reliability(np.ones(30), np.arange(30) % 2 == 0)
    assert found.count.tolist() == [2] * 15
    np.testing.assert_allclose(found.error, 0.5)


def test_fewer_predictions_than_bins_are_refused():
    with pytest.raises(MnistlabError, match="14 predictions; required at least 15"):
        calibration.reliability(np.ones(14), np.ones(14, bool))


def test_bias_is_the_error_of_a_calibrated_model_with_the_same_confidences():
    # A bin of n predictions with confidence p: mean of |X/n - p|, X binomial. n = 2, p = 0.5: 1/4.
    np.testing.assert_allclose(
        calibration.calibration_bias(np.full(2, 0.5), bins=1, draws=20000), 0.25, atol=0.005
    )
    repeated = [
        calibration.reliability(CONFIDENCE, RNG.random(3000) < CONFIDENCE).error for _ in range(100)
    ]
    bias = calibration.calibration_bias(CONFIDENCE)
    np.testing.assert_allclose(bias, np.mean(repeated), rtol=0.1)


def test_bias_repeats_and_falls_with_the_number_of_predictions():
    assert calibration.calibration_bias(CONFIDENCE) == calibration.calibration_bias(CONFIDENCE)
    assert (
        calibration.calibration_bias(CONFIDENCE)
        < calibration.calibration_bias(CONFIDENCE[:300]) / 2
    )


def test_brier_score_is_the_sum_of_scikit_learns_over_the_classes():
    probabilities, labels = RNG.dirichlet(np.ones(10), 200), RNG.integers(0, 10, 200)
    classes = [brier_score_loss(labels == digit, probabilities[:, digit]) for digit in range(10)]
    np.testing.assert_allclose(calibration.brier_score(probabilities, labels), sum(classes))
    assert calibration.brier_score(np.eye(10), np.arange(10)) == 0
    assert calibration.brier_score(np.eye(10), np.arange(10) - 1) == 2


@pytest.mark.parametrize(
    ("right", "area"),
    [
        pytest.param([False, False, True, True], 1.0, id="told-apart"),
        pytest.param([True, True, False, False], 0.0, id="the-wrong-way"),
        pytest.param([False, True, False, True], 0.75, id="three-of-four-pairs"),
        pytest.param([True, True, True, True], np.nan, id="no-mistakes"),
    ],
)
def test_discrimination_is_the_share_of_pairs_in_order(right, area):
    found = calibration.confidence_auroc(np.array([0.1, 0.2, 0.3, 0.4]), np.array(right))
    np.testing.assert_equal(found, area)


def test_confidence_on_mistakes_leaves_out_what_is_right():
    confidence = np.array([0.9, 0.5, 0.7], np.float32)
    np.testing.assert_allclose(
        calibration.mean_confidence_on_mistakes(confidence, np.array([True, False, False])),
        0.6,
        rtol=1e-6,
    )
    assert np.isnan(calibration.mean_confidence_on_mistakes(confidence, np.ones(3, bool)))
