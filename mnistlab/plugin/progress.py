"""A line on the terminal that says how far a long fixture is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def progress(config: pytest.Config) -> Iterator[Callable[[str], None]]:
    """Provide a function that shows a line in place of the one before, on a terminal only.

    The line is erased at the end. Where pytest does not write to a terminal, nothing is shown.
    """
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if not (reporter and capture and reporter.isatty):
        yield lambda line: None
        return

    def show(line: str) -> None:
        # While pytest captures output, the terminal can only be reached from in here.
        with capture.global_and_fixture_disabled():
            reporter.rewrite(line[: reporter._tw.fullwidth - 1], erase=True)
            reporter.flush()

    with capture.global_and_fixture_disabled():
        reporter.ensure_newline()  # keeps the dots of the tests before
    yield show
    show("\r")
