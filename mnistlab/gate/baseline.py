"""The accepted state: what was last accepted of a pipeline on a dataset, in one readable file."""

import base64
import hashlib
import json
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, Bytes, Doubles
from mnistlab.data import Dataset
from mnistlab.errors import MnistlabError
from mnistlab.gate.healthy_range import RULES, HealthyRange
from mnistlab.gate.plan import AcceptedSeeds
from mnistlab.gate.seed_runs import NOISE, SeedMetrics, SeedRun, as_columns, true_class
from mnistlab.metrics import Evaluation
from mnistlab.report import write_atomically

SCHEMA = 2
MAX_BYTES = 200_000
DECIMALS = 7
FIRST_SEED = 10_000
# Candidate and baseline must agree in these. Other training data may be the regression.
IDENTITY = ("pipeline", "dataset", "test_sha256", "spec")
ACCEPT_AGAIN = "accept it again: mnistlab baseline accept"
# Metrics that a person is shown.
SHOWN = ("accuracy", "loss", "true-class probability", "worst recall", "calibration error")
DAMAGED = (MnistlabError, OSError, KeyError, OverflowError, TypeError, ValueError, RecursionError)
BLOCKS = ("figures", "summary", "digests", "model", "seeds", "repeats")  # one line an entry
KINDS = {str: "text", dict: "a table", list: "a list", int: "a whole number from 0"}
# Fields of a Baseline that the file holds as they are, one line each.
HEAD: dict[str, type] = {
    **dict.fromkeys(("pipeline", "dataset", "data_sha256", "test_sha256"), str),
    **dict.fromkeys(("accepted", "commit"), str),
    **dict.fromkeys(("spec", "environment", "error_rates"), dict),
    "first_seed": int,
    "not_judged": list,
}


class NoBaselineError(MnistlabError):
    """Nothing was accepted yet."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """An accepted state; predictions are of the first seed's final weights, shape (images,)."""

    pipeline: str
    dataset: str
    data_sha256: str
    test_sha256: str  # of the test images and labels
    spec: dict[str, Any]  # without bounds
    accepted: str
    commit: str
    environment: dict[str, Any]
    first_seed: int
    error_rates: dict[str, Any]  # of the gate with its default settings
    columns: SeedMetrics
    repeats: SeedMetrics  # of the first seeds, as in `AcceptedSeeds`
    digests: tuple[str, ...]
    predictions: Bytes
    truth: Bytes  # probability of the true digit in steps of 1/255
    figures: dict[str, HealthyRange] = field(default_factory=dict)
    not_judged: tuple[str, ...] = ()  # tests, such as "training::test_loss_falls_every_epoch"

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
        """Make an accepted state without error rates and figures; the first run is evaluated."""
        first: Any = runs[0].evaluation
        columns, again = (
            {name: np.round(values, DECIMALS) for name, values in as_columns(part).items()}
            for part in (runs, repeats)
        )
        return cls(
            **identity(pipeline, dataset),
            data_sha256=dataset.sha256,
            accepted=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            commit=_commit(),
            environment=environment,
            first_seed=runs[0].seed,
            error_rates={},
            columns=columns,
            repeats=again,
            digests=tuple(run.digest for run in runs),
            predictions=first.predictions.astype(np.uint8),
            truth=true_class_steps(first),
        )

    @classmethod
    def load(cls, path: Path) -> "Baseline":
        """Read an accepted state; an error says what is wrong and how to replace the file."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
            if schema == SCHEMA:
                return cls(**_parse(content))
        except FileNotFoundError:
            what = "nothing was accepted yet; type: mnistlab baseline accept"
            raise NoBaselineError(f"{path}: {what}") from None
        except DAMAGED as error:
            what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            advice = f"restore it, or {ACCEPT_AGAIN}"
            raise MnistlabError(f"{path}: damaged, {what}; {advice}") from error
        raise MnistlabError(f"{path}: schema {schema!r}, required {SCHEMA}; {ACCEPT_AGAIN}")

    def save(self, path: Path) -> None:
        """Write the file whole or not at all, one line a metric: two files can be compared."""
        head = {"schema": SCHEMA, **{name: getattr(self, name) for name in HEAD}}
        lines = [f" {json.dumps(name)}: {_compact(value)}" for name, value in head.items()]
        blocks: dict[str, dict[str, Any]] = {
            "figures": {name: each.as_dict() for name, each in self.figures.items()},
            "summary": {name: mean_and_sd(values) for name, values in self.columns.items()},
            "digests": {str(self.first_seed + at): d for at, d in enumerate(self.digests)},
            "model": {"predictions": pack(self.predictions), "truth": pack(self.truth)},
            "seeds": {name: values.tolist() for name, values in self.columns.items()},
            "repeats": {name: values.tolist() for name, values in self.repeats.items()},
        }
        for name, block in blocks.items():
            rows = (f"  {json.dumps(key)}: {_compact(value)}" for key, value in block.items())
            lines.append(f' "{name}": {{\n' + ",\n".join(rows) + "\n }")
        text = "{\n" + ",\n".join(lines) + "\n}\n"
        if (size := len(text.encode())) > MAX_BYTES:
            raise MnistlabError(f"{path}: {size} bytes, at most {MAX_BYTES}: accept fewer seeds")
        write_atomically(path, text)

    def difference(self, other: Mapping[str, Any], where: str) -> str:
        """Name the first field that differs from an `identity` or part of one; "" if none does."""
        old, new = _flat({key: getattr(self, key) for key in other}), _flat(other)
        for name in dict.fromkeys([*old, *new]):
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
    test = dataset.test_images.tobytes() + dataset.test_labels.tobytes()
    left_out = ("bounds", "gate", "image_range", "refuses_wrong_input")  # do not change training
    spec = {name: each for name, each in asdict(pipeline.spec).items() if name not in left_out}
    return {
        "pipeline": pipeline.name,
        "dataset": dataset.name,
        "test_sha256": hashlib.sha256(test).hexdigest(),
        "spec": json.loads(json.dumps(spec)),
    }


def true_class_steps(evaluation: Evaluation) -> Bytes:
    """Return the probability of each image's true digit in steps of 1/255, shape (N,)."""
    return np.rint(255 * np.clip(true_class(evaluation), 0, 1)).astype(np.uint8)


