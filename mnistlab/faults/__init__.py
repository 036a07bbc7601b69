"""The catalogue of faults: pipelines with exactly one defect, and healthy twins; the suite must tell them apart.

Of DeepCrime's 24 operators (Humbatova et al., ISSTA 2021) these have no subject in the published recipe, which stops
after a fixed number of epochs and has neither regularisation nor dropout nor a layer without bias: see `EXCUSED`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mnistlab.faults import architecture, data, prediction, preparation, training, twins
from mnistlab.faults.catalogue import Fault, Twin, entries

__all__ = ["CATALOGUE", "EXCUSED", "TWINS", "Fault", "Twin", "reference_of"]

CATALOGUE: Mapping[str, Fault] = MappingProxyType(
    {
        entry.name: entry
        for entry in entries((preparation, architecture, data, training, prediction))
        if isinstance(entry, Fault)
    }
)
"""Every fault by its name, in the order of the parts of a pipeline."""

TWINS: Mapping[str, Twin] = MappingProxyType(
    {entry.name: entry for entry in entries((twins,)) if isinstance(entry, Twin)}
)
"""Every healthy twin by its name."""

EXCUSED: Mapping[str, str] = MappingProxyType(
    {
        "RCW": "changes a weight regularisation: the recipe has none",
        "RRW": "removes a weight regularisation: the recipe has none",
        "RCD": "changes a dropout rate: the recipe has no dropout",
        "RCP": "changes the patience of early stopping: the recipe does not stop early",
        "WAB": "adds a bias to a layer without: every layer with weights has one",
    }
)
"""Operators of DeepCrime without a subject in the published recipe, and why."""


def reference_of(name: str) -> str:
    """Return what ``--pipeline`` takes for a fault or a twin.

    Parameters
    ----------
    name : str
        As in `CATALOGUE` or `TWINS`; KeyError if it is in neither.

    Returns
    -------
    str
        ``"mnistlab.faults.module:Class"``.
    """
    kind = CATALOGUE[name].pipeline if name in CATALOGUE else TWINS[name].pipeline
    return f"{kind.__module__}:{kind.__name__}"
