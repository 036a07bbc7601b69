"""The metrics of the recipe gate: how much worse each may be before it counts as a regression."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mnistlab.arrays import Doubles
from mnistlab.errors import MnistlabError
from mnistlab.gate.seed_runs import NOISE, SeedMetrics

LEADING_MARGIN = 0.001  # default of accuracy with averaged weights: 0.1 points
MIN_IMAGES = 4  # on a small test set the margin of accuracy is at least this many images
SD_MARGIN = 2.5  # sd over accepted seeds: 0.005 nats of MNIST's loss, as 0.1 points of accuracy
SPREAD_MARGIN = 4.0  # six matched trainings are needed to exclude this ratio, eight to exclude 3
# Key, whether the spread is compared, alpha. Averaged weights first: they are less noisy.
DEFAULT_METRICS = (
    ("averaged accuracy", False, 0.0075),
    ("averaged loss", False, 0.0075),
    ("averaged true-class probability", False, 0.0075),
    ("averaged accuracy", True, 0.0075),
    ("final accuracy", False, 0.005),
    ("final loss", False, 0.005),
    ("final true-class probability", False, 0.005),
    (NOISE, False, 0.005),
    ("final accuracy", True, 0.0075),  # only without averaged weights
)
OPTIONAL_ALPHA = 0.005
SPREAD = "spread of "


@dataclass(frozen=True)
class GateMetric:
    """One metric that the recipe gate compares with the accepted state."""

    key: str  # its name in `SeedMetrics`
    margin: float  # the degradation that is too much; of a spread, a ratio
    source: str
    alpha: float  # probability, over all looks, to pass if worse by exactly the margin
    spread: bool = False  # compare not the mean over seeds but the standard deviation

    @property
    def lower_is_better(self) -> bool:
        """Whether less is better: of losses, errors and spreads."""
        return self.spread or "loss" in self.key or "error" in self.key

    @property
    def unit(self) -> str:
        """Return "points" (of a percentage), "nats", or "times" of a spread."""
        return "times" if self.spread else "nats" if "loss" in self.key else "points"

    @property
    def name(self) -> str:
        """Return the name for people: «accuracy (averaged weights)»."""
        weights, _, metric = self.key.partition(" ")
        if ":" in metric:
            metric = f"accuracy on {metric}"
        return f"{SPREAD if self.spread else ''}{metric} ({weights} weights)"

    def in_unit(self, value: float) -> float:
        """Return a value in the metric's unit, with four decimals."""
        return round(100 * value if self.unit == "points" else value, 4)

    def show(self, value: float) -> str:
        """Format a value in the metric's unit."""
        return f"{self.in_unit(value):.{4 if self.unit == 'nats' else 2}f}"

    def of_seeds(self, values: Doubles) -> float:
        """Return what is compared: the mean over seeds, or the standard deviation."""
        return float(values.std(ddof=1) if self.spread else values.mean())


def gate_metrics(
    accepted: SeedMetrics,
    images: int,
    stated: Mapping[str, float | None] | None = None,
    leading: float | None = None,
) -> tuple[GateMetric, ...]:
    """Choose the metrics of a gate among the accepted ones, the leading one first.

    `stated` has the spec's margins, None to leave a metric out; `leading` is that of ``--margin``.
    """
    weights = "averaged" if "averaged accuracy" in accepted else "final"
    leader = f"{weights} accuracy", False
    least = max(LEADING_MARGIN, MIN_IMAGES / images)
    chosen = {}
    for key, spread, alpha in DEFAULT_METRICS:
        if key not in accepted or (spread and not key.startswith(weights)):
            continue
        if np.ptp(accepted[key]) == 0 and (key, spread) != leader:  # a deterministic training
            continue
        # Final weights alone are too noisy for so small a margin.
        margin = SD_MARGIN * float(accepted[key].std(ddof=1))
        source = f"{SD_MARGIN:g} sd of the {len(accepted[key])} accepted seeds"
        if spread:
            margin = SPREAD_MARGIN
            source = "guards the use of the accepted spread; docs/statistics.md"
        elif key == "averaged accuracy":
            margin, source = least, "default of the leading metric"
        elif (key, spread) == leader:
            margin = max(margin, least)
        chosen[key, spread] = GateMetric(key, margin, source, alpha, spread)
    asked = {name: (margin, "stated in the spec") for name, margin in (stated or {}).items()}
    if leading is not None:
        asked["accuracy"] = leading, "--margin"
    for name, (stated_margin, source) in asked.items():
        place = _accepted_key(name, weights, accepted), name.startswith(SPREAD)
        if stated_margin is None:
            chosen.pop(place, None)
            continue
        if not place[1] < stated_margin < np.inf:  # a ratio of spreads is more than 1
            what = f"[gate] {name!r} has margin {stated_margin}"
            raise MnistlabError(f"{what}; required more than {int(place[1])}")
        alpha = chosen[place].alpha if place in chosen else OPTIONAL_ALPHA
        chosen[place] = GateMetric(place[0], stated_margin, source, alpha, place[1])
    if not chosen:
        raise MnistlabError("[gate] leaves out every metric; required at least one")
    return tuple(chosen[place] for place in sorted(chosen, key=lambda place: place != leader))


def _accepted_key(name: str, weights: str, accepted: SeedMetrics) -> str:
    """Return the accepted metric that a spec's name stands for."""
    metric = name.removeprefix(SPREAD)
    for key in (metric, f"{weights} {metric}", f"final {metric}"):
        if key in accepted:
            return key
    known = sorted({each.partition(" ")[2] for each in accepted})
    raise MnistlabError(f"[gate] {name!r} is not measured; known: {', '.join(known)}")
