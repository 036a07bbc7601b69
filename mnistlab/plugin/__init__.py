"""The pytest plugin: options, fixtures, the collection of verdicts, and the report of a run.

PYTEST_DONT_REWRITE stands in modules that may have been imported before pytest loads them.
"""

from mnistlab.plugin.checker import Figure
from mnistlab.plugin.diagnosis import Symptoms, load_symptoms, rank, statuses
from mnistlab.plugin.measuring import Measured, SeedMeasurer
from mnistlab.plugin.suite import (
    SESSION_CACHE,
    SessionCache,
    check_name,
    make_session_cache,
    suite_arguments,
)

__all__ = [
    "SESSION_CACHE",
    "Figure",
    "Measured",
    "SeedMeasurer",
    "SessionCache",
    "Symptoms",
    "check_name",
    "load_symptoms",
    "make_session_cache",
    "rank",
    "statuses",
    "suite_arguments",
]

pytest_plugins = (
    "mnistlab.plugin.hooks",
    "mnistlab.plugin.fixtures",
    "mnistlab.plugin.gate_fixtures",
)
