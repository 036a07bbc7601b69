"""Gates, and what they are compared with, simulated on the trainings of the study."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.stats import binom, ttest_ind
from weakened import ONE_THREAD, RECIPES, STREAMED

from mnistlab.arrays import Array, Bools
from mnistlab.gate import AcceptedSeeds, Baseline, Plan, SeedMetrics, gate_metrics, make_plan
from mnistlab.gate.baseline import unpack
from mnistlab.gate.error_rates import Outcome, shift, simulate
from mnistlab.gate.plan import FAIL_ALPHA
from mnistlab.gate.seed_runs import take
from mnistlab.stats import information, spending

BUDGET = 32
GATES, FEW_GATES = 10_000, 2000
RESAMPLES, GATES_OF_EACH = 60, 200
"""How often the trainings are drawn again for an interval, and the gates simulated on each draw."""
UNCHANGED = "unchanged"
MARGINS = (0.001, 0.0005)
IMAGES = 10_000
WELCH_LOOKS = (8, 16, 32)


@dataclass(frozen=True, eq=False)
class Study:
    """The accepted seeds, and the trainings of each recipe on the first of them.

    `wrong`, bool of shape (trainings, images), has the test images that the final weights misread;
    `seconds` are those of complete gates on the unchanged recipe.
    """

    accepted: AcceptedSeeds
    recipes: dict[str, SeedMetrics]
    wrong: dict[str, Bools]
    seconds: list[float]

    def plan(self, margin: float, budget: int = BUDGET) -> Plan:
        """Plan the gate with a margin of accuracy."""
        metrics = gate_metrics(self.accepted.columns, IMAGES, leading=margin)
        return make_plan(metrics, budget, self.accepted)

    def trainings(self, name: str) -> int:
        """Return the number of a recipe's trainings."""
        return len(self.recipes[name]["final loss"])

    def same(self, name: str) -> SeedMetrics:
        """Return the accepted results of a recipe's seeds."""
        return take(self.accepted.columns, range(self.trainings(name)))

    def decide(
        self, plan: Plan, name: str, rows: Array, seed: int, new: SeedMetrics | None = None
    ) -> Outcome:
        """Let gates decide on these trainings of a recipe, or on what was made of them.

        `seed` draws each gate's accepted seeds; with -1 they are those in use.
        """
        pair = take(new or self.recipes[name], rows), take(self.same(name), rows)
        return simulate(plan, self.accepted, *pair, seed)


def load(data: Path, baseline: Path) -> Study:
    """Read the study and the accepted seeds."""
    content = json.loads(data.read_text("utf-8"))
    seconds = content.pop(UNCHANGED, [])
    recipes, wrong = {}, {}
    for name in RECIPES:
        metrics = content[name]["metrics"]
        recipes[name] = {key: np.array(values) for key, values in metrics.items()}
        packed = [unpack(text, name) for text in content[name]["wrong"]]
        wrong[name] = np.unpackbits(np.array(packed), axis=1, count=IMAGES).astype(bool)
    return Study(Baseline.load(baseline).accepted_seeds, recipes, wrong, seconds)


def gates(study: Study, name: str, plan: Plan, count: int, baselines: int = -1) -> Outcome:
    """Simulate gates on a recipe's trainings, drawn with replacement."""
    size = count, plan.looks[-1]
    rows = np.random.default_rng(5).integers(study.trainings(name), size=size)
    return study.decide(plan, name, rows, baselines)


def interval(study: Study, name: str, plan: Plan) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals over trainings: they are drawn again, then gates from each draw."""
    rng, trainings = np.random.default_rng(6), study.trainings(name)
    pools = rng.integers(trainings, size=(RESAMPLES, trainings))
    places = rng.integers(trainings, size=(RESAMPLES, GATES_OF_EACH, plan.looks[-1]))
    rows = np.take_along_axis(pools[:, None, :], places, axis=2).reshape(-1, plan.looks[-1])
    outcome = study.decide(plan, name, rows, -1)
    means = {
        key: part.reshape(RESAMPLES, -1).mean(axis=1)
        for key, part in (("failed", outcome.failed), ("seeds", outcome.seeds))
    }
    return {key: tuple(np.quantile(mean, (0.025, 0.975))) for key, mean in means.items()}


@dataclass(frozen=True)
class Decided:
    """What gates of one margin decide on one recipe: shares, and 95 % intervals over trainings."""

    passed: float
    failed: float
    seeds: float
    interval: dict[str, tuple[float, float]]


Decisions: TypeAlias = dict[tuple[str, float], Decided]
"""By recipe and margin."""


def decide(study: Study, name: str, margin: float) -> Decided:
    """Simulate gates against the accepted state in use."""
    plan = study.plan(margin)
    outcome = gates(study, name, plan, GATES)
    means = (float(each.mean()) for each in (outcome.passed, outcome.failed, outcome.seeds))
    return Decided(*means, interval(study, name, plan))


def centred(study: Study, name: str) -> SeedMetrics:
    """Shift a healthy recipe's trainings so that, on average, they are as good as accepted."""
    metrics = {}
    for key, new in study.recipes[name].items():
        known, same = study.accepted.summary(key), study.same(name)[key]
        slope = known.slope if name == ONE_THREAD else 0.0
        metrics[key] = new - (new.mean() - known.mean - slope * (same.mean() - known.mean))
    return metrics


