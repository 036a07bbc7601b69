"""The artifact gate: tell whether one model file is no worse than the accepted one, image by image.

For a file only. A retrained model is another draw of the recipe: McNemar's test knows the noise of the test images,
not that of training, and calls healthy retrainings worse far more often than its level (docs/power.md).
"""

import bisect
import itertools
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError
from mnistlab.gate.baseline import Baseline, true_class_probability
from mnistlab.gate.comparison import GROUP
from mnistlab.metrics import Evaluation
from mnistlab.requirement import Status, Verdict
from mnistlab.stats import Interval, holm, mcnemar, non_inferiority, tango

MARGIN = 0.005
"""Of MNIST, by default: the distance of a healthy training's mean accuracy from the required 97 %."""
SMALL_MARGIN = 0.02
"""Of other datasets: with 360 images even identical predictions are only known to 1.5 points."""
CONFIDENCE = 0.98
"""Two-sided, so 99 % for the bound that decides."""
DIGIT_LEVEL = 0.01
"""All digits together, by Holm."""
SURELY = 0.95
"""The chance to be named of the loss of recall that a run states."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A file's predictions against the accepted ones on the same images."""

    evaluation: Evaluation  # of the file
    accepted: NDArray[np.uint8]  # the accepted digits, shape (N,)
    truth: NDArray[np.uint8]  # the accepted probability of the true digit, in 255 steps, shape (N,)
    margin: float = MARGIN  # the loss of accuracy, a fraction, that is too much

    @cached_property
    def newly_wrong(self) -> NDArray[Any]:
        """Indices of the images that only the file misreads, int, most confident mistake first."""
        found = np.flatnonzero(~self.evaluation.right & (self.accepted == self.evaluation.labels))
        return found[np.argsort(-self.evaluation.confidence[found], kind="stable")]

    @cached_property
    def newly_right(self) -> NDArray[Any]:
        """Indices of the images that only the accepted model misreads, int."""
        return np.flatnonzero(self.evaluation.right & (self.accepted != self.evaluation.labels))

    @property
    def churn(self) -> float:
        """The fraction of images that are read otherwise, right or wrong."""
        return float(np.mean(self.evaluation.predictions != self.accepted))

    @property
    def p_value(self) -> float:
        """McNemar's exact one-sided p that the file is worse."""
        return mcnemar(len(self.newly_wrong), len(self.newly_right))

    @cached_property
    def difference(self) -> Interval:
        """Tango's interval of the paired difference of accuracies, file less accepted."""
        return tango(
            len(self.newly_wrong), len(self.newly_right), self.evaluation.count, CONFIDENCE
        )

    @property
    def gain(self) -> float:
        """By how much the file gives the true digit a higher probability, on average over the images."""
        return float(np.mean(true_class_probability(self.evaluation) / 255 - self.truth / 255))

    @property
    def improved(self) -> bool:
        """Whether accuracy is higher by surely more than the margin, and no digit is read worse."""
        return self.difference.low > self.margin and self.decision == "PASSED"

    @property
    def decision(self) -> str:
        """PASSED, FAILED or UNDECIDED."""
        return "FAILED" if self.worse else self._status.upper()

    @property
    def _status(self) -> Status:
        """Of the whole: identical predictions cannot be worse, however wide the interval of so few images is."""
        if not self.churn:
            return "passed"
        return non_inferiority(-self.difference.high, -self.difference.low, self.margin)

    @property
    def table(self) -> NDArray[np.int64]:
        """Counts of images, int64, shape (2, 2): rows accepted right and wrong, columns file right and wrong."""
        wrong, right = len(self.newly_wrong), len(self.newly_right)
        both = int(self.evaluation.right.sum()) - right
        return np.array([[both, wrong], [right, self.evaluation.count - both - wrong - right]])

    @cached_property
    def by_digit(self) -> NDArray[np.int64]:
        """Newly wrong and newly right images of each digit, int64, shape (10, 2)."""
        labels = self.evaluation.labels
        parts = [
            np.bincount(labels[each], minlength=10) for each in (self.newly_wrong, self.newly_right)
        ]
        return np.stack(parts, axis=1)

    @property
    def digits(self) -> NDArray[np.float64]:
        """Holm-adjusted p-values that a digit is read worse, float64, shape (10,)."""
        return holm([mcnemar(wrong, right) for wrong, right in self.by_digit.tolist()])

    @property
    def worse(self) -> list[int]:
        """The digits that are read worse than accepted."""
        return [digit for digit, p in enumerate(self.digits) if p <= DIGIT_LEVEL]

    @property
    def sentence(self) -> str:
        """What was found, for a person."""
        truth = f"the true digit's mean probability {100 * self.gain:+.2f} points"
        if not self.churn:
            return f"all {self.evaluation.count} predictions are the accepted ones; {truth}"
        wrong, right = len(self.newly_wrong), len(self.newly_right)
        found = self.difference
        moved = (
            f"{abs(100 * found.estimate):.2f} points {'lower' if found.estimate < 0 else 'higher'}"
        )
        least = f"99 % bound: {100 * found.low:+.2f}"
        counts = (
            f"{wrong} newly wrong, {right} newly right, {100 * self.churn:.2f} % read otherwise"
        )
        limit = f"margin {100 * self.margin:.2f}"
        return f"accuracy {moved} ({least}), {limit}; {counts}, McNemar p = {self.p_value:.2g}; {truth}"

    @property
    def rates(self) -> str:
        """How often this comparison errs, exactly, with as many images read right by one of the two alone as here."""
        if not self.churn:
            return "a file with the accepted predictions passes at any margin"
        moved, images = self.by_digit.sum(axis=1), self.evaluation.count
        total, counts = int(moved.sum()), np.bincount(self.evaluation.labels, minlength=10)
        good, bad = (
            pass_rate(total, lost, images, self.margin) for lost in (0, round(self.margin * images))
        )
        alarm = 1 - np.prod([1 - digit_power(each, 0) for each in moved.tolist()])
        named = [
            100 * surely_named(m) / n
            for m, n in zip(moved.tolist(), counts.tolist(), strict=True)
            if n
        ]
        return (
            f"among files that read {total} images right or wrong otherwise, as many one way as the other, "
            f"{100 * good:.3g} % pass and {100 * alarm:.2g} % fail a digit; of those that lost "
            f"{100 * self.margin:.2f} points beside {100 * bad:.2g} % pass; a digit is named with a "
            f"probability of {100 * SURELY:g} % if it lost {min(named):.1f} to {max(named):.1f} points of recall"
        )

    def verdicts(self) -> list[Verdict]:
        """Return the verdict on the whole, and on the digits together."""
        harm = -self.difference.low if self.churn else 0.0
        said = f"{self.sentence}: {self._status}"
        if self.improved:
            said += "; better by more than the margin: to make its recipe the new standard, mnistlab baseline accept"
        source = "Tango (1998): paired score interval"
        whole = Verdict(
            "harm to accuracy, this file", GROUP, "", round(100 * harm, 4), 100 * self.margin, "at most", "points",
            self._status, source, said,
        )  # fmt: skip
        message = f"digits read worse than accepted: {', '.join(map(str, self.worse)) or 'none'} (McNemar, Holm, 1 %)"
        source = "McNemar's exact test a digit, adjusted by Holm (1979)"
        digits = Verdict(
            "digits read worse, this file", GROUP, "", len(self.worse), 0, "equal to", "digits",
            "failed" if self.worse else "passed", source, message,
        )  # fmt: skip
        return [whole, digits]

    def as_dict(self) -> dict[str, Any]:
        """Return what ``verdict.json`` says of it."""
        interval = {
            name: round(getattr(self.difference, name), 6) for name in ("low", "high", "estimate")
        }
        return {
            "decision": self.decision,
            "sentence": self.sentence,
            "improved": self.improved,
            "newly_wrong": len(self.newly_wrong),
            "newly_right": len(self.newly_right),
            "churn": round(self.churn, 6),
            "mcnemar_p": self.p_value,
            "difference": interval,
            "margin": self.margin,
            "identical": not self.churn,
            "true_digit_gain": round(self.gain, 6),
            "digits_p": [round(float(p), 6) for p in self.digits],
        }


