"""The file gate: compare one model file with the accepted model, image by image.

Both models read the same test images, so each image is paired with itself. That is right for two
files only. A retrained model is another draw of its recipe: McNemar's test knows the noise of the
test images but not that of training, and calls 11 % of healthy retrainings worse at a level of 5 %.
"""

import bisect
import itertools
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import scipy

from mnistlab.arrays import CLASSES, Array, Bytes, Doubles, Indices
from mnistlab.errors import MnistlabError
from mnistlab.gate.baseline import Baseline, true_class_steps
from mnistlab.gate.comparison import GROUP
from mnistlab.metrics import Evaluation
from mnistlab.requirement import Status, Verdict
from mnistlab.stats import Interval, holm, mcnemar, non_inferiority, tango

FILE_MARGIN = 0.005
"""Default loss of accuracy that is too much: MNIST's recipe keeps that distance from 97 %."""
MIN_IMAGES = 7
"""The margin is at least this many images: with 360 images even identical predictions are only
known to 1.5 points."""
CONFIDENCE = 0.98
"""Two-sided: 99 % for the bound that decides."""
DIGIT_LEVEL = 0.01
"""Of all digits together, by Holm's procedure."""
NAMED = 0.95
"""Probability with which a digit is named that lost the recall that a run states."""


def file_margin(images: int) -> float:
    """Return the default margin on a test set of so many images, a fraction."""
    return max(FILE_MARGIN, MIN_IMAGES / images)


