"""Train a pipeline with many seeds and measure each: the draws that the recipe gate compares."""

import contextlib
import dataclasses
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, TypeVar

import numpy as np

from mnistlab.arrays import Doubles, Floats, Indices
from mnistlab.data import Dataset, slice_by_feature
from mnistlab.errors import MnistlabError
from mnistlab.execution import Backend, WorkerDiedError, available_cores, open_pool
from mnistlab.metrics import Evaluation, calibration
from mnistlab.recipe import is_keras

T = TypeVar("T")
SeedMetrics: TypeAlias = dict[str, Doubles]
"""Metrics of many seeds: "averaged accuracy" -> one value a seed, shape (seeds,)."""
NOISE = "final loss above the averaged"
"""Loss of the final weights minus loss of the averaged ones: how noisy the last steps were."""
MAX_PROCESSES = 8
MIN_CORES = 4  # with fewer, one process on all of them is faster: each takes 4 s to start


@dataclass(frozen=True, eq=False)
class SeedRun:
    """One training of a pipeline, measured on the test set."""

    seed: int
    metrics: dict[str, float]  # "final loss" in nats; with averaged weights also "averaged loss"
    digest: str  # of the trained weights, or of the predictions if it is no Keras model
    evaluation: Evaluation | None = None  # of the final weights


@dataclass(eq=False)
class SeedRunner:
    """Trains a pipeline with one seed a call; perturbed images show the effect of rounding."""

    pipeline: Any
    dataset: Dataset
    perturbed: bool = False

    def __call__(self, seed: int) -> SeedRun:
        """Train and measure one seed."""
        images, labels, test, slices = self._prepared
        truth = self.dataset.test_labels
        model = self.pipeline.build(seed)
        history = self.pipeline.fit(model, images, labels, seed=seed)
        final = Evaluation(self.pipeline.predict(model, test), truth)
        weights = model.get_weights() if is_keras(model) else [final.probabilities]
        digest = hashlib.sha256(b"".join(array.tobytes() for array in weights)).hexdigest()[:16]
        measured = {"final": measure(final, slices)}
        if "averaged_weights" in history:
            model.set_weights(history["averaged_weights"])
            averaged = Evaluation(self.pipeline.predict(model, test), truth)
            measured["averaged"] = measure(averaged, slices)
        metrics = {f"{of} {name}": x for of, each in measured.items() for name, x in each.items()}
        if "averaged" in measured:
            metrics[NOISE] = metrics["final loss"] - metrics["averaged loss"]
        return SeedRun(seed, metrics, digest, final)

    @cached_property
    def _prepared(self) -> tuple[Floats, Floats, Floats, dict[str, Indices]]:
        """Prepare training images and labels and test images; slice the test images."""
        prepare, data = self.pipeline.prepare_images, self.dataset
        images = prepare(data.train_images)
        if self.perturbed:
            images = perturb(images)
        labels = self.pipeline.prepare_labels(data.train_labels)
        return images, labels, prepare(data.test_images), slice_by_feature(data.test_images)


def perturb(images: Floats) -> Floats:
    """Enlarge every second value by one step of float32: as small as rounding."""
    changed = images.copy()
    every_second = changed.reshape(-1)[::2]
    larger = np.nextafter(every_second, np.float32(np.inf))
    # Zeros stay: the step from 0 is a subnormal number, which processors compute slowly.
    every_second[...] = np.where(every_second == 0, 0, larger)
    return changed


def true_class(evaluation: Evaluation) -> Floats:
    """Return the probability of each image's true digit, shape (N,)."""
    return evaluation.probabilities[np.arange(evaluation.count), evaluation.labels]


def measure(evaluation: Evaluation, slices: dict[str, Indices]) -> dict[str, float]:
    """Measure one evaluation for the gate; `slices` has the indices of each slice's images."""
    digits, recall = np.unique(evaluation.labels).tolist(), evaluation.recall
    by_digit = {f"recall of {digit}": float(recall[digit]) for digit in digits}
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "true-class probability": float(true_class(evaluation).mean(dtype=np.float64)),
        "worst recall": min(by_digit.values()),
        "calibration error": calibration.reliability(evaluation.confidence, evaluation.right).error,
        **by_digit,
        **{name: float(evaluation.right[part].mean()) for name, part in slices.items()},
    }


def as_columns(runs: Sequence[SeedRun]) -> SeedMetrics:
    """Collect the metrics that all runs have into one array a metric."""
    shared = [name for name in runs[0].metrics if all(name in run.metrics for run in runs)]
    return {name: np.array([run.metrics[name] for run in runs]) for name in shared}


def take(metrics: SeedMetrics, places: Indices | Sequence[int]) -> SeedMetrics:
    """Take the seeds at these places of every metric; the result has the shape of `places`."""
    return {key: np.take(values, places) for key, values in metrics.items()}


@contextlib.contextmanager
def open_runner(
    runner: Callable[[int], T], backend: Backend, min_cores: int = MIN_CORES
) -> Iterator[Callable[[Sequence[int]], Iterator[T]]]:
    """Open a function that runs seeds and yields their runs in order; call it as often as needed.

    Without `backend.processes` and with fewer than `min_cores`, seeds run in this process.
    """
    cores = available_cores()
    processes = backend.processes or (1 if cores < min_cores else min(cores, MAX_PROCESSES))
    if processes < 2 and not backend.scheduler:
        yield functools.partial(map, runner)
        return
    try:
        with open_pool(dataclasses.replace(backend, processes=processes)) as pool:
            yield functools.partial(pool.in_order, runner)
    except WorkerDiedError as error:
        reasons = "is there memory, 0.7 GB a process, and can the pipeline's module be imported?"
        raise MnistlabError(f"a training process {error}; {reasons}") from error
