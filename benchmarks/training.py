"""Time the published ``Model.fit``, the engine and the machine's floor side by side.

All train 5 epochs on the same arrays in memory and keep the same history. Repetitions are
interleaved, so that a machine that slows down slows all. ``fit`` traces the step of a new model
every time. So does the engine's first training, whose cache of programs is cleared before; further
seeds reuse the program. One untimed run of each comes first, to start TensorFlow's threads and XLA.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import os
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

from mnistlab.data import load_dataset
from mnistlab.recipe import Pipeline
from mnistlab.recipe import training as engine

FIRST, FURTHER, STEADY = (
    "engine, first training",
    "engine, further seeds",
    "engine, 5 steady epochs",
)
TARGETS = ((FIRST, "fit", 1 / 6), (FURTHER, "fit", 1 / 10), (STEADY, "floor", 2.2))
SETTINGS = [
    {"steps_per_execution": steps, "jit_compile": jit}
    for steps in (50, 375, 1500)
    for jit in (False, True)
]
SGEMM_SIZE = 2048


def seconds(run: Callable[..., Any], **options: Any) -> float:
    """Return how long one run takes."""
    start = time.perf_counter()
    run(**options)
    return time.perf_counter() - start


def flop_per_training(pipeline: Pipeline, images: int) -> float:
    """Count the floating-point operations of a training's matrix products, validation apart.

    A product of (n, i) and (i, o) takes 2 n i o. There is one forward, one for the kernel's
    gradient, and one for the gradient of the layer's input, which the first layer does not need.
    """
    kernels = [weight.shape for weight in pipeline.build(0).weights if len(weight.shape) == 2]
    products = sum(3 * 2.0 * i * o for i, o in kernels) - 2.0 * kernels[0][0] * kernels[0][1]
    return pipeline.spec.epochs * images * (1 - pipeline.spec.validation_split) * products


def sgemm_flop_per_second() -> float:
    """Measure the best of ten single-precision matrix products on all cores."""
    import tensorflow as tf

    a = tf.random.stateless_uniform((SGEMM_SIZE, SGEMM_SIZE), (1, 2))
    return 2.0 * SGEMM_SIZE**3 / min(seconds(lambda: tf.matmul(a, a).numpy()) for _ in range(10))


def trainings(pipeline: Pipeline, images: Any, labels: Any) -> dict[str, Callable[..., None]]:
    """Return what is timed: ``fit``, the engine with and without compilation, its epochs alone."""
    import tensorflow as tf

    spec, seeds = pipeline.spec, itertools.count()
    count = int(len(images) * (1 - spec.validation_split))
    arrays = [
        tf.constant(part)
        for part in (images[:count], labels[:count], images[count:], labels[count:])
    ]
    ready = pipeline.build(0)
    ready.optimizer.build(ready.trainable_variables)

    def fit(epochs: int = spec.epochs, **settings: Any) -> None:
        model = pipeline.build(next(seeds))
        if settings:
            model.compile("adam", "categorical_crossentropy", metrics=["accuracy"], **settings)
        model.fit(
            images,
            labels,
            spec.batch_size,
            epochs,
            verbose=0,
            validation_split=spec.validation_split,
        )

    def further() -> None:
        pipeline.fit(pipeline.build(seed := next(seeds)), images, labels, seed=seed)

    def first() -> None:
        engine._shared_program.cache_clear()
        further()

    def steady() -> None:
        _, program = engine._program(ready, True)
        for epoch in range(spec.epochs):
            program(*arrays, tf.constant(engine.epoch_order(0, epoch, count)), spec.batch_size)

    return {"fit": fit, FIRST: first, FURTHER: further, STEADY: steady}


def report(times: dict[str, list[float]], floor: float) -> None:
    """Print medians, ranges, ratios to the published ``fit``, and whether the targets are met."""
    median = {name: statistics.median(taken) for name, taken in times.items()} | {"floor": floor}
    print(f"\n{'':60}{'median s':>9}{'range s':>16}{'of fit':>9}")
    for name, value in median.items():
        spread = f"{min(times[name]):.2f} to {max(times[name]):.2f}" if name in times else ""
        share = f"1/{median['fit'] / value:.1f}"
        print(f"{name:60}{value:9.2f}{spread:>16}{share:>9}")
    for name, base, bound in TARGETS:
        ratio = median[name] / median[base]
        outcome = "met" if ratio <= bound else "MISSED"
        print(f"{name}: {ratio:.3f} of {base}, required <= {bound:.3f}: {outcome}")


def main() -> None:
    """Parse the arguments, warm up, repeat, report."""
    parser = argparse.ArgumentParser(description="Time fit, the engine and the floor side by side.")
    parser.add_argument("--mnist-data", help="folder of IDX files or .npz")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    dataset, pipeline = load_dataset("mnist", options.mnist_data), Pipeline()
    images, labels = (
        pipeline.prepare_images(dataset.train_images),
        pipeline.prepare_labels(dataset.train_labels),
    )
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras", "numpy")
    )
    machine = f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{versions}, Python {platform.python_version()}, {machine}")
    runs = trainings(pipeline, images, labels)
    fit = runs["fit"]
    fit(epochs=1)
    preliminary = [
        min(seconds(fit, epochs=2, **settings) for _ in range(2)) for settings in SETTINGS
    ]
    for settings, took in zip(SETTINGS, preliminary, strict=True):
        print(f"preliminary, 2 epochs of fit with {settings}: {took:.2f} s")
    best = SETTINGS[preliminary.index(min(preliminary))]
    runs = {"fit": fit, f"fit, {best}": lambda: fit(**best), **runs}
    runs[FIRST]()
    rates, times = [sgemm_flop_per_second()], {name: [] for name in runs}
    for _ in range(options.repetitions):
        for name, run in runs.items():
            times[name].append(seconds(run))
        rates.append(sgemm_flop_per_second())
    flop = flop_per_training(pipeline, len(images))
    best_rate = f"{max(rates) / 1e9:.0f} GFLOP/s, the best of {len(rates)} measurements"
    print(f"floor: {flop / 1e9:.1f} GFLOP at {best_rate}")
    report(times, flop / max(rates))
    print(f"load afterwards {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
