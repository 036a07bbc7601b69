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

from mnistlab.arrays import Doubles, Floats
from mnistlab.data import Dataset, slice_by_feature
from mnistlab.errors import ContractError, MnistlabError, NotJudgedError
from mnistlab.execution import Backend, WorkerDiedError, available_cores, open_pool
from mnistlab.metrics import Evaluation, calibration
from mnistlab.recipe import is_keras

T = TypeVar("T")
SeedMetrics: TypeAlias = dict[str, Doubles]
"""Metrics of many seeds: "averaged accuracy" -> one value a seed, shape (seeds,)."""

NOISE = "final loss above the averaged"
"""Loss of the final weights minus loss of the averaged ones: how noisy the last steps were."""

MAX_PROCESSES = 8
MIN_CORES = 4
"""With fewer cores, one process on all of them is faster: each process takes 4 s to start."""


@dataclass(frozen=True, eq=False)
class SeedRun:
    """One training of a pipeline, measured.

    Attributes
    ----------
    seed : int
    metrics : dict
        Such as "final accuracy" and, if ``fit`` returns averaged weights, "averaged accuracy".
        Accuracies and recalls are fractions, losses are in nats.
    digest : str
        SHA-256 of the trained weights; of the predictions if it is no Keras model. Two trainings
        with one digest are the same to the last bit.
    evaluation : Evaluation
        Of the final weights, on the test set.
    """

    seed: int
    metrics: dict[str, float]
    digest: str
    evaluation: Evaluation | None = None


@dataclass(eq=False)
class SeedRunner:
    """Trains a pipeline with one seed a call; prepares the data once.

    With `perturbed`, every second pixel of the training images is one float32 step larger: a
    change as small as another order of additions, to measure how far one seed's result depends
    on rounding.
    """

    pipeline: Any
    dataset: Dataset
    perturbed: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the prepared data."""
        return SeedRunner, (self.pipeline, self.dataset, self.perturbed)

    def __call__(self, seed: int) -> SeedRun:
        """Train and measure one seed.

        Raises
        ------
        MnistlabError
            If the result cannot be evaluated, for instance because training diverged.
        """
        try:
            return self._run(seed)
        except (ContractError, NotJudgedError):
            raise  # the message holds for every seed
        except MnistlabError as error:
            raise MnistlabError(f"training with seed {seed}: {error}") from error

    def _run(self, seed: int) -> SeedRun:
        images, labels = self._training
        model = self.pipeline.build(seed)
        history = self.pipeline.fit(model, images, labels, seed=seed)
        final = self._evaluate(model)
        digest = _digest(model, final)
        metrics = {f"final {name}": value for name, value in self._measure(final).items()}
        if "averaged_weights" in history:
            model.set_weights(history["averaged_weights"])
            averaged = self._evaluate(model)
            metrics |= {f"averaged {name}": each for name, each in self._measure(averaged).items()}
            metrics[NOISE] = final.loss - averaged.loss
        return SeedRun(seed, metrics, digest, final)

    def _evaluate(self, model: Any) -> Evaluation:
        return Evaluation(self.pipeline.predict(model, self._test), self.dataset.test_labels)

    def _measure(self, evaluation: Evaluation) -> dict[str, float]:
        return measure(evaluation, _slices(self.dataset))

    @cached_property
    def _training(self) -> tuple[Floats, Floats]:
        images = self.pipeline.prepare_images(self.dataset.train_images)
        if self.perturbed:
            images = perturb(images)
        return images, self.pipeline.prepare_labels(self.dataset.train_labels)

    @cached_property
    def _test(self) -> Floats:
        prepared: Floats = self.pipeline.prepare_images(self.dataset.test_images)
        return prepared


def perturb(images: Floats) -> Floats:
    """Enlarge every second value that is not 0 by one step of float32.

    Zeros stay: the step from 0 is a subnormal number, which processors compute slowly.
    """
    changed = images.copy()
    every_second = changed.reshape(-1)[::2]
    every_second[...] = np.where(
        every_second == 0, 0, np.nextafter(every_second, np.float32(np.inf))
    )
    return changed


def _digest(model: Any, evaluation: Evaluation) -> str:
    arrays = model.get_weights() if is_keras(model) else [evaluation.probabilities]
    content = hashlib.sha256()
    for array in arrays:
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()[:16]


@functools.lru_cache(maxsize=1)
def _slices(dataset: Dataset) -> dict[str, Any]:
    return slice_by_feature(dataset.test_images)


def measure(evaluation: Evaluation, slices: dict[str, Any]) -> dict[str, float]:
    """Measure one evaluation for the gate.

    Parameters
    ----------
    evaluation : Evaluation
    slices : dict of int array
        Name of a slice of the test set -> indices of its images.

    Returns
    -------
    dict of float
        Accuracy, loss (nats), mean probability of the true class, worst recall, expected
        calibration error, recall of each digit that has images, accuracy on each slice.
    """
    recall = {
        f"recall of {digit}": float(value)
        for digit, value in enumerate(evaluation.recall)
        if not np.isnan(value)
    }
    reliability = calibration.reliability(evaluation.confidence, evaluation.right)
    truth = evaluation.probabilities[np.arange(evaluation.count), evaluation.labels]
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "true-class probability": float(truth.mean(dtype=np.float64)),
        "worst recall": min(recall.values()),
        "calibration error": reliability.error,
        **recall,
        **{name: float(evaluation.right[part].mean()) for name, part in slices.items()},
    }


def as_columns(runs: Sequence[SeedRun]) -> SeedMetrics:
    """Collect the metrics that all runs have, at least one run, into one array a metric."""
    shared = [name for name in runs[0].metrics if all(name in run.metrics for run in runs)]
    return {name: np.array([run.metrics[name] for run in runs]) for name in shared}


@contextlib.contextmanager
def open_runner(
    runner: Callable[[int], T], backend: Backend, min_cores: int = MIN_CORES
) -> Iterator[Callable[[Sequence[int]], Iterator[T]]]:
    """Open a function that runs seeds and yields their runs in order; call it as often as needed.

    `runner` is a `SeedRunner`, or another function of a seed that can be pickled. Without
    `backend.processes`, seeds run in this process on a machine of fewer than `min_cores`, else in
    one process a core. In other processes the pipeline must be importable or picklable.

    Raises
    ------
    MnistlabError
        If a training fails, a process dies, or the cluster cannot be used.
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