def worse_gates(
    study: Study, name: str, plan: Plan, drop: float, widen: float | None = None
) -> Outcome:
    """Simulate gates on a healthy recipe made worse; accepted seeds are drawn for each gate.

    The leading metric drops by `drop`, a fraction. With `widen`, every metric loses its margin
    instead, and its spread is so many times the accepted one.
    """
    new, accepted = centred(study, name), study.accepted
    if widen is None:
        new = shift(new, plan.metrics[0], drop, accepted)
    else:
        for key, values in new.items():
            factor = widen * accepted.columns[key].std() / values.std()
            new[key] = values.mean() + factor * (values - values.mean())
        for metric in plan.metrics:
            if not metric.spread:
                new = shift(new, metric, metric.margin, accepted)
    size = FEW_GATES, plan.looks[-1]
    rows = np.random.default_rng(7).integers(study.trainings(name), size=size)
    return study.decide(plan, name, rows, 8, new)


def worst_miss(study: Study, name: str, plan: Plan, widen: float) -> tuple[int, str]:
    """Return in how many of `FEW_GATES` the worst metric passes a loss of its margin, and which."""
    passed = worse_gates(study, name, plan, 0, widen).metrics_passed.sum(axis=1).tolist()
    pairs = zip(passed, plan.metrics, strict=True)
    return max((count, metric.name) for count, metric in pairs if not metric.spread)


def welch(study: Study, name: str, plan: Plan) -> tuple[Bools, Array]:
    """Return which gates of before pass, and their seeds: Welch's t, the candidate's own spread.

    Metrics, margins and the levels to spend are those of the plan.
    """
    size = FEW_GATES, WELCH_LOOKS[-1]
    rows = np.random.default_rng(9).integers(study.trainings(name), size=size)
    shares = information(WELCH_LOOKS, len(study.accepted.seeds))
    metrics = [metric for metric in plan.metrics if not metric.spread]
    fail = FAIL_ALPHA / len(metrics)
    alphas = {fail, *(metric.alpha for metric in metrics)}
    levels = {a: [look.alpha for look in spending(shares, a)] for a in alphas}
    open_ = np.ones((len(metrics), FEW_GATES), dtype=bool)
    failed = np.zeros(FEW_GATES, dtype=bool)
    seeds = np.full(FEW_GATES, WELCH_LOOKS[-1])
    for look, count in enumerate(WELCH_LOOKS):
        running = open_.any(axis=0) & ~failed
        seeds[running] = count
        for number, metric in enumerate(metrics):
            at_look = levels[fail][look], levels[metric.alpha][look]
            new = study.recipes[name][metric.key][rows[:, :count]]
            sign = 1 if metric.lower_is_better else -1
            old = sign * study.accepted.columns[metric.key]
            test = ttest_ind(sign * new, old, axis=1, equal_var=False)
            low, high = (test.confidence_interval(1 - 2 * alpha) for alpha in at_look)
            failed |= running & open_[number] & (low.low > metric.margin)
            open_[number] &= ~(running & (high.high < metric.margin))
    return ~open_.any(axis=0) & ~failed, seeds


def mcnemar_rate(study: Study, name: str) -> float:
    """Return how often McNemar's exact test at 1 % calls a retraining worse than a healthy one."""
    new, old = study.wrong[name].astype(int), study.wrong[STREAMED].astype(int)
    newly_wrong, newly_right = new @ (1 - old).T, (1 - new) @ old.T
    p = binom.sf(newly_wrong - 1, newly_wrong + newly_right, 0.5)
    other = ~np.eye(*p.shape, dtype=bool) if name == STREAMED else np.ones(p.shape, bool)
    return float((p[other] <= 0.01).mean())


def below_97(study: Study, name: str) -> float:
    """Return how often the accuracy of one training is below 97 %."""
    return float((study.recipes[name]["final accuracy"] < 0.97).mean())
