"""Trains a pipeline with many seeds and measures each: the draws that the recipe gate compares."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.calibrate import reliability
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.evaluate import Evaluation
from mnistlab.slices import thirds

Columns = dict[str, dict[str, NDArray[np.float64]]]
"""Metrics of many seeds: probe, metric -> one value a seed."""

GAP = "loss above the averaged"
"""The final weights' loss less that of the averaged ones: how noisy the last steps were."""

MOST_PROCESSES = 8
"""As many as the first look has seeds; each takes 0.7 GB."""


@dataclass(frozen=True, eq=False)
class Seed:
    """What one training came to.

    Attributes
    ----------
    seed : int
    probes : dict
        ``"final"`` and, where the engine trains, ``"averaged"``: the metrics of these weights by name.
    evaluation : Evaluation
        Of the final weights.
    """

    seed: int
    probes: dict[str, dict[str, float]]
    evaluation: Evaluation


@dataclass(eq=False)
class Trainer:
    """Trains a pipeline on a dataset, one seed a call; prepares the data at the first.

    Attributes
    ----------
    pipeline : Pipeline
    dataset : Dataset
    """

    pipeline: Any
    dataset: Dataset
    _prepared: list[NDArray[np.float32]] = field(default_factory=list)
    _slices: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def __call__(self, seed: int) -> Seed:
        """Build, train and measure one seed.

        Parameters
        ----------
        seed : int

        Returns
        -------
        Seed

        Raises
        ------
        MnistlabError
            If the predictions cannot be evaluated, for instance because training diverged.
        """
        try:
            return self._measure(seed)
        except MnistlabError as error:
            raise MnistlabError(f"training with seed {seed}: {error}") from error

    def _measure(self, seed: int) -> Seed:
        pipeline, data = self.pipeline, self.dataset
        if not self._prepared:
            self._prepared.append(pipeline.prepare_images(data.train_images))
            self._prepared.append(pipeline.prepare_labels(data.train_labels))
            self._prepared.append(pipeline.prepare_images(data.test_images))
            self._slices.update(thirds(data.test_images))
        images, labels, test = self._prepared
        model = pipeline.build(seed)
        history = pipeline.fit(model, images, labels, seed=seed)
        final = Evaluation(pipeline.predict(model, test), data.test_labels)
        probes = {"final": metrics(final, self._slices)}
        if "averaged_weights" in history:
            model.set_weights(history["averaged_weights"])
            averaged = Evaluation(pipeline.predict(model, test), data.test_labels)
            probes["averaged"] = metrics(averaged, self._slices)
            probes["final"][GAP] = final.loss - averaged.loss
        return Seed(seed, probes, final)


def metrics(evaluation: Evaluation, slices: dict[str, NDArray[np.int64]]) -> dict[str, float]:
    """Measure one evaluation.

    Parameters
    ----------
    evaluation : Evaluation
    slices : dict of numpy.ndarray of int64
        Indices of images by the slice's name.

    Returns
    -------
    dict
        Accuracy, worst recall, the recall of each digit and the accuracy of each slice, as fractions; loss in nats;
        expected calibration error, a fraction. A digit without images has no recall.
    """
    recall = {f"digit {digit}": float(value) for digit, value in enumerate(evaluation.recall) if not np.isnan(value)}
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "worst recall": min(recall.values()),
        "calibration error": reliability(evaluation.confidence, evaluation.right).error,
        **recall,
        **{name: float(evaluation.right[part].mean()) for name, part in slices.items()},
    }


def columns(seeds: Sequence[Seed]) -> Columns:
    """Turn seeds into arrays, one for each metric that all of them have.

    Parameters
    ----------
    seeds : sequence of Seed
        At least one.

    Returns
    -------
    dict
        Probe, metric -> numpy.ndarray of float64, shape (seeds,).
    """
    rows = [seed.probes for seed in seeds]
    shared = {probe: set.intersection(*(set(row.get(probe, ())) for row in rows)) for probe in rows[0]}
    return {
        probe: {name: np.array([row[probe][name] for row in rows]) for name in rows[0][probe] if name in names}
        for probe, names in shared.items()
        if names
    }


def train_seeds(pipeline: Any, dataset: Dataset, seeds: Sequence[int], processes: int = 0) -> Iterator[Seed]:
    """Train seeds, spread over the cores, and yield each in the order of `seeds`.

    Parameters
    ----------
    pipeline : Pipeline
        Importable, if there are several processes.
    dataset : Dataset
    seeds : sequence of int
    processes : int
        By default as many as pay: one, in this process and on all cores, where there are less than four cores (a
        process takes 4 s to load TensorFlow, and two cores train one seed 1.5 times as fast as one does); else one
        a core.

    Yields
    ------
    Seed
    """
    cores = available_cores()
    processes = min(processes or (1 if len(cores) < 4 else min(len(cores), MOST_PROCESSES)), len(seeds))
    trainer = Trainer(pipeline, dataset)
    if processes < 2:
        yield from map(trainer, seeds)
        return
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for number in range(processes):
        places.put(cores[number % len(cores)])
    try:
        with ProcessPoolExecutor(processes, context, _begin, (trainer, places)) as executor:
            yield from executor.map(_train, seeds)
    except BrokenExecutor as error:
        reasons = "is there memory for all, 0.7 GB each, and can the pipeline's module be imported?"
        raise MnistlabError(f"one of {processes} training processes ended early; {reasons}") from error


def available_cores() -> list[int]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


_WORKER: list[Trainer] = []


def _begin(trainer: Trainer, places: Any) -> None:
    """Take a core of its own, and keep the trainer, whose data travels once."""
    core = places.get()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    _WORKER.append(trainer)


def _train(seed: int) -> Seed:
    return _WORKER[0](seed)
