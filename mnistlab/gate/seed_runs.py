"""Trains a pipeline with many seeds and measures each: the draws that the recipe gate compares."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.data import CORRUPTIONS, Dataset, corrupt, slice_by_feature
from mnistlab.errors import ContractError, MnistlabError, NotJudgedError
from mnistlab.execution import Backend, WorkerDiedError, available_cores, open_pool
from mnistlab.metrics import SEVERITY, Evaluation, reliability

SeedMetrics = dict[str, dict[str, NDArray[np.float64]]]
"""Metrics of many seeds: probe, metric -> one value a seed."""

GAP = "loss above the averaged"
"""The final weights' loss less that of the averaged ones: how noisy the last steps were."""

CORRUPTED = 1000
"""The first test images, which every corruption is tried on: all would take as long as the training."""

MOST_PROCESSES = 8
"""As many as the first look has seeds; each takes 0.7 GB."""

FEW_CORES = 4
HERE = Backend()


@dataclass(frozen=True, eq=False)
class SeedRun:
    """What one training came to."""

    seed: int
    metrics_of: dict[
        str, dict[str, float]
    ]  # "final" and, where the engine trains, "averaged": their metrics by name
    evaluation: Evaluation  # of the final weights


@dataclass(eq=False)
class SeedRunner:
    """Trains a pipeline on a dataset, one seed a call; prepares the data at the first."""

    pipeline: Any
    dataset: Dataset
    corrupts: bool = True  # whether accuracy under corruption is measured too: no gate needs it

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel without what it keeps."""
        return SeedRunner, (self.pipeline, self.dataset, self.corrupts)

    def __call__(self, seed: int) -> SeedRun:
        """Build, train and measure one seed; MnistlabError if it cannot be evaluated, for instance as it diverged."""
        try:
            return self._measure(seed)
        except (ContractError, NotJudgedError):
            raise  # what it says is true of every seed
        except MnistlabError as error:
            raise MnistlabError(f"training with seed {seed}: {error}") from error

    def _measure(self, seed: int) -> SeedRun:
        images, labels = self._training
        model = self.pipeline.build(seed)
        history = self.pipeline.fit(model, images, labels, seed=seed)
        final, weights = self._probe(model)
        metrics_of = {"final": weights}
        if "averaged_weights" in history:
            model.set_weights(history["averaged_weights"])
            averaged, metrics_of["averaged"] = self._probe(model)
            weights[GAP] = final.loss - averaged.loss
        return SeedRun(seed, metrics_of, final)

    def _probe(self, model: Any) -> tuple[Evaluation, dict[str, float]]:
        """Measure a model as it is now."""
        evaluation = Evaluation(self.pipeline.predict(model, self._test), self.dataset.test_labels)
        return evaluation, metrics(evaluation, _slices(self.dataset)) | self._under_corruption(
            model
        )

    def _under_corruption(self, model: Any) -> dict[str, float]:
        """Measure mean accuracy under corruption, where it is wanted and can be; robustness has its own tests."""
        if not self.corrupts:
            return {}
        labels = np.tile(self.dataset.test_labels[:CORRUPTED], len(CORRUPTIONS))
        try:
            return {
                "corruption accuracy": Evaluation(
                    self.pipeline.predict(model, self._corrupted), labels
                ).accuracy
            }
        except MnistlabError:
            return {}

    @cached_property
    def _training(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        data = self.dataset
        return self.pipeline.prepare_images(data.train_images), self.pipeline.prepare_labels(
            data.train_labels
        )

    @cached_property
    def _test(self) -> NDArray[np.float32]:
        prepared: NDArray[np.float32] = self.pipeline.prepare_images(self.dataset.test_images)
        return prepared

    @cached_property
    def _corrupted(self) -> NDArray[np.float32]:
        """The first test images under every corruption, one corruption behind the other: 41 MB."""
        images = self.dataset.test_images[:CORRUPTED]
        return np.concatenate(
            [self.pipeline.prepare_images(corrupt(images, name, SEVERITY)) for name in CORRUPTIONS]
        )


@functools.lru_cache(maxsize=1)
def _slices(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    return slice_by_feature(dataset.test_images)


def metrics(evaluation: Evaluation, slices: dict[str, NDArray[np.int64]]) -> dict[str, float]:
    """Measure one evaluation, with the indices of images by the slice's name.

    Accuracy, worst recall, the recall of each digit (that has images) and the accuracy of each slice, as fractions;
    loss in nats; expected calibration error, a fraction.
    """
    recall = {
        f"digit {digit}": float(value)
        for digit, value in enumerate(evaluation.recall)
        if not np.isnan(value)
    }
    return {
        "accuracy": evaluation.accuracy,
        "loss": evaluation.loss,
        "worst recall": min(recall.values()),
        "calibration error": reliability(evaluation.confidence, evaluation.right).error,
        **recall,
        **{name: float(evaluation.right[part].mean()) for name, part in slices.items()},
    }


def columns(seeds: Sequence[SeedRun]) -> SeedMetrics:
    """Turn seeds, at least one, into arrays, one for each metric that all of them have."""
    rows = [seed.metrics_of for seed in seeds]
    shared = {
        weights: set.intersection(*(set(row.get(weights, ())) for row in rows))
        for weights in rows[0]
    }
    return {
        weights: {
            name: np.array([row[weights][name] for row in rows])
            for name in rows[0][weights]
            if name in names
        }
        for weights, names in shared.items()
        if names
    }


@contextlib.contextmanager
def trainings(
    trainer: SeedRunner, place: Backend
) -> Iterator[Callable[[Sequence[int]], Iterator[SeedRun]]]:
    """Give a function that trains seeds and yields each in their order, as `train_seeds` does, any number of times.

    Parameters
    ----------
    trainer : Trainer
        Of a pipeline that can be pickled, if it is trained in other processes.
    place : Place
        Where; by default in as many processes as pay: in this one, and on all cores, where there are less than four
        (a process takes 4 s to load TensorFlow, and two cores train one seed 1.5 times as fast as one does), else in
        one a core.

    Raises
    ------
    MnistlabError
        If a training fails, a process dies, or the cluster cannot be used.
    """
    cores = available_cores()
    processes = place.processes or (1 if cores < FEW_CORES else min(cores, MOST_PROCESSES))
    if processes < 2 and not place.scheduler:
        yield functools.partial(map, trainer)
        return
    try:
        with open_pool(dataclasses.replace(place, processes=processes)) as pool:
            yield functools.partial(pool.in_order, trainer)
    except WorkerDiedError as error:
        reasons = "is there memory, 0.7 GB a process, and can the pipeline's module be imported?"
        raise MnistlabError(f"a training process {error}; {reasons}") from error


def train_seeds(
    pipeline: Any, dataset: Dataset, seeds: Sequence[int], place: Backend = HERE
) -> Iterator[SeedRun]:
    """Train seeds and yield each in the order of `seeds`; see `trainings`."""
    with trainings(SeedRunner(pipeline, dataset), place) as train:
        yield from train(seeds)
