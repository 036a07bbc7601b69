"""Measures healthy seeds of the recipe, and derives from them the bounds that `mnistlab` states.

    python benchmarks/bounds.py --dataset mnist --seeds 96
    python benchmarks/bounds.py --dataset digits --seeds 96

The spread of an error is even in its logarithm: there a bound lies 4.5 standard deviations from the mean over the
seeds; other figures are bounded 5 from theirs. For normal data a healthy seed is beyond a bound with a probability of
1e-5 and 1.3e-6 (with a mean and a deviation from 96 seeds, Student's t); real tails are heavier, so the most extreme
seed is printed beside it, in standard deviations. Figures named as the bounds of a spec are also held against them,
so that `--first` with seeds never used before counts false alarms.
"""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mnistlab.data import (
    CORRUPTIONS,
    PERTURBATIONS,
    Dataset,
    corrupt_all,
    draw_digits,
    load_dataset,
    quality,
)
from mnistlab.metrics import Evaluation
from mnistlab.metrics import calibration as calibrate
from mnistlab.metrics import robustness as behaviour
from mnistlab.probes import model as model_probes
from mnistlab.recipe import Pipeline, pipeline_for

Row = dict[str, float]
LOG_DEVIATIONS, DEVIATIONS = 4.5, 5
# Figures whose logarithm has the even spread, by how their names begin; of those in FALLING it is that of 1 - figure.
FALLING = ("recall", "test accuracy", "accuracy under", "mean accuracy", "area under")
RISING = (
    "expected calibration",
    "Brier",
    "predictions changed",
    "test loss",
    "steepest rise",
    "parameters that",
)
# Added before the logarithm, as none has one: an image of the test set; ten for a difference, which may be negative.
OFFSETS = {"steepest rise": 10.0}
COUNTS = ("parameters that",)
# Images in the smaller part, as a share of the test set: its accuracy moves in steps, so they are the least deviation.
PARTS = {"accuracy above the rest: images behind": 0.1, "accuracy above the rest": 0.5}


def main() -> None:
    """Train the seeds and print a table of bounds."""
    parser = argparse.ArgumentParser(description="Derive bounds from healthy seeds.")
    parser.add_argument("--dataset", choices=["mnist", "digits"], default="mnist")
    parser.add_argument("--mnist-data")
    parser.add_argument("--seeds", type=int, default=96)
    parser.add_argument(
        "--first", type=int, default=1000, help="the first seed; the suite's own default is 0"
    )
    parser.add_argument("--out", help="also write what every seed measured, as JSON")
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, options.mnist_data)
    pipeline = pipeline_for(dataset.name)
    seeds = range(options.first, options.first + options.seeds)
    models, rows = zip(
        *(measure(pipeline, dataset, seed) for seed in track(seeds, "Training")), strict=True
    )
    rows = [
        row | found for row, found in zip(rows, robustness(pipeline, models, dataset), strict=True)
    ]
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(rows, file)
    Console(width=170).print(tabulate(rows, pipeline, len(dataset.test_images)))


def measure(pipeline: Pipeline, dataset: Dataset, seed: int) -> tuple[Any, Row]:
    """Train one seed; return the model and what the suite bounds but for robustness, and a few figures beside it."""
    images, labels = (
        pipeline.prepare_images(dataset.train_images),
        pipeline.prepare_labels(dataset.train_labels),
    )
    model = pipeline.build(seed)
    start = Evaluation(pipeline.predict(model, images), dataset.train_labels)
    history = pipeline.fit(model, images, labels, seed=seed)
    result = Evaluation(
        behaviour.predict_raw(pipeline, model, dataset.test_images), dataset.test_labels
    )
    losses = np.array(history["loss"])
    return model, {
        "seed": seed,
        "distance of the initial loss from ln 10": abs(start.loss - float(np.log(10))),
        "epochs in which the training loss rose": int((np.diff(losses) >= 0).sum()),
        "loss of the last epoch": losses[-1],
        "test accuracy": result.accuracy,
        "test loss": result.loss,
        "training accuracy over validation accuracy": history["accuracy"][-1]
        - history["val_accuracy"][-1],
        **{f"recall of digit {digit}": float(recall) for digit, recall in enumerate(result.recall)},
        **training(pipeline, model, images, labels, seed),
        **accuracies_again(pipeline, model, images, dataset.train_labels, history),
        **confidence(result),
        **small_changes(pipeline, model, dataset, result),
    }


