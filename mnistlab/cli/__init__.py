"""The command line: one module a command."""

from mnistlab.cli.main import main

__all__ = ["main"]
