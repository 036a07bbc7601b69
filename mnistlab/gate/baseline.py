"""The accepted state: what was last accepted of a pipeline on a dataset, in one readable file."""

import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.arrays import Bytes
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.gate.baseline_file import (
    DECIMALS,
    FIELDS,
    MAX_BYTES,
    SCHEMA,
    as_json,
    mean_and_sd,
    pack,
    parse,
)
from mnistlab.gate.healthy_range import HealthyRange
from mnistlab.gate.matching import AcceptedSeeds
from mnistlab.gate.seed_runs import SeedMetrics, SeedRun, as_columns
from mnistlab.metrics import Evaluation
from mnistlab.report import write_atomically

FIRST_SEED = 10_000
IDENTITY = ("pipeline", "dataset", "test_sha256", "spec")
"""Candidate and baseline must agree in these. Other training data may be the regression."""
ACCEPT_AGAIN = "accept it again: mnistlab baseline accept"
SHOWN = ("accuracy", "loss", "true-class probability", "worst recall", "calibration error")
"""Metrics that a person is shown."""


class NoBaselineError(MnistlabError):
    """Nothing was accepted yet."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """An accepted state.

    Attributes
    ----------
    pipeline, dataset : str
        Names.
    data_sha256, test_sha256 : str
        Of the whole dataset; of the test images and labels.
    spec : dict
        What the pipeline promises, without bounds.
    accepted, commit : str
        When (UTC, ISO 8601), and the commit of the working directory.
    environment : dict
        Versions and machine.
    first_seed : int
        The other accepted seeds follow.
    error_rates : dict
        Of the gate with its default settings; see `mnistlab.gate.error_rates`.
    columns, repeats : dict of array
        Metrics of the accepted trainings, and of the repeated ones; see `AcceptedSeeds`.
    digests : tuple of str
        Of the accepted trainings.
    predictions, truth : uint8 array, shape (test images,)
        Of the first seed's final weights: predicted digits, and the probability of the true digit
        in steps of 1/255.
    figures : dict of HealthyRange
        Of every number that the suite measures.
    not_judged : tuple of str
        Tests that could not be judged, such as "training::test_loss_falls_every_epoch".
    """

    pipeline: str
    dataset: str
    data_sha256: str
    test_sha256: str
    spec: dict[str, Any]
    accepted: str
    commit: str
    environment: dict[str, Any]
    first_seed: int
    error_rates: dict[str, Any]
    columns: SeedMetrics
    repeats: SeedMetrics
    digests: tuple[str, ...]
    predictions: Bytes
    truth: Bytes
    figures: dict[str, HealthyRange] = field(default_factory=dict)
    not_judged: tuple[str, ...] = ()

    @property
    def seeds(self) -> int:
        """Return the number of accepted seeds."""
        return len(self.digests)

    @property
    def accepted_seeds(self) -> AcceptedSeeds:
        """Return what the recipe gate needs."""
        seeds = tuple(range(self.first_seed, self.first_seed + self.seeds))
        return AcceptedSeeds(self.columns, self.repeats, seeds, self.digests)

    @classmethod
    def from_runs(
        cls,
        pipeline: Any,
        dataset: Dataset,
        runs: Sequence[SeedRun],
        repeats: Sequence[SeedRun],
        environment: dict[str, Any],
    ) -> "Baseline":
        """Make an accepted state of consecutive seeds, without error rates and figures.

        `repeats` are trainings of the first seeds with perturbed images.
        """
        first = runs[0].evaluation
        if first is None:
            raise MnistlabError("the first run has no evaluation to keep")
        return cls(
            **identity(pipeline, dataset),
            data_sha256=dataset.sha256,
            accepted=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            commit=_commit(),
            environment=environment,
            first_seed=runs[0].seed,
            error_rates={},
            columns=_rounded(as_columns(runs)),
            repeats=_rounded(as_columns(repeats)) if repeats else {},
            digests=tuple(run.digest for run in runs),
            predictions=first.predictions.astype(np.uint8),
            truth=true_class_steps(first),
        )

    @classmethod
    def load(cls, path: Path) -> "Baseline":
        """Read an accepted state.

        Raises
        ------
        NoBaselineError
            If there is no such file.
        MnistlabError
            If the file is damaged or of another schema, with the command that replaces it.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            what = "nothing was accepted yet; type: mnistlab baseline accept"
            raise NoBaselineError(f"{path}: {what}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise MnistlabError(
                f"{path}: damaged, {error}; restore it, or {ACCEPT_AGAIN}"
            ) from error
        schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
        if schema != SCHEMA:
            raise MnistlabError(f"{path}: schema {schema!r}, required {SCHEMA}; {ACCEPT_AGAIN}")
        try:
            return cls(**parse(content))
        except (MnistlabError, KeyError, OverflowError, TypeError, ValueError) as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise MnistlabError(
                f"{path}: damaged, {what}; restore it, or {ACCEPT_AGAIN}"
            ) from error

    def save(self, path: Path) -> None:
        """Write the file whole or not at all.

        Raises
        ------
        MnistlabError
            If it would be larger than 200 KB.
        """
        text = as_json(
            {"schema": SCHEMA, **{name: getattr(self, name) for name in FIELDS}},
            {
                "figures": {name: each.as_dict() for name, each in self.figures.items()},
                "summary": {name: mean_and_sd(values) for name, values in self.columns.items()},
                "digests": {str(self.first_seed + at): d for at, d in enumerate(self.digests)},
                "model": {"predictions": pack(self.predictions), "truth": pack(self.truth)},
                "seeds": {name: values.tolist() for name, values in self.columns.items()},
                "repeats": {name: values.tolist() for name, values in self.repeats.items()},
            },
        )
        if (size := len(text.encode())) > MAX_BYTES:
            raise MnistlabError(f"{path}: {size} bytes, at most {MAX_BYTES}: accept fewer seeds")
        write_atomically(path, text)

    def difference(self, other: Mapping[str, Any], where: str) -> str:
        """Name the first field in which this state differs from an identity; "" if in none.

        Parameters
        ----------
        other : mapping
            An `identity`, or part of one.
        where : str
            What the message calls the other: "here".
        """
        for key, value in other.items():
            old, new = ({key: each} for each in (getattr(self, key), value))
            if key == "spec":
                old, new = (_flat_spec(each[key]) for each in (old, new))
            for name in sorted({*old, *new}):
                if old.get(name) != new.get(name):
                    return f"{name} is {old.get(name)!r}, {where} {new.get(name)!r}"
        return ""

    def require_identity(self, other: Mapping[str, Any]) -> None:
        """Raise MnistlabError that names the field if this is the state of something else."""
        if differs := self.difference(other, "here"):
            raise MnistlabError(f"baseline of {self.pipeline}: {differs}; {ACCEPT_AGAIN}")

    def facts(self, path: Path) -> dict[str, Any]:
        """Describe the file for ``verdict.json``."""
        names = ("accepted", "commit", "first_seed", "seeds")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"path": path.as_posix(), **{n: getattr(self, n) for n in names}, "sha256": digest}