def training(
    pipeline: Pipeline, model: Any, images: np.ndarray, labels: np.ndarray, seed: int
) -> Row:
    """Return what the probes of training measure."""
    total = round(16 * pipeline.spec.batch_size / (1 - pipeline.spec.validation_split))
    few, theirs, others = images[:total], labels[:total], slice(-len(images) // 6, None)
    predicted = model_probes.predicted_after_permutation(
        pipeline, few, theirs, images[others], seed=seed
    )
    norms = model_probes.weight_norms(model)
    return {
        "accuracy after training on permuted labels": float(
            (predicted == labels[others].argmax(axis=1)).mean()
        ),
        "parameters that no gradient reaches": sum(
            model_probes.unmoved_parameters(pipeline, theirs, seed=seed)
        ),
        "hidden units that say the same of every image": model_probes.dead_units(
            model, images[:10000]
        ),
        **{
            f"norm of the weights of layer {number}": norm
            for number, norm in enumerate(norms, start=1)
        },
    }


def accuracies_again(
    pipeline: Pipeline,
    model: Any,
    images: np.ndarray,
    labels: np.ndarray,
    history: dict[str, list[float]],
) -> Row:
    """Return how far what the history claims is from what the trained model predicts."""
    right = pipeline.predict(model, images).argmax(axis=1) == labels
    count = int(len(images) * (1 - pipeline.spec.validation_split))
    return {
        "training accuracy less the history's": float(right[:count].mean())
        - history["accuracy"][-1],
        "validation accuracy less the history's": float(right[count:].mean())
        - history["val_accuracy"][-1],
    }


def confidence(result: Evaluation) -> Row:
    """Return what is measured on confidence; the bias is beside it."""
    return {
        "expected calibration error": calibrate.reliability(result.confidence, result.right).error,
        "bias of the calibration error": calibrate.calibration_bias(result.confidence, draws=20),
        "Brier score": calibrate.brier_score(result.probabilities, result.labels),
        "mean confidence on mistakes": calibrate.mean_confidence_on_mistakes(
            result.confidence, result.right
        ),
        "area under the ROC of confidence": calibrate.confidence_auroc(
            result.confidence, result.right
        ),
    }


def small_changes(pipeline: Pipeline, model: Any, dataset: Dataset, result: Evaluation) -> Row:
    """Return what the small changes do, what place in the test set does, and what is read of drawn digits."""

    def share(change: Callable[[np.ndarray], np.ndarray]) -> float:
        changed = behaviour.predict_raw(pipeline, model, change(dataset.test_images)).argmax(axis=1)
        return float((changed != result.predictions).mean())

    strokes, truths = draw_digits()
    suspects = set(quality.likely_label_errors(result.probabilities, result.labels).tolist())
    known = list(quality.KNOWN_MNIST_ERRORS) if dataset.name == "mnist" else []
    places = behaviour.accuracy_by_position(result.right, result.labels)
    return {
        **{
            f"predictions changed by {name}": share(change)
            for name, change in PERTURBATIONS.items()
        },
        "drawn digits that are misread": int(
            (behaviour.predict_raw(pipeline, model, strokes).argmax(axis=1) != truths).sum()
        ),
        **{f"accuracy above the rest: {name}": difference for name, difference in places.items()},
        "known label errors that are suspected": len(suspects.intersection(known)),
        "known label errors that are misread": int((~result.right[known]).sum()),
        "suspected label errors": len(suspects),
    }


def robustness(pipeline: Pipeline, models: Sequence[Any], dataset: Dataset) -> list[Row]:
    """Return accuracy under every corruption of every model; the images are made and prepared once for all."""
    clean = pipeline.prepare_images(dataset.test_images)
    found = [
        {name: [accuracy(pipeline, model, clean, dataset)] for name in CORRUPTIONS}
        for model in models
    ]
    for name, _, images in track(
        corrupt_all(dataset.test_images), "Corrupting", 5 * len(CORRUPTIONS)
    ):
        prepared = pipeline.prepare_images(images)
        for model, accuracies in zip(models, found, strict=True):
            accuracies[name].append(accuracy(pipeline, model, prepared, dataset))
    at = behaviour.SEVERITY
    return [
        {
            **{
                f"accuracy under {name}, severity {at}": row[at] for name, row in accuracies.items()
            },
            "mean accuracy under corruption": behaviour.mean_accuracy(accuracies),
            "steepest rise of accuracy with severity": behaviour.steepest_rise(accuracies),
            **{
                f"{name} {other}": row[other]
                for name, row in accuracies.items()
                for other in (1, 2, 3, 4, 5)
            },
        }
        for accuracies in found
    ]


def accuracy(pipeline: Pipeline, model: Any, prepared: Any, dataset: Dataset) -> float:
    """Return the fraction of prepared test images that are read right."""
    return float((pipeline.predict(model, prepared).argmax(axis=1) == dataset.test_labels).mean())


def tabulate(rows: list[Row], pipeline: Pipeline, images: int) -> Table:
    """Lay out mean, deviation, extremes and both bounds of every figure, and how many seeds the spec's bound fails."""
    table = Table(title=f"{len(rows)} seeds from {rows[0]['seed']}")
    headings = (
        "mean",
        "sd",
        "least",
        "greatest",
        "least, sd",
        "greatest, sd",
        "lower",
        "upper",
        "spec",
        "failing",
    )
    table.add_column("figure")
    for heading in headings:
        table.add_column(heading, justify="right")
    required = {
        bound.name.removesuffix(", least").removesuffix(", most"): []
        for bound in pipeline.spec.bounds
    }
    for bound in pipeline.spec.bounds:
        required[bound.name.removesuffix(", least").removesuffix(", most")].append(bound)
    for name in list(rows[0])[1:]:
        values = [row[name] for row in rows]
        mean, sd = statistics.mean(values), statistics.stdev(values)
        reach = [(min(values) - mean) / sd, (max(values) - mean) / sd] if sd else [0.0, 0.0]
        figures = [
            *(f"{x:.5f}" for x in (mean, sd, min(values), max(values))),
            *(f"{x:+.1f}" for x in reach),
        ]
        held = required.get(name, [])
        failing = sum(bound.judge(value).status == "failed" for bound in held for value in values)
        spec = " to ".join(f"{bound.bound:g}" for bound in held)
        limits = [f"{x:.4f}" for x in bounds_of(name, values, images)]
        table.add_row(name, *figures, *limits, spec, str(failing) if held else "")
    return table


def bounds_of(name: str, values: list[float], images: int) -> tuple[float, float]:
    """Return the lower and the upper bound that the rule gives a figure."""
    falling, logarithmic = name.startswith(FALLING), name.startswith(FALLING + RISING)
    if not logarithmic:
        step = next(
            (1 / (part * images) for start, part in PARTS.items() if name.startswith(start)), 0.0
        )
        mean, sd = statistics.mean(values), max(step, statistics.stdev(values))
        return mean - DEVIATIONS * sd, mean + DEVIATIONS * sd
    image = (
        next((count for start, count in OFFSETS.items() if name.startswith(start)), 1.0) / images
    )
    offset = 1.0 if name.startswith(COUNTS) else image
    errors = [np.log((1 - value if falling else value) + offset) for value in values]
    mean, sd = statistics.mean(errors), statistics.stdev(errors)
    low, high = (float(np.exp(mean + side * LOG_DEVIATIONS * sd)) - offset for side in (-1, 1))
    return (1 - high, 1 - low) if falling else (low, high)


if __name__ == "__main__":
    main()
