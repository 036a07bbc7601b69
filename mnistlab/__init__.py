"""Test a classifier the way code is tested."""

__version__ = "0.1.0"
