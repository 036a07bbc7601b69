"""The catalogue: faulty pipelines with exactly one defect each, and healthy controls.

The suite must fail every fault and pass every control. `NOT_APPLICABLE` lists the operators of
DeepCrime (Humbatova et al., ISSTA 2021) that cannot be applied to the published recipe.
"""

from collections.abc import Mapping

from mnistlab.faults.catalogue import (
    architecture,
    controls,
    prediction,
    preparation,
    training,
    training_data,
)
from mnistlab.faults.catalogue.registry import Entry, registered

__all__ = ["CATALOGUE", "CONTROLS", "FAULTS", "NOT_APPLICABLE", "Entry"]

FAULTS: Mapping[str, Entry] = registered(
    preparation, architecture, training_data, training, prediction
)
"""Every fault by name, in the order of the parts of a pipeline."""

CONTROLS: Mapping[str, Entry] = registered(controls)
"""Every healthy control by name."""

CATALOGUE: Mapping[str, Entry] = {**FAULTS, **CONTROLS}

NOT_APPLICABLE: Mapping[str, str] = {
    "RCW": "changes a weight regularisation: the recipe has none",
    "RRW": "removes a weight regularisation: the recipe has none",
    "RCD": "changes a dropout rate: the recipe has no dropout",
    "RCP": "changes the patience of early stopping: the recipe does not stop early",
    "WAB": "adds a missing bias: every layer with weights has one",
    "HDB mild": "disables batches: this has only one strength, which is gross",
}
"""Operators of DeepCrime, or one strength of them, that do not apply to the recipe, and why."""
