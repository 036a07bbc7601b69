"""The metrics of the recipe gate: how much worse each may be before it counts as a regression."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mnistlab.arrays import Doubles
from mnistlab.errors import MnistlabError
from mnistlab.gate.seed_runs import NOISE, SeedMetrics

LEADING_MARGIN = 0.001
"""Default margin of accuracy with averaged weights: 0.1 points."""
MIN_IMAGES = 4
"""On a small test set the margin of accuracy is at least this many images."""
SD_MARGIN = 2.5
"""Default margin of another metric, in standard deviations over the accepted seeds.

With MNIST's recipe that is 0.005 nats of loss, which 0.1 points of accuracy come with.
"""
SPREAD_MARGIN = 4.0
"""Ratio of spreads. Six matched trainings are needed to exclude it, eight to exclude 3."""
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
    """One metric that the recipe gate compares with the accepted state.

    `key` is its name in `SeedMetrics`; with `spread`, not its mean over seeds is compared but its
    standard deviation. `margin` is the degradation that is too much; of a spread, a ratio. `alpha`
    is the probability, over all looks, to pass at a degradation of exactly the margin.
    """

    key: str
    margin: float
    source: str
    alpha: float
    spread: bool = False

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
    """Choose the metrics of a gate, the leading one first.

    What is not in `accepted` is not compared. `images` is the number of test images. `stated` has
    the margins of the spec's ``[gate]`` table, such as "recall of 8" or "spread of accuracy": of
    the averaged weights if there are any, else of the final ones; None leaves a metric out.
    `leading` is the margin of ``--margin``. MnistlabError if a stated margin is of a metric that
    was not accepted, or is one that nothing can keep.
    """
    weights = "averaged" if "averaged accuracy" in accepted else "final"
    chosen = {
        (key, spread): GateMetric(key, *_default(accepted, key, spread, images), alpha, spread)
        for key, spread, alpha in DEFAULT_METRICS
        if key in accepted and (not spread or key.startswith(weights))
    }
    margins = dict(stated or {}) | ({} if leading is None else {"accuracy": leading})
    for name, margin in margins.items():
        place = _accepted_key(name, weights, accepted), name.startswith(SPREAD)
        if margin is None:
            chosen.pop(place, None)
            continue
        least = 1 if place[1] else 0
        if not least < margin < np.inf:
            raise MnistlabError(f"[gate] {name!r} has margin {margin}; required more than {least}")
        asked = name == "accuracy" and leading is not None
        source = "--margin" if asked else "stated in the spec"
        alpha = chosen[place].alpha if place in chosen else OPTIONAL_ALPHA
        chosen[place] = GateMetric(place[0], margin, source, alpha, place[1])
    if not chosen:
        raise MnistlabError("[gate] leaves out every metric; required at least one")
    leader = f"{weights} accuracy", False
    return tuple(chosen[place] for place in sorted(chosen, key=lambda place: place != leader))


def _default(accepted: SeedMetrics, key: str, spread: bool, images: int) -> tuple[float, str]:
    """Return a metric's default margin and where it comes from."""
    if spread:
        return SPREAD_MARGIN, "guards the use of the accepted spread; docs/statistics.md"
    least = max(LEADING_MARGIN, MIN_IMAGES / images)
    if key == "averaged accuracy":
        return least, "default of the leading metric"
    # Final weights alone are too noisy for so small a margin.
    margin = SD_MARGIN * float(accepted[key].std(ddof=1))
    leads = key == "final accuracy" and "averaged accuracy" not in accepted
    source = f"{SD_MARGIN:g} sd of the {len(accepted[key])} accepted seeds"
    return max(margin, least if leads else 0), source


def _accepted_key(name: str, weights: str, accepted: SeedMetrics) -> str:
    """Return the accepted metric that a spec's name stands for."""
    metric = name.removeprefix(SPREAD)
    for key in (metric, f"{weights} {metric}", f"final {metric}"):
        if key in accepted:
            return key
    known = sorted({each.partition(" ")[2] for each in accepted})
    raise MnistlabError(f"[gate] {name!r} is not measured; known: {', '.join(known)}")
