"""Two files are compared image by image; simulated shares differ by chance below 1e-5."""

from types import SimpleNamespace

import numpy as np
import pytest

from mnistlab.errors import MnistlabError
from mnistlab.gate.baseline import true_class_steps
from mnistlab.gate.paired import (
    compare,
    digit_power,
    images_to_be_named,
    pass_rate,
)
from mnistlab.metrics import Evaluation
from mnistlab.stats import mcnemar, tango

COUNT = 10_000
LABELS = np.arange(COUNT).astype(np.uint8) % 10


def predicted(digits):
    probabilities = np.full((COUNT, 10), 0.02, np.float32)
    probabilities[np.arange(COUNT), digits] = 0.82
    return Evaluation(probabilities, LABELS)


def off(digits, places):
    changed = np.array(digits)
    changed[places] = (LABELS[places] + 1) % 10
    return changed


ACCEPTED = off(LABELS, np.arange(250))
TRUTH = true_class_steps(predicted(ACCEPTED))


def judged(evaluation, margin=None, accepted=ACCEPTED):
    return compare(evaluation, SimpleNamespace(predictions=accepted, truth=TRUTH), margin)


def test_identical_predictions_are_recognised_and_pass():
    found = judged(predicted(ACCEPTED))
    assert found.sentence.startswith("all 10000 predictions are the accepted ones; ")
    assert [verdict.status for verdict in found.verdicts()] == ["passed", "passed"]
    assert found.as_dict()["identical"]
    assert found.p_value == 1


def test_newly_wrong_newly_right_and_churn_are_counted():
    digits = off(ACCEPTED, np.arange(300, 330))
    digits[:10] = LABELS[:10]
    digits[20] = (LABELS[20] + 2) % 10  # wrong otherwise: churn, but no difference
    found = judged(predicted(digits))
    assert (len(found.newly_wrong), len(found.newly_right)) == (30, 10)
    assert found.churn == pytest.approx(41 / COUNT)
    assert found.by_digit.sum(axis=0).tolist() == [30, 10]
    assert found.p_value == mcnemar(30, 10)
    assert found.difference == tango(30, 10, COUNT, 0.98)


def test_a_file_that_is_surely_beyond_the_margin_fails():
    found = judged(predicted(off(ACCEPTED, np.arange(300, 500))))
    whole = found.verdicts()[0]
    assert whole.status == "failed"
    assert "accuracy 2.00 points lower" in whole.message


def test_a_file_near_the_margin_is_undecided():
    found = judged(predicted(off(ACCEPTED, np.arange(300, 350))))
    assert found.verdicts()[0].status == "undecided"


def test_one_digit_that_is_read_worse_fails_though_the_whole_passes():
    threes = np.flatnonzero((LABELS == 3) & (np.arange(COUNT) > 500))[:16]
    found = judged(predicted(off(ACCEPTED, threes)), margin=0.01)
    whole, digits = found.verdicts()
    assert whole.status == "passed"
    assert digits.status == "failed"
    assert "digits read worse than accepted: 3" in digits.message


def test_five_newly_wrong_of_a_digit_are_not_enough_to_fail_it():
    threes = np.flatnonzero((LABELS == 3) & (np.arange(COUNT) > 500))[:5]
    assert judged(predicted(off(ACCEPTED, threes))).verdicts()[1].status == "passed"


def test_newly_wrong_images_come_most_confident_first():
    evaluation = predicted(off(ACCEPTED, [400, 401]))
    evaluation.probabilities[401] = 0.001
    evaluation.probabilities[401, 2] = 0.991
    assert judged(evaluation).newly_wrong.tolist() == [401, 400]


def simulated(moved, lost, count=20_000):
    """Draw how many images are newly wrong if those that moved did so either way alike."""
    return lost + np.random.default_rng(0).binomial(moved, 0.5, count)


