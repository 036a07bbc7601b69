"""Gates, and what they are compared with, simulated on the trainings of the study."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from scipy.stats import binom
from weakened import ONE_THREAD, RECIPES, STREAMED

from mnistlab.arrays import Array, Bools
from mnistlab.gate import AcceptedSeeds, Baseline, Plan, SeedMetrics, gate_metrics, make_plan
from mnistlab.gate.baseline import unpack
from mnistlab.gate.error_rates import Outcome, shift, simulate
from mnistlab.gate.plan import FAIL_ALPHA
from mnistlab.stats import difference_bounds, information, moments, spending

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

    Attributes
    ----------
    accepted : AcceptedSeeds
    recipes : dict of SeedMetrics
    wrong : dict of bool array, shape (trainings, images)
        Test images that the final weights misread.
    seconds : list of float
        Of complete gates on the unchanged recipe.
    """

    accepted: AcceptedSeeds
    recipes: dict[str, SeedMetrics]
    wrong: dict[str, Bools]
    seconds: list[float]

    def plan(self, margin: float, budget: int = BUDGET) -> Plan:
        """Plan the gate with a margin of accuracy."""
        metrics = gate_metrics(self.accepted.columns, IMAGES, leading=margin)
        return make_plan(metrics, budget, self.accepted)

    def same(self, name: str) -> SeedMetrics:
        """Return the accepted results of a recipe's seeds."""
        count = len(self.recipes[name]["final loss"])
        return {key: values[:count] for key, values in self.accepted.columns.items()}


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


def taken(metrics: SeedMetrics, rows: Array) -> SeedMetrics:
    """Take these trainings of every metric."""
    return {key: values[rows] for key, values in metrics.items()}


def gates(study: Study, name: str, plan: Plan, count: int, baselines: int = -1) -> Outcome:
    """Simulate gates on a recipe's trainings, drawn with replacement.

    `baselines` is the seed that draws each gate's accepted seeds; -1 for those in use.
    """
    trainings = len(study.recipes[name]["final loss"])
    rows = np.random.default_rng(5).integers(trainings, size=(count, plan.looks[-1]))
    new, same = taken(study.recipes[name], rows), taken(study.same(name), rows)
    return simulate(plan, study.accepted, new, same, baselines)


def interval(study: Study, name: str, plan: Plan) -> dict[str, tuple[float, float]]:
    """Return 95 % intervals over trainings: they are drawn again, then gates from each draw."""
    rng = np.random.default_rng(6)
    trainings = len(study.recipes[name]["final loss"])
    pools = rng.integers(trainings, size=(RESAMPLES, trainings))
    places = rng.integers(trainings, size=(RESAMPLES, GATES_OF_EACH, plan.looks[-1]))
    rows = np.take_along_axis(pools[:, None, :], places, axis=2).reshape(-1, plan.looks[-1])
    new, same = taken(study.recipes[name], rows), taken(study.same(name), rows)
    outcome = simulate(plan, study.accepted, new, same, -1)
    parts = {"not passed": ~outcome.passed, "failed": outcome.failed, "seeds": outcome.seeds}
    means = {key: part.reshape(RESAMPLES, -1).mean(axis=1) for key, part in parts.items()}
    return {key: tuple(np.quantile(mean, (0.025, 0.975))) for key, mean in means.items()}


@dataclass(frozen=True)
class Decided:
    """What gates of one margin decide on one recipe: shares, and 95 % intervals over trainings."""

    passed: float
    failed: float
    seeds: float
    interval: dict[str, tuple[float, float]]


def decide(study: Study, name: str, margin: float) -> Decided:
    """Simulate gates against the accepted state in use."""
    plan = study.plan(margin)
    outcome = gates(study, name, plan, GATES)
    means = (float(each.mean()) for each in (outcome.passed, outcome.failed, outcome.seeds))
    return Decided(*means, interval(study, name, plan))


Decisions: TypeAlias = dict[tuple[str, float], Decided]
"""By recipe and margin."""


def centred(study: Study, name: str) -> SeedMetrics:
    """Shift a healthy recipe's trainings so that, on average, they are as good as accepted."""
    centred_metrics = {}
    for key, new in study.recipes[name].items():
        known, same = study.accepted.summary(key), study.same(name)[key]
        slope = known.slope if name == ONE_THREAD else 0.0
        luck = new.mean() - known.mean - slope * (same.mean() - known.mean)
        centred_metrics[key] = new - luck
    return centred_metrics


def worse_gates(
    study: Study, name: str, plan: Plan, drop: float, widen: float | None = None
) -> Outcome:
    """Simulate gates on a healthy recipe made worse; accepted seeds are drawn for each gate.

    Parameters
    ----------
    study : Study
    name : str
        A healthy recipe.
    plan : Plan
    drop : float
        Of the leading metric, a fraction.
    widen : float, optional
        With it, every metric loses its margin instead, and its spread is so many times the
        accepted one.
    """
    new = centred(study, name)
    if widen is None:
        new = shift(new, plan.metrics[0], drop, study.accepted)
    else:
        for key, values in new.items():
            factor = widen * study.accepted.columns[key].std() / values.std()
            new[key] = values.mean() + factor * (values - values.mean())
        for metric in plan.metrics:
            if not metric.spread:
                new = shift(new, metric, metric.margin, study.accepted)
    trainings = len(new["final loss"])
    rows = np.random.default_rng(7).integers(trainings, size=(FEW_GATES, plan.looks[-1]))
    pair = taken(new, rows), taken(study.same(name), rows)
    return simulate(plan, study.accepted, *pair, seed=8)


def worst_miss(study: Study, name: str, plan: Plan, widen: float) -> tuple[int, str]:
    """Return in how many of `FEW_GATES` the worst metric passes a loss of its margin, and which."""
    passed = worse_gates(study, name, plan, 0, widen).metrics_passed.sum(axis=1)
    counts = [
        (int(count), metric.name)
        for metric, count in zip(plan.metrics, passed, strict=True)
        if not metric.spread
    ]
    return max(counts)


def welch(study: Study, name: str, plan: Plan) -> tuple[Bools, Array]:
    """Decide as the gate of before: independent seeds, Welch's t with the candidate's own spread.

    Metrics, margins and the levels to spend are those of the plan.

    Returns
    -------
    passed : bool array, shape (gates,)
    seeds : int array, shape (gates,)
    """
    trainings = len(study.recipes[name]["final loss"])
    rows = np.random.default_rng(9).integers(trainings, size=(FEW_GATES, WELCH_LOOKS[-1]))
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
            old = moments(sign * study.accepted.columns[metric.key])
            low, high, _ = difference_bounds(moments(sign * new), old, *at_look)
            failed |= running & open_[number] & (low > metric.margin)
            open_[number] &= ~(running & (high < metric.margin))
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
