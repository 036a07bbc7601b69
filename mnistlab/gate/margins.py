"""How much worse a recipe may be before it counts as a regression, metric by metric."""

import dataclasses
from dataclasses import dataclass
from typing import Literal

from mnistlab.data import FEATURES
from mnistlab.gate.seed_runs import GAP

Weights = Literal["averaged", "final"]
Kind = Literal["mean", "spread"]

DEFAULT = 0.001
"""Of the accuracy of the averaged weights, or of the final ones where there are no others: `--margin`."""


@dataclass(frozen=True)
class Margin:
    """A metric that the recipe gate holds against what was accepted."""

    weights: Weights  # which weights of a training are measured
    metric: str  # as `mnistlab.gate.seed_runs.metrics` names it
    margin: (
        float  # harm that is too much: fraction or nats; of a spread the ratio to the accepted one
    )
    alpha: float  # the chance, over all looks, to pass at the margin; see below
    source: str  # where the margin comes from
    kind: Kind = "mean"  # over the seeds, or their "spread" (standard deviation)

    @property
    def is_loss(self) -> bool:
        """Whether the metric is a loss in nats, where less is better, and not a fraction, where more is."""
        return self.metric.startswith("loss")

    @property
    def name(self) -> str:
        """What people call it."""
        digit = self.metric.removeprefix("digit ")
        what = f"recall of digit {digit}" if digit != self.metric else self.metric
        what = f"accuracy on {what}" if ":" in what else what
        return f"{'spread of ' if self.kind == 'spread' else ''}{what} ({self.weights} weights)"


def _measured(sd: float, unit: str = "points") -> str:
    return f"a healthy seed's sd is {sd:g} {unit}"


# What is spent is less than 0.01 by as much as the metric's distribution, which is not normal, needs for the measured
# miss rate to keep to 0.01, both on the pool and on the accepted seeds; see docs/power.md.
_SLICES = tuple(f"{feature}: {name}" for feature, names in FEATURES.items() for name in names)
_DIGITS = tuple(f"digit {digit}" for digit in range(10))

AVERAGED = (
    Margin(
        "averaged", "accuracy", DEFAULT, 0.0075, f"the project's requirement; {_measured(0.08)}"
    ),
    Margin(
        "averaged",
        "loss",
        0.005,
        0.0075,
        f"what 0.1 points of accuracy come with; {_measured(0.002, 'nats')}",
    ),
    Margin("averaged", "worst recall", 0.007, 0.0025, _measured(0.23)),
    *(
        Margin(
            "averaged", digit, 0.01, 0.003, "10 images; a healthy seed's sd is 0.10 to 0.34 points"
        )
        for digit in _DIGITS
    ),
    *(
        Margin(
            "averaged", part, 0.005, 0.004, "17 images; a healthy seed's sd is 0.11 to 0.16 points"
        )
        for part in _SLICES
    ),
)
FINAL = (
    Margin("final", "accuracy", 0.004, 0.003, _measured(0.18)),
    Margin("final", "loss", 0.012, 0.0025, _measured(0.0053, "nats")),
    Margin("final", "worst recall", 0.025, 0.0007, _measured(1.0)),
)
NOISE = (
    Margin(
        "final",
        GAP,
        0.009,
        0.002,
        f"two thirds of what a doubled learning rate adds; {_measured(0.005, 'nats')}",
    ),
    Margin(
        "final",
        "accuracy",
        3.0,
        0.0018,
        "with 16 seeds a healthy spread is known to a factor of 2 to 3",
        "spread",
    ),
)
ONLY_FINAL = (
    *FINAL,
    *(
        Margin("final", digit, 0.03, 0.003, "a healthy seed's sd is 0.4 to 1.3 points")
        for digit in _DIGITS
    ),
    *(
        Margin("final", part, 0.008, 0.003, "a healthy seed's sd is 0.2 to 0.35 points")
        for part in _SLICES
    ),
    NOISE[1],
)


def margins_for(dataset: str, probes: set[str], margin: float | None = None) -> tuple[Margin, ...]:
    """Return the margins of a dataset's gate for the weights that there are, that of accuracy, or `margin`, first.

    The test set of another dataset than ``"mnist"`` is too small to hold digits and slices apart.
    """
    found = (*AVERAGED, *FINAL, *NOISE) if "averaged" in probes else ONLY_FINAL
    if dataset != "mnist":
        found = (
            SMALL
            if "averaged" in probes
            else tuple(each for each in SMALL if each.weights == "final")
        )
    first = (
        found[0]
        if margin is None
        else dataclasses.replace(found[0], margin=margin, source="--margin")
    )
    return (first, *found[1:])


SMALL = (
    Margin("averaged", "accuracy", 0.01, 0.005, f"4 images of 360; {_measured(0.29)}"),
    Margin("averaged", "loss", 0.015, 0.005, _measured(0.0055, "nats")),
    Margin("final", "accuracy", 0.01, 0.003, _measured(0.35)),
    Margin("final", "loss", 0.02, 0.003, _measured(0.007, "nats")),
)
"""Of scikit-learn's digits: 360 test images."""
