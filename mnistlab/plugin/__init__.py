"""The pytest plugin: options, fixtures, the collection of verdicts, and the page at the end of a run.

PYTEST_DONT_REWRITE: it asserts nothing, and may have been imported before pytest loads it.
"""

pytest_plugins = (
    "mnistlab.plugin.hooks",
    "mnistlab.plugin.fixtures",
    "mnistlab.plugin.gate_fixtures",
)