def mean_and_sd(values: Doubles) -> list[float]:
    """Return mean and standard deviation, rounded for people."""
    return [round(float(value), DECIMALS) for value in (values.mean(), values.std(ddof=1))]


def pack(array: Bytes) -> str:
    """Compress uint8 of any shape into text."""
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")


def unpack(text: str, name: str) -> Bytes:
    """Undo `pack`, flat, up to `MAX_BYTES`; MnistlabError names the damaged field."""
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(base64.b64decode(text, validate=True), MAX_BYTES)
    except (TypeError, ValueError, zlib.error) as error:
        raise MnistlabError(f"{name!r} cannot be read ({error})") from error
    if not stream.eof:
        raise MnistlabError(f"{name!r} cannot be read (cut off, or more than {MAX_BYTES} images)")
    return np.frombuffer(content, np.uint8)


def _parse(content: dict[str, Any]) -> dict[str, Any]:
    """Check the content of a file; return the fields of a Baseline."""
    for name, kind in {**HEAD, **dict.fromkeys(BLOCKS, dict)}.items():
        value, right = content[name], type(content[name]) is kind
        right = right and (kind is not int or value >= 0)
        _require(right, f"{name!r} is {value!r:.60}, required {KINDS[kind]}")
    first, digests, count = content["first_seed"], content["digests"], len(content["digests"])
    seeds = [str(seed) for seed in range(first, first + count)]
    _require(list(digests) == seeds, f"'digests' are not of {count} seeds from {first}")
    columns, repeats = (
        {name: _numbers(name, values) for name, values in content[part].items()}
        for part in ("seeds", "repeats")
    )
    for name, values in columns.items():
        _require(len(values) == count, f"{name!r} has {len(values)} values for {count} digests")
        got, stated = mean_and_sd(values), content["summary"][name]
        # Another machine may round the last decimal otherwise.
        near = np.allclose(got, stated, rtol=0, atol=2 / 10**DECIMALS)
        _require(near, f"{name!r}: its seeds have mean and sd {got}, not {stated}")
    required = {"final accuracy", "final loss"}
    _require(required <= columns.keys(), "accuracy and loss of the final weights are missing")
    lengths = sorted({len(values) for values in repeats.values()})
    fit = repeats.keys() == columns.keys() and len(lengths) == 1 and lengths[0] <= count
    _require(fit or not repeats, f"'repeats' has {len(repeats)} metrics of {lengths} seeds")
    predictions, truth = (unpack(content["model"][name], name) for name in ("predictions", "truth"))
    images, most = len(predictions), predictions.max(initial=0)
    _require(images == len(truth), f"{images} predictions and {len(truth)} probabilities")
    _require(most < CLASSES, f"'predictions' are up to {most}, required 0 to {CLASSES - 1}")
    return {
        **{name: content[name] for name in HEAD},
        "columns": columns,
        "repeats": repeats,
        "digests": tuple(map(str, digests.values())),
        "predictions": predictions,
        "truth": truth,
        "figures": {name: _range(name, row) for name, row in content["figures"].items()},
        "not_judged": tuple(map(str, content["not_judged"])),
    }


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise MnistlabError(message)


def _numbers(name: str, values: Any) -> Doubles:
    """Return a metric's values; refuse what is no number or out of range."""
    listed = isinstance(values, list) and all(type(value) in (int, float) for value in values)
    array = np.asarray(values if listed and values else [np.nan], dtype=np.float64)
    _require(bool(np.isfinite(array).all()), f"{name!r} is not a list of numbers")
    low, high = array.min(), array.max()
    in_range = name == NOISE or (low >= 0 and (high <= 1 or name.endswith(" loss")))
    _require(in_range, f"{name!r} is {low:g} to {high:g}; required 0 to 1, of a loss from 0")
    return array


def _range(name: str, row: dict[str, Any]) -> HealthyRange:
    """Return a figure's healthy range; refuse what is no number, or no range."""
    healthy = HealthyRange(**row)
    ends = [end for end in (healthy.low, healthy.high) if end is not None]
    finite = np.isfinite([healthy.mean, healthy.sd, healthy.seeds, *ends]).all()
    _require(bool(ends and finite), f"{name!r} is not a healthy range")
    _require(healthy.rule in RULES, f"{name!r} has the unknown rule {healthy.rule!r}")
    return healthy


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    """Name values by their place; leave out empty ones, so that a new field is no change."""
    if not isinstance(value, dict | list):
        return {name: value} if value else {}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    parts = [_flat(each, f"{name}.{key}".lstrip(".")) for key, each in items]
    return {place: each for part in parts for place, each in part.items()}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _commit() -> str:
    """Return the working directory's commit, marked if files differ; empty outside of git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return run.stdout.strip()
