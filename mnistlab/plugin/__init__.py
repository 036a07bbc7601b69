"""The pytest plugin: options, fixtures, the collection of verdicts, and the report of a run.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

from mnistlab.plugin.suite import SESSION_CACHE, SessionCache, suite_arguments

__all__ = ["SESSION_CACHE", "SessionCache", "suite_arguments"]

pytest_plugins = (
    "mnistlab.plugin.hooks",
    "mnistlab.plugin.fixtures",
    "mnistlab.plugin.gate_fixtures",
)
