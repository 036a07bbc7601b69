"""Trains the pools that `mnistlab power` draws its gates from: healthy seeds and a ladder of weakened recipes.

    python benchmarks/pools.py

Resumable: what `benchmarks/pools.json` has is kept, and the file is replaced as a whole after every eight seeds. On
one core of a small virtual machine a seed takes two seconds, the whole half an hour:

    taskset --cpu-list 1 nice -n 10 python benchmarks/pools.py
"""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.data import load_dataset
from mnistlab.pipeline import Pipeline
from mnistlab.pools import pack, unpack
from mnistlab.record import write_atomically
from mnistlab.seeds import Seed, Trainer

EVERY = 8


class LessData(Pipeline):
    """Trains on the first part of the training images only."""

    share = 1.0

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Leave out the last of the images that would be trained on."""
        trained = int(len(images) * (1 - self.spec.validation_split))
        keep = np.r_[: int(trained * self.share), trained : len(images)]
        split = (len(images) - trained) / len(keep)
        small = _with(self, validation_split=split)
        return Pipeline.fit(small, model, images[keep], labels[keep], seed=seed, epochs=epochs)


class WrongLabels(Pipeline):
    """Gives a share of the training labels another digit, drawn anew for every seed."""

    share = 0.0

    def fit(self, model, images, labels, *, seed, epochs=None):
        """Replace labels by one of the nine others."""
        rng = np.random.default_rng([seed, 99])
        wrong = rng.random(len(labels)) < self.share
        shift = rng.integers(1, 10, len(labels))
        digits = np.where(wrong, (labels.argmax(axis=1) + shift) % 10, labels.argmax(axis=1))
        return super().fit(model, images, np.eye(10, dtype=np.float32)[digits], seed=seed, epochs=epochs)


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


def _with(pipeline: Pipeline, **changes: Any) -> Pipeline:
    """Return a pipeline whose spec differs in some fields."""
    other = Pipeline()
    other.spec = dataclasses.replace(pipeline.spec, **changes)
    return other


def _set(kind: type[Pipeline], **values: Any) -> Pipeline:
    pipeline = kind()
    for name, value in values.items():
        setattr(pipeline, name, value)
    return pipeline


RECIPES = {
    "healthy": Pipeline(),
    "95 % of the data": _set(LessData, share=0.95),
    "90 % of the data": _set(LessData, share=0.9),
    "75 % of the data": _set(LessData, share=0.75),
    "4 epochs": _with(Pipeline(), epochs=4),
    "1 % wrong labels": _set(WrongLabels, share=0.01),
    "3 % wrong labels": _set(WrongLabels, share=0.03),
    "10 % wrong labels": _set(WrongLabels, share=0.1),
    "batch 64": _with(Pipeline(), batch_size=64),
    "tanh": _set(Rebuilt, activation="tanh"),
    "learning rate 0.002": _set(Rebuilt, learning_rate=0.002),
    "batch 16": _with(Pipeline(), batch_size=16),
}


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(description="Train the pools of seeds.")
    parser.add_argument("--mnist-data")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("pools.json"))
    parser.add_argument("--healthy", type=int, default=208)
    parser.add_argument("--weakened", type=int, default=60)
    parser.add_argument("--first", type=int, default=100_000, help="first seed; each recipe has the next 100 000")
    parser.add_argument("--recipes", nargs="*", choices=list(RECIPES), default=list(RECIPES))
    options = parser.parse_args()
    pools = json.loads(options.out.read_text(encoding="utf-8")) if options.out.exists() else {}
    dataset = load_dataset("mnist", options.mnist_data)
    for recipe in options.recipes:
        trainer = Trainer(RECIPES[recipe], dataset)
        first = options.first * (1 + list(RECIPES).index(recipe))
        wanted = options.healthy if recipe == "healthy" else options.weakened
        pool = pools.setdefault(recipe, {"first seed": first, "seeds": 0, "wrong": "", "probes": {}})
        while pool["seeds"] < wanted:
            start = first + pool["seeds"]
            add(pool, [trainer(seed) for seed in range(start, min(start + EVERY, first + wanted))])
            write_atomically(options.out, dump(pools))
            print(recipe, pool["seeds"], flush=True)


def add(pool: dict[str, Any], seeds: list[Seed]) -> None:
    """Append trained seeds to a pool: a list for every metric, and which test images the final weights misread."""
    for seed in seeds:
        for probe, metrics in seed.probes.items():
            for name, value in metrics.items():
                pool["probes"].setdefault(probe, {}).setdefault(name, []).append(round(value, 5))
    old = unpack(pool["wrong"], pool["seeds"], seeds[0].evaluation.count)
    pool["wrong"] = pack(np.vstack([old, *(~seed.evaluation.right for seed in seeds)]))
    pool["seeds"] += len(seeds)


def dump(pools: dict[str, Any]) -> str:
    """Write one line for every metric of a pool."""
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(pool, separators=(',', ':'))}" for name, pool in pools.items())
    return "{" + lines.replace('],"', '],\n"') + "}\n"


if __name__ == "__main__":
    main()
