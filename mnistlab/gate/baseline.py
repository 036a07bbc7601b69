"""What was last accepted: one readable file a pipeline and dataset."""

import base64
import hashlib
import json
import re
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.gate.seed_runs import GAP, SeedMetrics, SeedRun, columns
from mnistlab.metrics import Evaluation
from mnistlab.report import write_atomically

SCHEMA = 1
LARGEST = 100_000  # bytes
FIRST_SEED = 1_000_000_000
"""Far from the seeds of a run, so that candidate and baseline are independent draws, as Welch's test takes them."""
FIELDS: dict[str, type] = dict.fromkeys(("pipeline", "dataset", "data_sha256", "test_sha256"), str)
FIELDS |= {"spec": dict, "accepted": str, "commit": str, "environment": dict, "first_seed": int}
KINDS: dict[type, str] = {str: "text", dict: "a table", int: "a whole number from 0"}
IDENTITY = ("pipeline", "dataset", "test_sha256", "spec")
"""What is held against a baseline must share these; other training data may be the regression."""
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
    columns: SeedMetrics  # metrics of the seeds
    predictions: NDArray[
        np.uint8
    ]  # digits that the first seed's final weights predict, shape (test images,)
    truth: NDArray[np.uint8]  # as `true_class_probability` gives it, of the same weights

    @property
    def seeds(self) -> int:
        """How many seeds were accepted."""
        return len(self.columns["final"]["accuracy"])


def path_of(folder: Path, pipeline: str, dataset: str) -> Path:
    """Return where the baseline of a pipeline on a dataset is kept."""
    return folder / f"{pipeline}-{dataset}.json"


def made_of(
    pipeline: Any, dataset: Dataset, seeds: Sequence[SeedRun], environment: dict[str, Any]
) -> Baseline:
    """Make a baseline of trained, consecutive seeds; `environment` is kept for people."""
    kept = columns(seeds)
    if (
        "averaged" in kept
    ):  # digits and slices are judged on the averaged weights, where there are any
        kept["final"] = {
            name: values for name, values in kept["final"].items() if name in (*SHOWN, GAP)
        }
    kept = {
        weights: {name: np.round(values, 5) for name, values in found.items()}
        for weights, found in kept.items()
    }
    first = seeds[0].evaluation
    return Baseline(
        **identity(pipeline, dataset),
        data_sha256=dataset.sha256,
        accepted=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        commit=_commit(),
        environment=environment,
        first_seed=seeds[0].seed,
        columns=kept,
        predictions=first.predictions.astype(np.uint8),
        truth=true_class_probability(first),
    )


def true_class_probability(evaluation: Evaluation) -> NDArray[np.uint8]:
    """Return the probability of each image's true digit, 0 to 1 in 255 steps, shape (N,)."""
    truth = evaluation.probabilities[np.arange(evaluation.count), evaluation.labels]
    return np.rint(np.clip(truth, 0, 1) * 255).astype(np.uint8)


def identity(pipeline: Any, dataset: Dataset) -> dict[str, Any]:
    """Return the fields of `IDENTITY` as JSON has them: the spec without its bounds."""
    content = hashlib.sha256(np.ascontiguousarray(dataset.test_images).tobytes())
    content.update(np.ascontiguousarray(dataset.test_labels).tobytes())
    spec = {name: value for name, value in asdict(pipeline.spec).items() if name != "bounds"}
    own = (pipeline.name, dataset.name, content.hexdigest(), json.loads(json.dumps(spec)))
    return dict(zip(IDENTITY, own, strict=True))


def check(baseline: Baseline, wanted: Mapping[str, Any]) -> None:
    """Raise MnistlabError, naming the field, if this is a baseline of something else: see `difference`."""
    if differs := difference(baseline, wanted, "here"):
        raise MnistlabError(f"baseline of {baseline.pipeline}: {differs}; {AGAIN}")


def difference(baseline: Baseline, wanted: Mapping[str, Any], where: str) -> str:
    """Say in which field first a baseline differs from an `identity`, or from part of one; nothing if in none."""
    for field, value in wanted.items():
        old, new = ({field: each} for each in (getattr(baseline, field), value))
        if field == "spec":
            old, new = (
                {f"spec.{name}": each for name, each in _stated(spec[field]).items()}
                for spec in (old, new)
            )
        for name in sorted({*old, *new}):
            if old.get(name) != new.get(name):
                return f"{name} is {old.get(name)!r}, {where} {new.get(name)!r}"
    return ""


def _stated(value: Any) -> Any:
    """Leave out what says nothing (None, 0), so that a baseline outlives a new field of the spec."""
    if isinstance(value, dict):
        return {name: _stated(each) for name, each in value.items() if each}
    return [_stated(each) for each in value] if isinstance(value, list) else value


