"""The catalogue of faults: pipelines with exactly one defect, and healthy controls; the suite must tell them apart.

Of DeepCrime's 24 operators (Humbatova et al., ISSTA 2021) these have no subject in the published recipe, which stops
after a fixed number of epochs and has neither regularisation nor dropout nor a layer without bias: see `NOT_APPLICABLE`.
"""

from collections.abc import Mapping

from mnistlab.faults.catalogue import architecture, prediction, preparation, training
from mnistlab.faults.catalogue import controls as controls
from mnistlab.faults.catalogue import training_data as data
from mnistlab.faults.catalogue.registry import Entry, entries

__all__ = ["CATALOGUE", "ENTRIES", "EXCUSED", "TWINS", "Entry"]

CATALOGUE: Mapping[str, Entry] = entries(preparation, architecture, data, training, prediction)
"""Every fault by its name, in the order of the parts of a pipeline."""

CONTROLS: Mapping[str, Entry] = entries(controls)
"""Every healthy control by its name."""

ENTRIES: Mapping[str, Entry] = {**CATALOGUE, **CONTROLS}
"""What a campaign tries."""

NOT_APPLICABLE: Mapping[str, str] = {
    "RCW": "changes a weight regularisation: the recipe has none",
    "RRW": "removes a weight regularisation: the recipe has none",
    "RCD": "changes a dropout rate: the recipe has no dropout",
    "RCP": "changes the patience of early stopping: the recipe does not stop early",
    "WAB": "adds a bias to a layer without: every layer with weights has one",
    "HDB mild": "disables batches: there are batches or none, which is gross",
}
"""Operators of DeepCrime, or one strength of them, without a subject in the published recipe, and why."""
