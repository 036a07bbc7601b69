"""The file gate: compare one model file with the accepted model, image by image.

Both models read the same test images, so each image is paired with itself. That is right for two
files only. A retrained model is another draw of its recipe: McNemar's test knows the noise of the
test images but not that of training, and calls 11 % of healthy retrainings worse at a level of 5 %.
"""

import bisect
import itertools
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import scipy

from mnistlab.arrays import CLASSES, Array, Indices
from mnistlab.errors import MnistlabError
from mnistlab.gate.baseline import Baseline, true_class_steps
from mnistlab.gate.comparison import GROUP
from mnistlab.metrics import Evaluation
from mnistlab.requirement import Requirement, Status, Verdict
from mnistlab.stats import Interval, holm, mcnemar, non_inferiority, tango

FILE_MARGIN = 0.005  # default: MNIST's recipe keeps that distance from 97 %
MIN_IMAGES = 7  # least margin: with 360 images equal predictions are only known to 1.5 points
CONFIDENCE = 0.98  # two-sided: 99 % for the bound that decides
DIGIT_LEVEL = 0.01  # of all digits together, by Holm's procedure
NAMED = 0.95  # probability with which a digit is named that lost the recall that a run states


@dataclass(frozen=True, eq=False)
class PairedComparison:
    """What a file's predictions and the accepted ones of the same images show."""

    evaluation: Evaluation
    margin: float  # the loss of accuracy that is too much
    newly_wrong: Array  # indices of images that only the file misreads, most confident first
    newly_right: Array  # indices of images that only the accepted model misreads
    by_digit: Indices  # numbers of both for each digit, (10, 2)
    churn: float  # fraction of images with another prediction, right or wrong
    gain: float  # of the true digit's mean probability
    difference: Interval  # of the accuracies, file minus accepted
    p_value: float
    digit_p_values: list[float]
    accuracy_status: Status

    @property
    def worse_digits(self) -> list[int]:
        """Return the digits that are read worse than accepted."""
        return [digit for digit, p in enumerate(self.digit_p_values) if p <= DIGIT_LEVEL]

    @property
    def decision(self) -> str:
        """Return PASSED, FAILED or UNDECIDED."""
        return "FAILED" if self.worse_digits else self.accuracy_status.upper()

    @property
    def improved(self) -> bool:
        """Return whether accuracy is surely higher by the margin, and no digit is read worse."""
        return self.difference.low > self.margin and self.decision == "PASSED"

    @property
    def sentence(self) -> str:
        """Say in one line what was measured."""
        gain = f"mean probability of the true digit {100 * self.gain:+.2f} points"
        if not self.churn:
            return f"all {self.evaluation.count} predictions are the accepted ones; {gain}"
        estimate, low = 100 * self.difference.estimate, 100 * self.difference.low
        change = f"{abs(estimate):.2f} points {'lower' if estimate < 0 else 'higher'}"
        return (
            f"accuracy {change} (99 % bound: {low:+.2f}), margin {100 * self.margin:.2f}; "
            f"{len(self.newly_wrong)} newly wrong, {len(self.newly_right)} newly right, "
            f"{100 * self.churn:.2f} % other predictions, McNemar p = {self.p_value:.2g}; {gain}"
        )

    @property
    def error_rates(self) -> str:
        """State how often this comparison errs, exactly, given the number of discordant images."""
        if not self.churn:
            return "a file with the accepted predictions passes at any margin"
        discordant, images = self.by_digit.sum(axis=1).tolist(), self.evaluation.count
        total, lost = sum(discordant), round(self.margin * images)
        good, bad = (100 * pass_rate(total, each, images, self.margin) for each in (0, lost))
        alarm = 100 * (1 - np.prod([1 - digit_power(each, 0) for each in discordant]))
        counts = np.bincount(self.evaluation.labels, minlength=CLASSES).tolist()
        pairs = zip(discordant, counts, strict=True)
        named = [100 * images_to_be_named(each) / n for each, n in pairs if n]
        return (
            f"of files that differ on {total} images without a net loss, {good:.3g} % pass "
            f"and {alarm:.2g} % fail a digit; of those that lose {100 * self.margin:.2f} "
            f"points, {bad:.2g} % pass; a digit that loses {min(named):.1f} to "
            f"{max(named):.1f} points of recall is named with probability {100 * NAMED:g} %"
        )

    def verdicts(self) -> list[Verdict]:
        """Return the verdicts on accuracy and on all digits together."""
        message = f"{self.sentence}: {self.accuracy_status}"
        if self.improved:
            advice = "to accept its recipe: mnistlab baseline accept"
            message += f"; better by more than the margin; {advice}"
        name, source = "harm to accuracy, this file", "Tango (1998): paired score interval"
        claim = Requirement(name, GROUP, 100 * self.margin, "at most", "points", source)
        accuracy = claim.judge(round(-100 * self.difference.low if self.churn else 0.0, 4))
        source = "McNemar's exact test for each digit, adjusted by Holm (1979)"
        digits = Requirement("digits read worse, this file", GROUP, 0, "equal to", "digits", source)
        worse = ", ".join(map(str, self.worse_digits)) or "none"
        text = f"digits read worse than accepted: {worse} (McNemar, Holm, 1 %)"
        return [
            replace(accuracy, status=self.accuracy_status, message=message),
            replace(digits.judge(len(self.worse_digits)), message=text),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``verdict.json`` holds."""
        names = ("decision", "sentence", "improved", "margin")
        return {
            **{name: getattr(self, name) for name in names},
            "newly_wrong": len(self.newly_wrong),
            "newly_right": len(self.newly_right),
            "churn": round(self.churn, 6),
            "mcnemar_p": self.p_value,
            "difference": {end: round(x, 6) for end, x in asdict(self.difference).items()},
            "identical": not self.churn,
            "true_digit_gain": round(self.gain, 6),
            "digits_p": [round(p, 6) for p in self.digit_p_values],
        }


def compare(
    evaluation: Evaluation, baseline: Baseline, margin: float | None = None
) -> PairedComparison:
    """Compare with accepted predictions; the default margin is 0.5 points or 7 images."""
    count, labels, right = evaluation.count, evaluation.labels, evaluation.right
    if (accepted := len(baseline.predictions)) != count:
        what = f"{count} predictions, but {accepted} were accepted"
        raise MnistlabError(f"{what}; required the same test images: mnistlab baseline accept")
    margin = margin or max(FILE_MARGIN, MIN_IMAGES / count)
    was_right = baseline.predictions == labels
    mistakes = evaluation.confident_mistakes(count)
    newly = mistakes[was_right[mistakes]], np.flatnonzero(~was_right & right)
    by_digit = np.array([np.bincount(labels[part], minlength=CLASSES) for part in newly]).T
    churn = float(np.mean(evaluation.predictions != baseline.predictions))
    gain = float(np.mean(true_class_steps(evaluation) / 255 - baseline.truth / 255))
    wrong, right_now = map(len, newly)
    difference, p_value = tango(wrong, right_now, count, CONFIDENCE), mcnemar(wrong, right_now)
    digits = holm([mcnemar(*each) for each in by_digit.tolist()]).tolist()
    status = non_inferiority(-difference.high, -difference.low, margin)
    if not churn:  # not worse, however wide the interval of a small test set is
        status = "passed"
    found = *newly, by_digit, churn, gain, difference, p_value, digits, status
    return PairedComparison(evaluation, margin, *found)


def pass_rate(discordant: int, lost: int, images: int, margin: float) -> float:
    """Return how likely a file passes that loses `lost` images; others change either way."""
    total = discordant + lost

    def fails(wrong: int) -> bool:
        return tango(wrong, total - wrong, images, CONFIDENCE).low <= -margin

    most = bisect.bisect_left(range(total + 1), True, key=fails) - 1  # newly wrong, to pass
    return float(scipy.stats.binom.cdf(most - lost, discordant, 0.5))


def digit_power(discordant: int, lost: int) -> float:
    """Return how likely a digit is called worse, by the first step of Holm's procedure."""
    wrong = np.arange(discordant + 1)
    p = scipy.stats.binom.sf(wrong + lost - 1, discordant + lost, 0.5)
    rejected = p <= DIGIT_LEVEL / CLASSES
    return float(scipy.stats.binom.pmf(wrong, discordant, 0.5)[rejected].sum())


@cache
def images_to_be_named(discordant: int) -> int:
    """Return how many images a digit must lose to be called worse with probability `NAMED`."""
    return next(lost for lost in itertools.count() if digit_power(discordant, lost) >= NAMED)