@pytest.mark.parametrize(("moved", "lost"), [(120, 0), (120, 20), (40, 50)])
def test_the_chance_of_a_file_to_pass_is_that_of_a_simulation(moved, lost):
    drawn, total = simulated(moved, lost), moved + lost
    passes = [-tango(int(b), total - int(b), COUNT, 0.98).low < 0.005 for b in range(total + 1)]
    share = float(np.mean(np.array(passes)[drawn]))
    assert pass_rate(moved, lost, COUNT, 0.005) == pytest.approx(
        share, abs=4.5 * (0.25 / 20_000) ** 0.5
    )
    assert passes == sorted(passes, reverse=True), "else the most that may pass is not one number"


def test_the_chance_to_name_a_digit_is_that_of_a_simulation():
    drawn = simulated(12, 15)
    p = np.array([mcnemar(b, 27 - b) for b in range(28)])
    share = float((p[drawn] <= 0.001).mean())
    assert digit_power(12, 15) == pytest.approx(share, abs=4.5 * (0.25 / 20_000) ** 0.5)
    assert (digit_power(0, 9), digit_power(0, 10)) == (0, 1)
    assert images_to_be_named(0) == 10
    assert (
        digit_power(12, images_to_be_named(12))
        >= 0.95
        > digit_power(12, images_to_be_named(12) - 1)
    )


def test_a_comparison_states_how_often_it_errs():
    digits = off(ACCEPTED, np.arange(300, 330))
    digits[:10] = LABELS[:10]
    text = judged(predicted(digits)).error_rates
    assert text.startswith("of files that differ on 40 images without a net loss, ")
    assert "of those that lose 0.50 points, " in text
    assert text.endswith("points of recall is named with probability 95 %")
    assert (
        judged(predicted(ACCEPTED)).error_rates
        == "a file with the accepted predictions passes at any margin"
    )


@pytest.mark.parametrize("margin", [1e-6, 0.0005, 0.4])
def test_identical_predictions_pass_at_any_margin(margin):
    found = judged(predicted(ACCEPTED), margin)
    assert tango(0, 0, COUNT, 0.98).low < -0.0005, "else the interval would decide it"
    assert (found.decision, found.verdicts()[0].status, found.verdicts()[0].measured) == (
        "PASSED",
        "passed",
        0,
    )
    one = judged(predicted(off(ACCEPTED, [300])), 1e-6)
    assert one.decision == "UNDECIDED"


def test_a_file_that_is_better_by_more_than_the_margin_says_so_and_is_proposed():
    found = judged(predicted(LABELS))
    assert found.as_dict()["improved"]
    assert (
        "passed; better by more than the margin; to accept its recipe: mnistlab baseline"
        in found.verdicts()[0].message
    )
    little = judged(predicted(off(LABELS, np.arange(220))))
    assert not little.improved
    assert "better by" not in little.verdicts()[0].message


def test_a_better_file_that_reads_a_digit_worse_is_not_proposed():
    digits = off(LABELS, np.flatnonzero((LABELS == 3) & (np.arange(COUNT) > 500))[:60])
    found = judged(predicted(digits))
    assert found.difference.low > found.margin
    assert (found.worse_digits, found.decision, found.as_dict()["decision"]) == (
        [3],
        "FAILED",
        "FAILED",
    )
    assert "better by more" not in found.verdicts()[0].message


def test_the_change_of_the_true_digits_probability_is_stated():
    found = judged(predicted(off(ACCEPTED, np.arange(300, 400))))
    assert found.gain == pytest.approx(-0.01 * 0.8, abs=1e-9)
    assert found.sentence.endswith("; mean probability of the true digit -0.80 points")
    assert judged(predicted(ACCEPTED)).as_dict()["true_digit_gain"] == 0


@pytest.mark.parametrize(("images", "margin"), [(10_000, 0.005), (360, 7 / 360)])
def test_the_default_margin_is_half_a_point_or_seven_images(images, margin):
    evaluation = predicted(ACCEPTED)
    few = Evaluation(evaluation.probabilities[:images], LABELS[:images])
    baseline = SimpleNamespace(predictions=ACCEPTED[:images], truth=TRUTH[:images])
    assert compare(few, baseline).margin == margin


def test_another_number_of_images_is_refused():
    with pytest.raises(MnistlabError, match=r"10000 predictions, but 9 were accepted; required"):
        judged(predicted(ACCEPTED), accepted=ACCEPTED[:9])
