"""``mnistlab power``: error rates of the recipe gate for other settings, and what they cost."""

import argparse
from pathlib import Path

from mnistlab.cli.shared import load_data
from mnistlab.environment import baseline_folder
from mnistlab.gate import Baseline, baseline_path, error_rates, gate_metrics, make_plan
from mnistlab.loading import load_pipeline


def run(options: argparse.Namespace) -> int:
    """Simulate the gate from the accepted seeds and print its error rates."""
    dataset = load_data(options)
    pipeline = load_pipeline(options.pipeline, options.spec, dataset.name)
    name = baseline_path(Path(), pipeline.name, dataset.name).name
    path = baseline_folder(options.baselines, name) / name
    baseline = Baseline.load(path)
    leading, images = options.margin or pipeline.margin, len(dataset.test_labels)
    metrics = gate_metrics(baseline.columns, images, pipeline.spec.gate, leading)
    accepted = baseline.accepted_seeds
    rates = error_rates.error_rates(make_plan(metrics, options.seeds, accepted), accepted)
    print(f"{path}: {baseline.seeds} seeds of {baseline.pipeline} on {baseline.dataset}")
    print(*error_rates.as_table(rates), *error_rates.advice(rates, metrics, accepted), sep="\n")
    return 0
