"""The error rates of the gates in use: where they are kept, and how a run's page states them."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError
from mnistlab.gate.comparison import degradation_bounds
from mnistlab.gate.margins import Weights
from mnistlab.gate.seed_runs import SeedMetrics
from mnistlab.gate.sequential import Plan
from mnistlab.stats import moments

SCHEMA = 3
Rates = dict[str, Any]


def path_of(folder: Path, dataset: str) -> Path:
    """Return where the measured rates of a dataset's gates are kept."""
    return folder / f"power-{dataset}.json"


def load(folder: Path, dataset: str) -> Rates:
    """Read all measured rates of a dataset; MnistlabError with the command that measures them if there are none."""
    path = path_of(folder, dataset)
    try:
        found: Rates = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise MnistlabError(f"schema is {found['schema']!r}, required {SCHEMA}")
    except (OSError, KeyError, TypeError, ValueError, MnistlabError) as error:
        raise MnistlabError(
            f"{path}: no measured error rates ({error}); type: python benchmarks/error_rates.py"
        ) from error
    return found


def plan_digest(gate: Plan) -> str:
    """Return what tells a gate from one with other margins, looks or levels."""
    levels = [[f"{level:.4g}" for level in row] for row in (*gate.pass_levels, gate.fail_levels)]
    return _digest([[(each.name, each.margin) for each in gate.margins], gate.looks, levels])


def accepted_digest(gate: Plan, accepted: SeedMetrics) -> str:
    """Return what tells accepted seeds from others, by the metrics that the gate judges."""
    columns = [accepted.get(each.weights, {}).get(each.metric) for each in gate.margins]
    return _digest([None if column is None else column.tolist() for column in columns])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def of_gate(found: Rates, gate: Plan, accepted: SeedMetrics) -> Rates:
    """Return the rates of one recipe gate, without what was measured against other accepted seeds than these.

    MnistlabError if the gate was not measured: another gate's rates are not its own.
    """
    for rates in found["gates"]:
        if rates["plan"] == plan_digest(gate):
            same = rates["accepted"] == accepted_digest(gate, accepted)
            return {**rates, "committed": rates["committed"] if same else None}
    margin, budget, seeds = (
        gate.margins[0].margin,
        gate.looks[-1],
        len(accepted["final"]["accuracy"]),
    )
    what = f"margin {100 * margin:g} points, at most {budget} seeds against {seeds} accepted"
    command = f"python benchmarks/error_rates.py --margin {margin:g} --seeds {budget}"
    raise MnistlabError(f"the error rates of this gate ({what}) were not measured; type: {command}")


def mcnemar_alarms(folder: Path, dataset: str) -> str:
    """Say how McNemar's test errs on retrainings: what it calls worse, or, where that is little, what it does not."""
    try:
        found = {
            name: 100 * share[0]
            for name, share in load(folder, dataset)["others"]["McNemar"]["recipes"].items()
        }
    except MnistlabError:
        return "far more than 1 % of healthy retrainings would be called worse at a level of 1 %"
    if found["healthy"] > 1:
        return f"{found['healthy']:.1f} % of healthy retrainings would be called worse at a level of 1 %"
    worst = max(found, key=found.__getitem__)
    return f"of retrainings with {worst} only {found[worst]:.0f} % would be called worse: so few images tell too little"


def sentence(rates: Rates) -> str:
    """State false alarms, misses and power of a recipe gate in one line."""
    healthy = rates["recipes"][0]
    lead, low, high = (100 * value for value in rates["resampled"][0]["not passed"])
    missed = 100 * next(iter(rates["miss"].values()))[0]
    this, twice = rates["committed"], 2 * rates["margin"]
    here = f"{100 * this[0]:.2g} %" if this else "not measured"
    return (
        f"of {rates['gates']} simulated gates on healthy trainings {100 * healthy['not passed'][0]:.2g} % did not pass "
        f"({here} against this very baseline; for accuracy alone {lead:.2g} %, {low:.2g} to {high:.2g} % with other "
        f"trainings), "
        f"after {healthy['mean seeds']:.0f} seeds on average; "
        f"a recipe {100 * rates['margin']:.2f} points worse passes {missed:.2g} % of the time; "
        f"a drop of {100 * twice:.2f} points is found {100 * found_at(rates, twice):.4g} % of the time"
    )


def found_at(rates: Rates, drop: float) -> float:
    """Return the chance that a recipe gate does not pass a recipe whose accuracy is lower by `drop`, as measured.

    MnistlabError beyond the drops that were measured.
    """
    if not drop <= (last := rates["drops"][-1]):
        raise MnistlabError(
            f"a drop of {100 * drop:g} points: measured to {100 * last:g}; type: python benchmarks/error_rates.py"
        )
    return float(np.interp(drop, rates["drops"], rates["curve"]))


MetricKey = tuple[Weights, str]
NEVER = 99


@dataclass(frozen=True, eq=False)
class Outcome:
    """What many gates decided; arrays of shape (gates,)."""

    passed: NDArray[np.bool_]
    failed: NDArray[np.bool_]  # a gate that did neither is undecided, which fails the run too
    seeds: NDArray[np.int64]  # that each trained
    blame: dict[
        str, float
    ]  # metric -> in what share of the gates it had not passed when they ended


def simulate(
    candidate: SeedMetrics, baseline: SeedMetrics, plan: Plan, sizes: tuple[int, int], seed: int = 0
) -> Outcome:
    """Run many gates, whose seeds are drawn from the columns of two pools.

    Sizes are the numbers of gates, and of seeds in a baseline; 0 for all of `baseline`, as it is and not drawn.
    """
    gates, drawn = sizes
    rng = np.random.default_rng(seed)
    new = rng.integers(_seeds(candidate), size=(gates, plan.looks[-1]))
    old = (
        rng.integers(_seeds(baseline), size=(gates, drawn))
        if drawn
        else np.arange(_seeds(baseline))[None]
    )
    passing = np.full((len(plan.margins), gates), NEVER)
    failing = np.full((len(plan.margins), gates), NEVER)
    for number, margin in enumerate(plan.margins):
        values = candidate[margin.weights][margin.metric][new]
        accepted = moments(baseline[margin.weights][margin.metric][old])
        for look in reversed(range(len(plan.looks))):
            levels = plan.pass_levels[number][look], plan.fail_levels[look]
            low, high, _ = degradation_bounds(
                margin, moments(values[:, : plan.looks[look]]), accepted, levels
            )
            passing[number, high < margin.margin] = look
            failing[number, low > margin.margin] = look
    failing[failing > passing] = NEVER  # what had passed is not looked at again
    all_passed, any_failed = passing.max(axis=0), failing.min(axis=0)
    failed = any_failed <= np.minimum(all_passed, NEVER - 1)
    passed = ~failed & (all_passed < NEVER)
    end = np.where(passed, all_passed, np.where(failed, any_failed, len(plan.looks) - 1))
    open_ = (passing > end).mean(axis=1)
    blame = {margin.name: float(share) for margin, share in zip(plan.margins, open_, strict=True)}
    return Outcome(passed, failed, np.asarray(plan.looks)[end], blame)


def _seeds(pool: SeedMetrics) -> int:
    return len(next(iter(next(iter(pool.values())).values())))
