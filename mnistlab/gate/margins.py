"""The metrics of the recipe gate: how much worse each may be before it counts as a regression."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from mnistlab.errors import MnistlabError
from mnistlab.gate.seed_runs import NOISE, SeedMetrics

LEADING_MARGIN = 0.001
"""Default margin of accuracy: 0.1 points."""
MIN_IMAGES = 4
"""On a small test set the margin of accuracy is at least this many images."""
SD_MARGIN = 2.5
"""Default margin of another metric, in standard deviations over the accepted seeds.

With MNIST's recipe that is 0.005 nats of loss, which 0.1 points of accuracy come with.
"""
SPREAD_MARGIN = 4.0
"""Ratio of spreads. Six matched trainings are needed to exclude it, eight to exclude 3."""


@dataclass(frozen=True)
class GateMetric:
    """One metric that the recipe gate compares with the accepted state.

    Attributes
    ----------
    key : str
        Its name in `SeedMetrics`, such as "averaged accuracy".
    margin : float
        The degradation that is too much, in the metric's unit; of a spread, the ratio of sds.
    source : str
        Where the margin comes from.
    alpha : float
        Probability, over all looks, to pass at a degradation of exactly the margin.
    spread : bool
        Whether the standard deviation over seeds is compared, not the mean.
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
        return f"{'spread of ' if self.spread else ''}{metric} ({weights} weights)"


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


def gate_metrics(
    accepted: SeedMetrics,
    images: int,
    stated: Mapping[str, float | None] | None = None,
    leading: float | None = None,
) -> tuple[GateMetric, ...]:
    """Choose the metrics of a gate, the leading one first.

    Parameters
    ----------
    accepted : dict of array
        Metrics of the accepted seeds. What was not accepted is not compared.
    images : int
        Number of test images.
    stated : mapping, optional
        Margins of the spec's ``[gate]`` table by metric ("accuracy", "recall of 8", "spread of
        accuracy"): they hold for the averaged weights if there are any, else for the final ones.
        None leaves a metric out.
    leading : float, optional
        Margin of the leading metric, from ``--margin``.

    Raises
    ------
    MnistlabError
        If a margin is stated for a metric that was not accepted.
    """
    weights = "averaged" if "averaged accuracy" in accepted else "final"
    found: dict[tuple[str, bool], GateMetric] = {}
    for key, spread, alpha in DEFAULT_METRICS:
        if key in accepted and not (spread and not key.startswith(weights)):
            margin, source = _default_margin(accepted[key], key, weights, images, spread)
            found[key, spread] = GateMetric(key, margin, source, alpha, spread)
    for name, stated_margin in (stated or {}).items():
        metric = name.removeprefix("spread of ")
        key = metric if metric in accepted else f"{weights} {metric}"
        if key not in accepted:
            known = sorted({each.partition(" ")[2] for each in accepted})
            raise MnistlabError(f"[gate] {name!r} is not measured; known: {', '.join(known)}")
        found.pop((key, metric != name), None)
        if stated_margin is not None:
            source = "stated in the spec"
            new = GateMetric(key, stated_margin, source, OPTIONAL_ALPHA, metric != name)
            found[key, new.spread] = new
    order = sorted(found.values(), key=lambda each: each.key != f"{weights} accuracy")
    if leading is not None:
        order[0] = replace(order[0], margin=leading, source="--margin")
    return tuple(order)


def _default_margin(
    values: np.ndarray, key: str, weights: str, images: int, spread: bool
) -> tuple[float, str]:
    if spread:
        return SPREAD_MARGIN, "guards the use of the accepted spread; docs/statistics.md"
    if key == f"{weights} accuracy":
        return max(LEADING_MARGIN, MIN_IMAGES / images), "default of the leading metric"
    sd = float(values.std(ddof=1))
    return SD_MARGIN * sd, f"{SD_MARGIN:g} sd of the {len(values)} accepted seeds"
