"""The error rates of the gates in use: where they are kept, and how a run's page states them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.errors import MnistlabError
from mnistlab.gate import Plan
from mnistlab.seeds import Columns

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
        raise MnistlabError(f"{path}: no measured error rates ({error}); type: mnistlab power") from error
    return found


def plan_digest(gate: Plan) -> str:
    """Return what tells a gate from one with other margins, looks or levels."""
    levels = [[f"{level:.4g}" for level in row] for row in (*gate.pass_levels, gate.fail_levels)]
    return _digest([[(each.name, each.margin) for each in gate.margins], gate.looks, levels])


def accepted_digest(gate: Plan, accepted: Columns) -> str:
    """Return what tells accepted seeds from others, by the metrics that the gate judges."""
    columns = [accepted.get(each.probe, {}).get(each.metric) for each in gate.margins]
    return _digest([None if column is None else column.tolist() for column in columns])


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def of_gate(found: Rates, gate: Plan, accepted: Columns) -> Rates:
    """Return the rates of one recipe gate, without what was measured against other accepted seeds than these.

    MnistlabError if the gate was not measured: another gate's rates are not its own.
    """
    for rates in found["gates"]:
        if rates["plan"] == plan_digest(gate):
            same = rates["accepted"] == accepted_digest(gate, accepted)
            return {**rates, "committed": rates["committed"] if same else None}
    margin, budget, seeds = gate.margins[0].margin, gate.looks[-1], len(accepted["final"]["accuracy"])
    what = f"margin {100 * margin:g} points, at most {budget} seeds against {seeds} accepted"
    command = f"mnistlab power --margin {margin:g} --seeds {budget}"
    raise MnistlabError(f"the error rates of this gate ({what}) were not measured; type: {command}")


def mcnemar_alarms(folder: Path, dataset: str) -> str:
    """Say how McNemar's test errs on retrainings: what it calls worse, or, where that is little, what it does not."""
    try:
        found = {name: 100 * share[0] for name, share in load(folder, dataset)["others"]["McNemar"]["recipes"].items()}
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
    here = f"{100 * this[0]:.2g} %" if this else "not measured, type mnistlab power,"
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
        raise MnistlabError(f"a drop of {100 * drop:g} points: measured to {100 * last:g}; type: mnistlab power")
    return float(np.interp(drop, rates["drops"], rates["curve"]))
