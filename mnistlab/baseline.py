"""What was last accepted: one readable file a pipeline and dataset."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import json
import subprocess
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.seeds import GAP, Columns, Seed, columns

SCHEMA = 1
LARGEST = 100_000  # bytes
FIRST_SEED = 1_000_000_000
"""Far from the seeds of a run, so that candidate and baseline are independent draws, as Welch's test takes them."""
FIELDS = ("schema", "pipeline", "dataset", "data_sha256", "test_sha256", "spec", "accepted", "commit", "environment")
SHOWN = ("accuracy", "loss", "worst recall", "calibration error", "corruption accuracy")
"""Metrics for people, of both probes."""
AGAIN = "accept it again: mnistlab baseline accept"


class NoBaselineError(MnistlabError):
    """Nothing was accepted yet."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """What was accepted, and when, where and of what."""

    pipeline: str
    dataset: str
    data_sha256: str  # of the whole dataset
    test_sha256: str  # of its test images and labels
    spec: dict[str, Any]  # the promise of the pipeline, without its bounds
    accepted: str  # UTC in ISO 8601
    commit: str  # of the source, where there is one
    environment: dict[str, Any]  # versions and machine
    first_seed: int  # the others follow
    columns: Columns  # metrics of the seeds
    predictions: NDArray[np.uint8]  # digits that the first seed's final weights predict, shape (test images,)
    truth: NDArray[np.uint8]  # the probability of the true digit, 0 to 1 in 255 steps, shape (test images,)

    @property
    def seeds(self) -> int:
        """How many seeds were accepted."""
        return len(self.columns["final"]["accuracy"])


def path_of(folder: Path, pipeline: str, dataset: str) -> Path:
    """Return where the baseline of a pipeline on a dataset is kept."""
    return folder / f"{pipeline}-{dataset}.json"


def made_of(pipeline: Any, dataset: Dataset, seeds: Sequence[Seed], environment: dict[str, Any]) -> Baseline:
    """Make a baseline of trained, consecutive seeds; `environment` is kept for people."""
    kept = columns(seeds)
    if "averaged" in kept:  # digits and slices are judged on the averaged weights, where there are any
        kept["final"] = {name: values for name, values in kept["final"].items() if name in (*SHOWN, GAP)}
    kept = {probe: {name: np.round(values, 5) for name, values in found.items()} for probe, found in kept.items()}
    first = seeds[0].evaluation
    truth = first.probabilities[np.arange(first.count), first.labels]
    return Baseline(
        pipeline=pipeline.name,
        dataset=dataset.name,
        data_sha256=dataset.sha256,
        test_sha256=test_sha256(dataset),
        spec=spec_of(pipeline),
        accepted=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        commit=_commit(),
        environment=environment,
        first_seed=seeds[0].seed,
        columns=kept,
        predictions=first.predictions.astype(np.uint8),
        truth=np.rint(np.clip(truth, 0, 1) * 255).astype(np.uint8),
    )


def test_sha256(dataset: Dataset) -> str:
    """Return the SHA-256 of test images and labels in hexadecimal."""
    content = hashlib.sha256(np.ascontiguousarray(dataset.test_images).tobytes())
    content.update(np.ascontiguousarray(dataset.test_labels).tobytes())
    return content.hexdigest()


def spec_of(pipeline: Any) -> dict[str, Any]:
    """Return what a pipeline promises about architecture and recipe, as JSON has it."""
    fields = dataclasses.asdict(pipeline.spec)
    fields.pop("bounds", None)
    plain: dict[str, Any] = json.loads(json.dumps(fields))
    return plain


def check_data(baseline: Baseline, pipeline: Any, dataset: Dataset) -> None:
    """Raise MnistlabError if this is a baseline of another pipeline or of other test images.

    Other training data are no such thing, for they may be the regression.
    """
    wanted = {"pipeline": pipeline.name, "dataset": dataset.name, "test_sha256": test_sha256(dataset)}
    for field, value in wanted.items():
        if (got := getattr(baseline, field)) != value:
            raise MnistlabError(f"baseline of {baseline.pipeline}: {field} is {got!r}, here it is {value!r}; {AGAIN}")


def check(baseline: Baseline, pipeline: Any, dataset: Dataset) -> None:
    """Raise MnistlabError, naming the first field that differs, if this is a baseline of something else."""
    check_data(baseline, pipeline, dataset)
    accepted, spec = _stated(baseline.spec), _stated(spec_of(pipeline))
    for field in sorted({*spec, *accepted}):
        if (got := accepted.get(field)) != (value := spec.get(field)):
            raise MnistlabError(f"baseline of {baseline.pipeline}: spec.{field} is {got!r}, here {value!r}; {AGAIN}")


def _stated(value: Any) -> Any:
    """Leave out what says nothing (None, 0), so that a baseline outlives a new field of the spec."""
    if isinstance(value, dict):
        return {name: _stated(each) for name, each in value.items() if each}
    return [_stated(each) for each in value] if isinstance(value, list) else value


def dump(baseline: Baseline) -> str:
    """Write a baseline as JSON with one line a metric, so that two can be compared line by line."""
    head = {name: getattr(baseline, name, SCHEMA) for name in FIELDS}
    head["first_seed"] = baseline.first_seed
    summary = {f"{probe} {name}": summarised(each) for probe, name, each in _each(baseline.columns)}
    seeds = {f"{probe} {name}": each.tolist() for probe, name, each in _each(baseline.columns)}
    model = {"predictions": pack(baseline.predictions), "truth": pack(baseline.truth)}
    lines = [f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()]
    for name, block in (("summary", summary), ("model", model), ("seeds", seeds)):
        rows = (f"  {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}" for key, value in block.items())
        lines.append(f' "{name}": {{\n' + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def summarised(values: NDArray[np.float64]) -> list[float]:
    """Return mean and standard deviation, rounded for people."""
    return [round(float(values.mean()), 6), round(float(values.std(ddof=1)), 6) if len(values) > 1 else 0.0]


def save(baseline: Baseline, path: Path) -> None:
    """Write a baseline to the side and rename it; MnistlabError if it is larger than 100 KB."""
    from mnistlab.record import write_atomically

    text = dump(baseline)
    if len(text.encode()) > LARGEST:
        raise MnistlabError(f"{path}: {len(text.encode())} bytes; at most {LARGEST}: accept fewer seeds")
    write_atomically(path, text)


def load(path: Path) -> Baseline:
    """Read a baseline.

    Raises
    ------
    NoBaselineError
        If there is none.
    MnistlabError
        Naming the damage, if it is damaged or of another schema.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoBaselineError(f"{path}: nothing was accepted yet; type: mnistlab baseline accept") from None
    except (OSError, ValueError) as error:
        raise MnistlabError(f"{path}: damaged, {error}; restore it, or {AGAIN}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        got = found.get("schema") if isinstance(found, dict) else type(found).__name__
        raise MnistlabError(f"{path}: schema is {got!r}, required {SCHEMA}; {AGAIN}")
    try:
        return _parse(found)
    except KeyError as error:
        raise MnistlabError(f"{path}: damaged, {error} is missing; restore it, or {AGAIN}") from error
    except (MnistlabError, AttributeError, TypeError, ValueError) as error:
        raise MnistlabError(f"{path}: damaged, {error}; restore it, or {AGAIN}") from error


def _parse(found: dict[str, Any]) -> Baseline:
    kept: Columns = {}
    lengths = set()
    for key, values in found["seeds"].items():
        probe, _, name = key.partition(" ")
        array = np.asarray(values, dtype=np.float64)
        if array.ndim != 1 or not array.size or not np.isfinite(array).all():
            raise MnistlabError(f"{key!r} is not a list of numbers")
        if summarised(array) != found["summary"][key]:
            raise MnistlabError(f"{key!r}: its seeds have mean and sd {summarised(array)}, not {found['summary'][key]}")
        kept.setdefault(probe, {})[name] = array
        lengths.add(array.size)
    if len(lengths) != 1 or "accuracy" not in kept.get("final", {}):
        raise MnistlabError(f"the metrics have {sorted(lengths)} seeds; required one number, and 'final accuracy'")
    predictions, truth = (unpack(found["model"][name], name) for name in ("predictions", "truth"))
    if len(predictions) != len(truth):
        raise MnistlabError(f"{len(predictions)} predictions and {len(truth)} probabilities")
    head = {name: found[name] for name in FIELDS if name != "schema"}
    return Baseline(**head, first_seed=found["first_seed"], columns=kept, predictions=predictions, truth=truth)


def _each(kept: Columns) -> list[tuple[str, str, NDArray[np.float64]]]:
    return [(probe, name, values) for probe, found in kept.items() for name, values in found.items()]


def pack(array: NDArray[np.uint8]) -> str:
    """Compress uint8 of any shape into text."""
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")


def unpack(text: str, name: str) -> NDArray[np.uint8]:
    """Undo `pack`, flat; MnistlabError with the name if it is damaged."""
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), np.uint8)
    except (binascii.Error, zlib.error) as error:
        raise MnistlabError(f"{name!r} cannot be read ({error})") from error


def _commit() -> str:
    """Return the commit of the working directory, with a mark if something in it differs; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
