"""A made-up recipe whose trainings are drawn, so that the truth is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from mnistlab.gate.margins import gate_metrics
from mnistlab.gate.plan import AcceptedSeeds, make_plan
from mnistlab.gate.seed_runs import SeedRun, as_columns

MEAN = np.array([0.979, 0.070, 0.975, 0.083])
SD = np.array([0.0008, 0.002, 0.0018, 0.005])
KEYS = ("averaged accuracy", "averaged loss", "final accuracy", "final loss")


@dataclass(frozen=True)
class Recipe:
    """Trainings whose noise is the seed's by `slope`, and otherwise their own.

    A seed's results are those of `accepted_runs` if nothing is changed.
    """

    slope: float = 0.95
    lost_accuracy: float = 0.0
    spread: float = 1.0

    def runs(self, seeds, stream=1):
        """Train seeds with another rounding, an own one for each stream."""
        runs = []
        for seed in seeds:
            shared = np.random.default_rng([seed, 0]).standard_normal(4)
            own = np.random.default_rng([seed, stream]).standard_normal(4)
            noise = self.slope * shared + np.sqrt(1 - self.slope**2) * own
            metrics = dict(zip(KEYS, MEAN + SD * self.spread * noise, strict=True))
            for key in ("averaged accuracy", "final accuracy"):
                metrics[key] -= self.lost_accuracy
            runs.append(SeedRun(seed, metrics, f"{seed}-{stream}"))
        return runs

    def accepted(self, count=96, repeats=16, first=1000):
        """Accept consecutive seeds."""
        seeds = range(first, first + count)
        shared = [Recipe(slope=1.0).runs([seed], 0)[0] for seed in seeds]
        again = as_columns(self.runs(seeds[:repeats], 2)) if repeats else {}
        digests = tuple(run.digest for run in shared)
        return AcceptedSeeds(as_columns(shared), again, tuple(seeds), digests)


@pytest.fixture(scope="session")
def recipe():
    return Recipe()


@pytest.fixture(scope="session")
def accepted(recipe):
    return recipe.accepted()


@pytest.fixture(scope="session")
def metrics(accepted):
    return gate_metrics(accepted.columns, 10_000)


@pytest.fixture(scope="session")
def plan(accepted, metrics):
    return make_plan(metrics, 32, accepted)