def baseline_path(folder: Path, pipeline: str, dataset: str) -> Path:
    """Return the file of a pipeline's accepted state on a dataset."""
    return folder / f"{pipeline}-{dataset}.json"


def identity(pipeline: Any, dataset: Dataset) -> dict[str, Any]:
    """Return the fields of `IDENTITY` as JSON has them, the spec without its bounds."""
    content = hashlib.sha256(np.ascontiguousarray(dataset.test_images).tobytes())
    content.update(np.ascontiguousarray(dataset.test_labels).tobytes())
    left_out = ("bounds", "gate", "image_range", "refuses_wrong_input")  # do not change training
    spec = {name: each for name, each in asdict(pipeline.spec).items() if name not in left_out}
    values = (pipeline.name, dataset.name, content.hexdigest(), json.loads(json.dumps(spec)))
    return dict(zip(IDENTITY, values, strict=True))


def true_class_steps(evaluation: Evaluation) -> Bytes:
    """Return the probability of each image's true digit in steps of 1/255, shape (N,)."""
    truth = evaluation.probabilities[np.arange(evaluation.count), evaluation.labels]
    return np.rint(np.clip(truth, 0, 1) * 255).astype(np.uint8)


def _rounded(columns: SeedMetrics) -> SeedMetrics:
    return {name: np.round(values, DECIMALS) for name, values in columns.items()}


def _flat_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {f"spec.{name}": each for name, each in _without_empty(spec).items()}


def _without_empty(value: Any) -> Any:
    """Leave out None and 0, so that a baseline outlives a new field of the spec."""
    if isinstance(value, dict):
        return {name: _without_empty(each) for name, each in value.items() if each}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


def _commit() -> str:
    """Return the working directory's commit, marked if files differ; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""
