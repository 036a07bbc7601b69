"""``mnistlab validate``: judge a pipeline or a model file by the shipped suite."""

import argparse

import pytest

from mnistlab.plugin import suite_arguments


def run(options: argparse.Namespace) -> int:
    """Run the suite; 0 if the verdict allows it, 2 if pytest refuses an argument, else 1."""
    code = pytest.main([*suite_arguments(vars(options)), *options.pytest_arguments])
    return 2 if code == pytest.ExitCode.USAGE_ERROR else int(code != pytest.ExitCode.OK)
