"""The error rates of the gates in use: where they are kept, and how a run's page states them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.errors import MnistlabError

SCHEMA = 2
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


def of_gate(found: Rates, margin: float, budget: int, baseline_seeds: int) -> Rates:
    """Return the rates of one recipe gate; MnistlabError if they were not measured: another gate's are not its own."""
    wanted = margin, budget, baseline_seeds
    for rates in found["gates"]:
        if (rates["margin"], rates["budget"], rates["baseline_seeds"]) == wanted:
            return dict(rates)
    what = f"margin {100 * margin:g} points, at most {budget} seeds against {baseline_seeds} accepted"
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
    alarms, low, high = (100 * value for value in healthy["not passed"])
    missed = 100 * next(iter(rates["miss"].values()))[0]
    this = 100 * rates["committed"][0]
    twice = 2 * rates["margin"]
    return (
        f"of {rates['gates']} simulated gates on healthy trainings {alarms:.2g} % did not pass "
        f"(95 % interval {low:.2g} to {high:.2g} %; {this:.2g} % against this very baseline), "
        f"after {healthy['mean seeds']:.0f} seeds on average; "
        f"a recipe {100 * rates['margin']:.2f} points worse passes {missed:.2g} % of the time; "
        f"a drop of {100 * twice:.2f} points is found {100 * found_at(rates, twice):.4g} % of the time"
    )


def found_at(rates: Rates, drop: float) -> float:
    """Return the chance that a recipe gate does not pass a recipe whose accuracy is lower by `drop`."""
    return float(np.interp(drop, rates["drops"], rates["curve"]))
