"""``mnistlab validate``: judge a pipeline or a model file by the shipped suite."""

import argparse

import pytest

from mnistlab.plugin import suite_arguments


def run(options: argparse.Namespace) -> int:
    """Run the suite; 0 if the verdict allows it, else 1."""
    arguments = suite_arguments(vars(options))
    return 0 if pytest.main([*arguments, *options.pytest_arguments]) == 0 else 1
