"""The catalogue: faulty pipelines with exactly one defect each, and healthy controls.

The suite must fail every fault and pass every control. `NOT_APPLICABLE` lists the operators of
DeepCrime (Humbatova et al., ISSTA 2021) that cannot be applied to the published recipe.
"""

import importlib
from collections.abc import Mapping

from mnistlab.faults.catalogue.registry import CATALOGUE, Entry

__all__ = ["CATALOGUE", "CONTROLS", "FAULTS", "NOT_APPLICABLE", "Entry"]

# In the order of the parts of a pipeline, which is that of the report.
for part in ("preparation", "architecture", "training_data", "training", "prediction", "controls"):
    importlib.import_module(f"{__name__}.{part}")
FAULTS: Mapping[str, Entry] = {name: each for name, each in CATALOGUE.items() if each.is_fault}
CONTROLS = {name: each for name, each in CATALOGUE.items() if not each.is_fault}

NOT_APPLICABLE: Mapping[str, str] = {
    "RCW": "changes a weight regularisation: the recipe has none",
    "RRW": "removes a weight regularisation: the recipe has none",
    "RCD": "changes a dropout rate: the recipe has no dropout",
    "RCP": "changes the patience of early stopping: the recipe does not stop early",
    "WAB": "adds a missing bias: every layer with weights has one",
    "HDB mild": "disables batches: this has only one strength, which is gross",
}
"""Operators of DeepCrime, or one strength of them, that do not apply to the recipe, and why."""
