"""``mnistlab power``: error rates of the recipe gate for other settings, and what they cost."""

import argparse

from mnistlab.cli.baseline import rate_errors
from mnistlab.cli.shared import load_accepted
from mnistlab.gate import error_rates


def run(options: argparse.Namespace) -> int:
    """Simulate the gate from the accepted seeds and print its error rates."""
    pipeline, path, baseline = load_accepted(options)
    margin = options.margin or pipeline.margin
    rates, advice = rate_errors(baseline, pipeline, margin, options.seeds)
    print(f"{path}: {baseline.seeds} seeds of {baseline.pipeline} on {baseline.dataset}")
    print(*error_rates.as_table(rates), *advice, sep="\n")
    return 0
