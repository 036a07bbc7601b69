"""Measures healthy seeds of the recipe, and derives from them the bounds that `mnistlab.spec` states.

    python benchmarks/bounds.py --dataset mnist --seeds 96
    python benchmarks/bounds.py --dataset digits --seeds 96

A bound lies five standard deviations from the mean over the seeds; for normal data a healthy seed is beyond it with
a probability of 1.3e-6 (Student's t, 95 degrees of freedom). Real tails are heavier, so the most extreme seeds are
printed beside it, in standard deviations.
"""

import argparse
import json
import statistics

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mnistlab.data import Dataset, load_dataset
from mnistlab.evaluate import Evaluation
from mnistlab.pipeline import Pipeline, pipeline_for

DEVIATIONS = 5


def main() -> None:
    """Train the seeds and print a table of bounds."""
    parser = argparse.ArgumentParser(description="Derive bounds from healthy seeds.")
    parser.add_argument("--dataset", choices=["mnist", "digits"], default="mnist")
    parser.add_argument("--mnist-data")
    parser.add_argument("--seeds", type=int, default=96)
    parser.add_argument("--first", type=int, default=1000, help="the first seed; the suite's own default is 0")
    parser.add_argument("--out", help="also write what every seed measured, as JSON")
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, options.mnist_data)
    pipeline = pipeline_for(dataset.name)
    seeds = range(options.first, options.first + options.seeds)
    rows = [measure(pipeline, dataset, seed) for seed in track(seeds, "Training")]
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(rows, file)
    Console(width=120).print(tabulate(rows))


def measure(pipeline: Pipeline, dataset: Dataset, seed: int) -> dict[str, float]:
    """Train one seed and return what the suite bounds, and a few figures beside it."""
    images, labels = pipeline.prepare_images(dataset.train_images), pipeline.prepare_labels(dataset.train_labels)
    model = pipeline.build(seed)
    start = Evaluation(pipeline.predict(model, images), dataset.train_labels)
    history = pipeline.fit(model, images, labels, seed=seed)
    result = Evaluation(pipeline.predict(model, pipeline.prepare_images(dataset.test_images)), dataset.test_labels)
    losses = np.array(history["loss"])
    return {
        "seed": seed,
        "initial loss over ln 10": start.loss - float(np.log(10)),
        "epochs in which the loss rose": int((np.diff(losses) >= 0).sum()),
        "loss of the last epoch": losses[-1],
        "test accuracy": result.accuracy,
        "test loss": result.loss,
        "gap between training and validation accuracy": history["accuracy"][-1] - history["val_accuracy"][-1],
        **{f"recall of digit {digit}": float(recall) for digit, recall in enumerate(result.recall)},
    }


def tabulate(rows: list[dict[str, float]]) -> Table:
    """Lay out mean, deviation, extremes and both bounds of every figure."""
    table = Table(title=f"{len(rows)} seeds from {rows[0]['seed']}")
    for heading in ("figure", "mean", "sd", "least", "greatest", "least, sd", "greatest, sd", "lower", "upper"):
        table.add_column(heading, justify="left" if heading == "figure" else "right")
    for name in list(rows[0])[1:]:
        values = [row[name] for row in rows]
        mean, sd = statistics.mean(values), statistics.stdev(values)
        reach = [(min(values) - mean) / sd, (max(values) - mean) / sd] if sd else [0.0, 0.0]
        bounds = [mean - DEVIATIONS * sd, mean + DEVIATIONS * sd]
        figures = [*(f"{x:.5f}" for x in (mean, sd, min(values), max(values))), *(f"{x:+.1f}" for x in reach)]
        table.add_row(name, *figures, *(f"{x:.4f}" for x in bounds))
    return table


if __name__ == "__main__":
    main()