@dataclass(frozen=True, eq=False)
class PairedComparison:
    """A file's predictions and the accepted ones on the same N images.

    Attributes
    ----------
    evaluation : Evaluation
        Of the file.
    accepted : uint8 array, shape (N,)
        The accepted predictions.
    truth : uint8 array, shape (N,)
        The accepted probability of the true digit, in steps of 1/255.
    margin : float
        The loss of accuracy that is too much, a fraction.
    """

    evaluation: Evaluation
    accepted: Bytes
    truth: Bytes
    margin: float

    @cached_property
    def newly_wrong(self) -> Array:
        """Return the indices of images that only the file misreads, most confident first."""
        right_before = self.accepted == self.evaluation.labels
        indices = np.flatnonzero(~self.evaluation.right & right_before)
        return indices[np.argsort(-self.evaluation.confidence[indices], kind="stable")]

    @cached_property
    def newly_right(self) -> Array:
        """Return the indices of images that only the accepted model misreads."""
        return np.flatnonzero(self.evaluation.right & (self.accepted != self.evaluation.labels))

    @property
    def churn(self) -> float:
        """Return the fraction of images with another prediction, right or wrong."""
        return float(np.mean(self.evaluation.predictions != self.accepted))

    @property
    def p_value(self) -> float:
        """Return McNemar's exact one-sided p-value that the file is worse."""
        return mcnemar(len(self.newly_wrong), len(self.newly_right))

    @cached_property
    def difference(self) -> Interval:
        """Return Tango's interval of the difference of accuracies, file minus accepted."""
        counts = len(self.newly_wrong), len(self.newly_right)
        return tango(*counts, self.evaluation.count, CONFIDENCE)

    @property
    def gain(self) -> float:
        """Return by how much the true digit's mean probability is higher."""
        return float(np.mean(true_class_steps(self.evaluation) / 255 - self.truth / 255))

    @property
    def improved(self) -> bool:
        """Return whether accuracy is surely higher by the margin, and no digit is read worse."""
        return self.difference.low > self.margin and self.decision == "PASSED"

    @property
    def decision(self) -> str:
        """Return PASSED, FAILED or UNDECIDED."""
        return "FAILED" if self.worse_digits else self._status.upper()

    @property
    def _status(self) -> Status:
        # Identical predictions are not worse, however wide the interval of a small test set is.
        if not self.churn:
            return "passed"
        return non_inferiority(-self.difference.high, -self.difference.low, self.margin)

    @property
    def table(self) -> Indices:
        """Count images: rows accepted right and wrong, columns file right and wrong; (2, 2)."""
        wrong, right = len(self.newly_wrong), len(self.newly_right)
        both = int(self.evaluation.right.sum()) - right
        return np.array([[both, wrong], [right, self.evaluation.count - both - wrong - right]])

    @cached_property
    def by_digit(self) -> Indices:
        """Count newly wrong and newly right images of each digit; (10, 2)."""
        labels = self.evaluation.labels
        pairs = (self.newly_wrong, self.newly_right)
        return np.stack([np.bincount(labels[part], minlength=CLASSES) for part in pairs], axis=1)

    @property
    def digit_p_values(self) -> Doubles:
        """Return Holm's adjusted p-values that a digit is read worse; (10,)."""
        return holm([mcnemar(wrong, right) for wrong, right in self.by_digit.tolist()])

    @property
    def worse_digits(self) -> list[int]:
        """Return the digits that are read worse than accepted."""
        return [digit for digit, p in enumerate(self.digit_p_values) if p <= DIGIT_LEVEL]

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
        good, bad = (pass_rate(total, each, images, self.margin) for each in (0, lost))
        alarm = 1 - np.prod([1 - digit_power(each, 0) for each in discordant])
        counts = np.bincount(self.evaluation.labels, minlength=CLASSES).tolist()
        pairs = zip(discordant, counts, strict=True)
        named = [100 * images_to_be_named(each) / n for each, n in pairs if n]
        return (
            f"of files that differ on {total} images without a net loss, {100 * good:.3g} % pass "
            f"and {100 * alarm:.2g} % fail a digit; of those that lose {100 * self.margin:.2f} "
            f"points, {100 * bad:.2g} % pass; a digit that loses {min(named):.1f} to "
            f"{max(named):.1f} points of recall is named with probability {100 * NAMED:g} %"
        )

    def verdicts(self) -> list[Verdict]:
        """Return the verdicts on accuracy and on all digits together."""
        message = f"{self.sentence}: {self._status}"
        if self.improved:
            message += "; better by more than the margin; to accept its recipe: "
            message += "mnistlab baseline accept"
        worse = ", ".join(map(str, self.worse_digits)) or "none"
        return [
            Verdict(
                name="harm to accuracy, this file",
                group=GROUP,
                test="",
                measured=round(-100 * self.difference.low if self.churn else 0.0, 4),
                bound=100 * self.margin,
                direction="at most",
                unit="points",
                status=self._status,
                source="Tango (1998): paired score interval",
                message=message,
            ),
            Verdict(
                name="digits read worse, this file",
                group=GROUP,
                test="",
                measured=len(self.worse_digits),
                bound=0,
                direction="equal to",
                unit="digits",
                status="failed" if self.worse_digits else "passed",
                source="McNemar's exact test for each digit, adjusted by Holm (1979)",
                message=f"digits read worse than accepted: {worse} (McNemar, Holm, 1 %)",
            ),
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``verdict.json`` holds."""
        interval = self.difference
        return {
            "decision": self.decision,
            "sentence": self.sentence,
            "improved": self.improved,
            "newly_wrong": len(self.newly_wrong),
            "newly_right": len(self.newly_right),
            "churn": round(self.churn, 6),
            "mcnemar_p": self.p_value,
            "difference": {
                "low": round(interval.low, 6),
                "high": round(interval.high, 6),
                "estimate": round(interval.estimate, 6),
            },
            "margin": self.margin,
            "identical": not self.churn,
            "true_digit_gain": round(self.gain, 6),
            "digits_p": [round(float(p), 6) for p in self.digit_p_values],
        }


def compare(
    evaluation: Evaluation, baseline: Baseline, margin: float | None = None
) -> PairedComparison:
    """Pair a file's predictions with the accepted ones.

    Raises
    ------
    MnistlabError
        If the numbers of images differ.
    """
    accepted = len(baseline.predictions)
    if accepted != evaluation.count:
        what = f"{evaluation.count} predictions, but {accepted} were accepted"
        raise MnistlabError(f"{what}; required the same test images: mnistlab baseline accept")
    margin = margin or file_margin(accepted)
    return PairedComparison(evaluation, baseline.predictions, baseline.truth, margin)


@cache
def most_newly_wrong(discordant: int, images: int, margin: float) -> int:
    """Return how many of the discordant images may be newly wrong to pass; -1 if none."""

    def fails(wrong: int) -> bool:
        return tango(wrong, discordant - wrong, images, CONFIDENCE).low <= -margin

    return bisect.bisect_left(range(discordant + 1), True, key=fails) - 1


def pass_rate(discordant: int, lost: int, images: int, margin: float) -> float:
    """Return the probability that a file passes.

    It loses `lost` images; `discordant` others change with equal probability either way.
    """
    most = most_newly_wrong(discordant + lost, images, margin) - lost
    return float(scipy.stats.binom.cdf(most, discordant, 0.5))


@cache
def digit_power(discordant: int, lost: int) -> float:
    """Return the probability that a digit is called worse; arguments as in `pass_rate`.

    By the first step of Holm's procedure, which decides whether the check fails.
    """
    wrong = np.arange(discordant + 1)
    p = scipy.stats.binom.sf(wrong + lost - 1, discordant + lost, 0.5)
    rejected = p <= DIGIT_LEVEL / CLASSES
    return float(scipy.stats.binom.pmf(wrong, discordant, 0.5)[rejected].sum())


def images_to_be_named(discordant: int) -> int:
    """Return how many images a digit must lose to be called worse with probability `NAMED`."""
    return next(lost for lost in itertools.count() if digit_power(discordant, lost) >= NAMED)