def compare(evaluation: Evaluation, baseline: Baseline, margin: float = MARGIN) -> Comparison:
    """Pair a file's predictions with the accepted ones; MnistlabError if the numbers of images differ."""
    if len(baseline.predictions) != evaluation.count:
        got = f"{evaluation.count} predictions, but {len(baseline.predictions)} were accepted"
        raise MnistlabError(f"{got}; required the same test images: mnistlab baseline accept")
    return Comparison(evaluation, baseline.predictions, baseline.truth, margin)


@cache
def most_newly_wrong(moved: int, images: int, margin: float) -> int:
    """Return how many of the images that only one of two files reads right may be newly wrong to pass; -1 if none."""
    places = range(moved + 1)
    return (
        bisect.bisect_left(
            places, True, key=lambda b: tango(b, moved - b, images, CONFIDENCE).low <= -margin
        )
        - 1
    )


def pass_rate(moved: int, lost: int, images: int, margin: float) -> float:
    """Return the chance that a file passes that lost some images, and moved others, either way alike."""
    most = most_newly_wrong(moved + lost, images, margin) - lost
    return float(scipy.stats.binom.cdf(most, moved, 0.5))


@cache
def digit_power(moved: int, lost: int) -> float:
    """Return the chance that a digit is called worse that lost some images, and moved others, either way alike.

    By the first step of Holm's procedure, which decides whether the check fails at all; later steps only add to it.
    """
    wrong = np.arange(moved + 1)
    p = scipy.stats.binom.sf(wrong + lost - 1, moved + lost, 0.5)
    return float(scipy.stats.binom.pmf(wrong, moved, 0.5)[p <= DIGIT_LEVEL / 10].sum())


def surely_named(moved: int) -> int:
    """Return the least number of images that a digit must lose to be called worse with a probability of `SURELY`."""
    return next(lost for lost in itertools.count() if digit_power(moved, lost) >= SURELY)
