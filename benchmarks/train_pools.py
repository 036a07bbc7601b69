"""Trains the pools of ``benchmarks/error_rates.py``: healthy seeds and a ladder of weakened recipes.

    taskset --cpu-list 1 nice -n 10 python benchmarks/train_pools.py --dataset mnist
    taskset --cpu-list 1 nice -n 10 python benchmarks/train_pools.py --dataset digits

Resumable: what `benchmarks/pools-mnist.json` has is kept, and the file is replaced as a whole after every eight seeds.
On one core of a small virtual machine a seed of MNIST takes two seconds, the whole half an hour; the digits take five
minutes. Seeds repeat bit for bit on one machine and number of cores.
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from pools import pack_wrong, path_of, unpack_wrong

from mnistlab.data import load_dataset
from mnistlab.gate import SeedRun, SeedRunner, margins_for
from mnistlab.gate.baseline import pack
from mnistlab.recipe import Pipeline, Spec, pipeline_for
from mnistlab.report import write_atomically

EVERY = 8


class LessData(Pipeline):
    """Trains on the first part of the training images only."""

    share = 1.0

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Leave out the last of the images that would be trained on."""
        trained = int(len(images) * (1 - self.spec.validation_split))
        keep = np.r_[: int(trained * self.share), trained : len(images)]
        split = (len(images) - trained) / len(keep)
        small = _made(dataclasses.replace(self.spec, validation_split=split))
        return small.fit(model, images[keep], labels[keep], seed=seed, epochs=epochs)


class WrongLabels(Pipeline):
    """Gives a share of the training labels another digit, drawn anew for every seed."""

    share = 0.0

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Replace labels by one of the nine others."""
        rng = np.random.default_rng([seed, 99])
        wrong = rng.random(len(labels)) < self.share
        shift = rng.integers(1, 10, len(labels))
        digits = np.where(wrong, (labels.argmax(axis=1) + shift) % 10, labels.argmax(axis=1))
        return super().fit(
            model, images, np.eye(10, dtype=np.float32)[digits], seed=seed, epochs=epochs
        )


class Rebuilt(Pipeline):
    """Has another hidden activation or learning rate."""

    activation = "relu"
    learning_rate = 0.001

    def build(self, seed):
        """Change the layer or the optimizer of the published model."""
        import keras

        model = super().build(seed)
        model.layers[1].activation = keras.activations.get(self.activation)
        optimizer = keras.optimizers.Adam(learning_rate=self.learning_rate)
        model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
        return model


def _made(spec: Spec, kind: type[Pipeline] = Pipeline, **values: Any) -> Pipeline:
    """Return a pipeline with another promise and other attributes."""
    pipeline = kind()
    pipeline.spec = spec
    for name, value in values.items():
        setattr(pipeline, name, value)
    return pipeline


def recipes(dataset: str) -> dict[str, Pipeline]:
    """Return the healthy recipe of a dataset, first, and what weakens it."""
    spec = pipeline_for(dataset).spec
    replace = dataclasses.replace
    if dataset == "digits":
        return {
            "healthy": _made(spec),
            "75 % of the data": _made(spec, LessData, share=0.75),
            "50 % of the data": _made(spec, LessData, share=0.5),
            "10 % wrong labels": _made(spec, WrongLabels, share=0.1),
            "20 epochs": _made(replace(spec, epochs=20)),
        }
    return {
        "healthy": _made(spec),
        "95 % of the data": _made(spec, LessData, share=0.95),
        "90 % of the data": _made(spec, LessData, share=0.9),
        "75 % of the data": _made(spec, LessData, share=0.75),
        "4 epochs": _made(replace(spec, epochs=4)),
        "1 % wrong labels": _made(spec, WrongLabels, share=0.01),
        "3 % wrong labels": _made(spec, WrongLabels, share=0.03),
        "10 % wrong labels": _made(spec, WrongLabels, share=0.1),
        "batch 64": _made(replace(spec, batch_size=64)),
        "tanh": _made(spec, Rebuilt, activation="tanh"),
        "learning rate 0.002": _made(spec, Rebuilt, learning_rate=0.002),
        "batch 16": _made(replace(spec, batch_size=16)),
    }


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description="Train the pools of seeds.")
    parser.add_argument("--dataset", choices=("mnist", "digits"), default="mnist")
    parser.add_argument("--mnist-data")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path(__file__).parent)
    parser.add_argument("--healthy", type=int, default=208)
    parser.add_argument("--weakened", type=int, default=60)
    parser.add_argument(
        "--first", type=int, default=100_000, help="first seed; each recipe has the next 100 000"
    )
    options = parser.parse_args()
    dataset = load_dataset(options.dataset, options.mnist_data)
    path = path_of(options.out, dataset.name)
    content = {"dataset": dataset.name, "labels": pack(dataset.test_labels), "recipes": {}}
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else content
    for number, (recipe, pipeline) in enumerate(recipes(dataset.name).items(), start=1):
        trainer, first = SeedRunner(pipeline, dataset), options.first * number
        wanted = options.healthy if recipe == "healthy" else options.weakened
        pool = content["recipes"].setdefault(
            recipe, {"first seed": first, "seeds": 0, "wrong": "", "probes": {}}
        )
        while pool["seeds"] < wanted:
            start = first + pool["seeds"]
            add(
                pool,
                [trainer(seed) for seed in range(start, min(start + EVERY, first + wanted))],
                dataset.name,
            )
            write_atomically(path, dump(content))
            print(recipe, pool["seeds"], flush=True)


def add(pool: dict[str, Any], seeds: list[SeedRun], dataset: str) -> None:
    """Append the metrics that a gate of the dataset judges, and which test images the final weights misread."""
    judged = {
        each.metric
        for metrics_of in ({"final"}, {"averaged", "final"})
        for each in margins_for(dataset, metrics_of)
    }
    for seed in seeds:
        for weights, metrics in seed.metrics_of.items():
            for name in (name for name in metrics if name in judged):
                pool["probes"].setdefault(weights, {}).setdefault(name, []).append(
                    round(metrics[name], 5)
                )
    old = [unpack_wrong(pool["wrong"], pool["seeds"])] if pool["seeds"] else []
    pool["wrong"] = pack_wrong(np.vstack([*old, *(~seed.evaluation.right for seed in seeds)]))
    pool["seeds"] += len(seeds)


def dump(content: dict[str, Any]) -> str:
    """Write one line for every metric of a pool."""
    return (
        json.dumps(content, separators=(",", ":")).replace('],"', '],\n"').replace('},"', '},\n"')
        + "\n"
    )


if __name__ == "__main__":
    main()
