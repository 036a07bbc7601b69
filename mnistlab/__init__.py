"""Test a classifier the way code is tested.

The public names are imported when they are first used, so that ``import mnistlab`` takes no time
and loads neither TensorFlow nor pytest.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Layer": "mnistlab.recipe",
    "MnistlabError": "mnistlab.errors",
    "Pipeline": "mnistlab.recipe",
    "Requirement": "mnistlab.requirement",
    "Spec": "mnistlab.recipe",
    "ValidationResult": "mnistlab.plugin.validation",
    "bounds_of": "mnistlab.recipe",
    "load_dataset": "mnistlab.data",
    "validate": "mnistlab.plugin.validation",
}
__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mnistlab' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