def dump(baseline: Baseline) -> str:
    """Write a baseline as JSON with one line a metric, so that two can be compared line by line."""
    head = {"schema": SCHEMA, **{name: getattr(baseline, name) for name in FIELDS}}
    each = {
        f"{weights} {name}": one
        for weights, found in baseline.columns.items()
        for name, one in found.items()
    }
    blocks: dict[str, dict[str, Any]] = {
        "summary": {key: summarised(values) for key, values in each.items()},
        "model": {"predictions": pack(baseline.predictions), "truth": pack(baseline.truth)},
        "seeds": {key: values.tolist() for key, values in each.items()},
    }
    lines = [
        f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"
        for name, value in head.items()
    ]
    for name, block in blocks.items():
        rows = (
            f"  {json.dumps(key)}: {json.dumps(value, separators=(',', ':'))}"
            for key, value in block.items()
        )
        lines.append(f' "{name}": {{\n' + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def summarised(values: NDArray[np.float64]) -> list[float]:
    """Return mean and standard deviation, rounded for people."""
    return [
        round(float(values.mean()), 6),
        round(float(values.std(ddof=1)), 6) if len(values) > 1 else 0.0,
    ]


def save(baseline: Baseline, path: Path) -> None:
    """Write a baseline to the side and rename it; MnistlabError if it is larger than 100 KB."""
    text = dump(baseline)
    if len(text.encode()) > LARGEST:
        raise MnistlabError(
            f"{path}: {len(text.encode())} bytes; at most {LARGEST}: accept fewer seeds"
        )
    write_atomically(path, text)


def load(path: Path) -> Baseline:
    """Read a baseline; NoBaselineError if there is none, MnistlabError with the damage or another schema."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoBaselineError(
            f"{path}: nothing was accepted yet; type: mnistlab baseline accept"
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise MnistlabError(f"{path}: damaged, {error}; restore it, or {AGAIN}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        got = found.get("schema") if isinstance(found, dict) else type(found).__name__
        raise MnistlabError(f"{path}: schema is {got!r}, required {SCHEMA}; {AGAIN}")
    try:
        return _parse(found)
    except (MnistlabError, KeyError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise MnistlabError(f"{path}: damaged, {what}; restore it, or {AGAIN}") from error


def _parse(found: dict[str, Any]) -> Baseline:
    for name, kind in (FIELDS | {"summary": dict, "model": dict, "seeds": dict}).items():
        if type(found[name]) is not kind or (kind is int and found[name] < 0):
            raise MnistlabError(f"{name!r} is {found[name]!r:.60}, required {KINDS[kind]}")
    kept: SeedMetrics = {}
    lengths = set()
    for key, values in found["seeds"].items():
        weights, _, name = key.partition(" ")
        numbers = (
            isinstance(values, list)
            and values
            and all(type(value) in (int, float) for value in values)
        )
        array = np.asarray(values if numbers else [np.nan], dtype=np.float64)
        if not np.isfinite(array).all():
            raise MnistlabError(f"{key!r} is not a list of numbers")
        if name != GAP and (array.min() < 0 or (array.max() > 1 and name != "loss")):
            raise MnistlabError(
                f"{key!r} is {array.min():g} to {array.max():g}, required 0 to 1, of a loss from 0"
            )
        if summarised(array) != found["summary"][key]:
            raise MnistlabError(
                f"{key!r}: its seeds have mean and sd {summarised(array)}, not {found['summary'][key]}"
            )
        kept.setdefault(weights, {})[name] = array
        lengths.add(array.size)
    for name in ("final accuracy", "final loss", "final worst recall"):  # which every gate judges
        found["seeds"][name]
    if len(lengths) != 1:
        raise MnistlabError(f"the metrics have {sorted(lengths)} seeds; required one number")
    predictions, truth = (unpack(found["model"][name], name) for name in ("predictions", "truth"))
    if len(predictions) != len(truth):
        raise MnistlabError(f"{len(predictions)} predictions and {len(truth)} probabilities")
    if predictions.max(initial=0) > 9:
        raise MnistlabError(f"'predictions' are up to {predictions.max()}, required digits, 0 to 9")
    return Baseline(
        **{name: found[name] for name in FIELDS}, columns=kept, predictions=predictions, truth=truth
    )


def unused_seed(path: Path) -> int:
    """Return the first seed that surely was not accepted before, be the file damaged or of another schema.

    It has fewer seeds than bytes. Where not even its first seed can be read, another block is begun.
    """
    try:
        old = load(path)
        return old.first_seed + old.seeds
    except NoBaselineError:
        return FIRST_SEED
    except MnistlabError:
        text = path.read_bytes() if path.is_file() else b""
        first = re.search(rb'"first_seed": ?(\d{1,10})\b', text)
        return int(first[1]) + LARGEST if first else 2 * FIRST_SEED


def facts(baseline: Baseline, path: Path) -> dict[str, Any]:
    """Return for ``verdict.json`` which baseline it was."""
    found = {
        name: getattr(baseline, name) for name in ("accepted", "commit", "first_seed", "seeds")
    }
    return {
        "path": path.as_posix(),
        **found,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def pack(array: NDArray[np.uint8]) -> str:
    """Compress uint8 of any shape into text."""
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")


def unpack(text: str, name: str) -> NDArray[np.uint8]:
    """Undo `pack`, flat; MnistlabError with the name if it is damaged."""
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), np.uint8)
    except (TypeError, ValueError, zlib.error) as error:
        raise MnistlabError(f"{name!r} cannot be read ({error})") from error


def _commit() -> str:
    """Return the commit of the working directory, with a mark if something in it differs; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
