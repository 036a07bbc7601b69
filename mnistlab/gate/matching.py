"""The accepted seeds, and whether a candidate's seeds match them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mnistlab.arrays import Doubles
from mnistlab.gate.comparison import Accepted, Sample, residuals, summarise
from mnistlab.gate.margins import GateMetric
from mnistlab.gate.seed_runs import NOISE, SeedMetrics, take

FALSE_MATCH = 0.001
"""Probability, at each look, to take independent draws for matched seeds."""
MIN_SLOPE = 0.5
"""Metrics whose repeated trainings correlate less say nothing about matching."""
DRAWS = 4000
SAME = 1e-6
"""Two metrics this close are equal: accepted ones are rounded to 7 decimals."""


@dataclass(frozen=True, eq=False)
class AcceptedSeeds:
    """The accepted seeds: metrics and digests of each, and `repeats` of the first of them.

    A repeat is trained again with perturbed images (`SeedRunner`).
    """

    columns: SeedMetrics
    repeats: SeedMetrics
    seeds: tuple[int, ...]
    digests: tuple[str, ...]

    def of_final_weights(self) -> "AcceptedSeeds":
        """Leave out what was measured with averaged weights."""
        kept = [key for key in self.columns if key.startswith("final ") and key != NOISE]
        columns, repeats = (
            {key: part[key] for key in kept if key in part} for part in (self.columns, self.repeats)
        )
        return replace(self, columns=columns, repeats=repeats)

    def summary(self, key: str) -> Accepted:
        """Summarise one metric."""
        return summarise(self.columns[key], self.repeats.get(key, np.empty(0)))

    def block(self, first: int, count: int) -> list[int]:
        """Return the places of `count` seeds from `first` on, starting over at the end."""
        return [(first + step) % len(self.seeds) for step in range(count)]

    def are_identical(
        self, places: Sequence[int], digests: Sequence[str], new: SeedMetrics
    ) -> bool:
        """Tell whether trainings of these seeds gave the accepted weights and metrics.

        Metrics also show a change of the averaged weights, or of what happens after training.
        """
        if list(digests) != [self.digests[place] for place in places]:
            return False
        return new.keys() >= self.columns.keys() and all(
            np.allclose(new[key], values, rtol=0, atol=SAME)
            for key, values in take(self.columns, places).items()
        )


def telling(known: dict[str, Accepted]) -> dict[str, Accepted]:
    """Return the metrics whose repeated trainings correlate well, but are not all the same."""
    return {
        key: each for key, each in known.items() if each.slope >= MIN_SLOPE and each.residual_sd > 0
    }


def mismatch(new: SeedMetrics, same: SeedMetrics, known: dict[str, Accepted]) -> Doubles:
    """Return the variance of residuals over the known one, averaged over metrics; (gates,).

    Results have shape (gates, n). Where seeds match, it is near 1.
    """
    ratios = [
        residuals(Sample(new[key], same[key], each), each.slope).var(axis=-1, ddof=1)
        / each.residual_sd**2
        for key, each in known.items()
    ]
    return np.asarray(np.mean(ratios, axis=0))


def matching_thresholds(
    metrics: Sequence[GateMetric], looks: Sequence[int], accepted: AcceptedSeeds
) -> tuple[float, ...]:
    """Return for each look the mismatch below which seeds count as matched.

    Independent draws, taken at random from the accepted seeds, fall below it once in a thousand
    times. Without repeated trainings, or where none of them correlates, seeds never match.
    """
    known = telling({metric.key: accepted.summary(metric.key) for metric in metrics})
    if not known:
        return (0.0,) * len(looks)
    columns = {key: accepted.columns[key] for key in known}
    rng, thresholds = np.random.default_rng(0), []
    for look in looks:
        new, same = rng.integers(len(accepted.seeds), size=(2, DRAWS, min(look, 32)))
        drawn = mismatch(take(columns, new), take(columns, same), known)
        thresholds.append(float(np.quantile(drawn, FALSE_MATCH)))
    return tuple(thresholds)
