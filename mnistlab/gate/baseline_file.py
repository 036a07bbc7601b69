"""The format of an accepted state's file: how it is written, read and checked."""

import base64
import json
import zlib
from typing import Any

import numpy as np

from mnistlab.arrays import CLASSES, Bytes
from mnistlab.errors import MnistlabError
from mnistlab.gate.healthy_range import HealthyRange
from mnistlab.gate.seed_runs import NOISE

SCHEMA = 2
MAX_BYTES = 200_000
DECIMALS = 7
FIELDS: dict[str, type] = {
    "pipeline": str,
    "dataset": str,
    "data_sha256": str,
    "test_sha256": str,
    "spec": dict,
    "accepted": str,
    "commit": str,
    "environment": dict,
    "first_seed": int,
    "error_rates": dict,
    "not_judged": list,
}
BLOCKS = ("figures", "summary", "digests", "model", "seeds", "repeats")
TYPE_NAMES: dict[type, str] = {
    str: "text",
    dict: "a table",
    int: "a whole number from 0",
    list: "a list",
}


def as_json(head: dict[str, Any], blocks: dict[str, dict[str, Any]]) -> str:
    """Return JSON with one line a metric, so that two files can be compared line by line."""
    lines = [f" {json.dumps(key)}: {_compact(value)}" for key, value in head.items()]
    for name, block in blocks.items():
        rows = (f"  {json.dumps(key)}: {_compact(value)}" for key, value in block.items())
        lines.append(f' "{name}": {{\n' + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def parse(content: dict[str, Any]) -> dict[str, Any]:
    """Check the content of a file; return the fields of a Baseline.

    Raises
    ------
    MnistlabError, KeyError, OverflowError, TypeError, ValueError
        If the content is damaged.
    """
    for name, kind in (FIELDS | dict.fromkeys(BLOCKS, dict)).items():
        value = content[name]
        if type(value) is not kind or (isinstance(value, int) and value < 0):
            raise MnistlabError(f"{name!r} is {value!r:.60}, required {TYPE_NAMES[kind]}")
    digests = content["digests"]
    count, first = len(digests), content["first_seed"]
    if list(digests) != [str(seed) for seed in range(first, first + count)]:
        raise MnistlabError(f"'digests' are not of {count} seeds from {first}")
    columns = {name: _numbers(name, values) for name, values in content["seeds"].items()}
    repeats = {name: _numbers(name, values) for name, values in content["repeats"].items()}
    for name, values in columns.items():
        got, stated = mean_and_sd(values), content["summary"][name]
        # Another machine may round the last decimal otherwise.
        if not np.allclose(got, stated, rtol=0, atol=2 / 10**DECIMALS):
            raise MnistlabError(f"{name!r}: its seeds have mean and sd {got}, not {stated}")
        if values.size != count:
            raise MnistlabError(f"{name!r} has {values.size} values for {count} digests")
    if not {"final accuracy", "final loss"} <= columns.keys():
        raise MnistlabError("accuracy and loss of the final weights are missing")
    lengths = {values.size for values in repeats.values()}
    if repeats and (repeats.keys() != columns.keys() or len(lengths) > 1 or max(lengths) > count):
        raise MnistlabError(f"'repeats' has {len(repeats)} metrics of {sorted(lengths)} seeds")
    model = {name: unpack(content["model"][name], name) for name in ("predictions", "truth")}
    if len(model["predictions"]) != len(model["truth"]):
        counts = [len(each) for each in model.values()]
        raise MnistlabError(f"{counts[0]} predictions and {counts[1]} probabilities")
    if model["predictions"].max(initial=0) >= CLASSES:
        raise MnistlabError(
            f"'predictions' are up to {model['predictions'].max()}, required 0 to 9"
        )
    fields = {name: content[name] for name in FIELDS}
    fields["not_judged"] = tuple(map(str, content["not_judged"]))
    fields["figures"] = {name: _range(name, row) for name, row in content["figures"].items()}
    arrays = {"columns": columns, "repeats": repeats, **model}
    return {**fields, **arrays, "digests": tuple(map(str, digests.values()))}


def _numbers(name: str, values: Any) -> np.ndarray:
    """Return a metric's values; refuse what is no number or out of range."""
    listed = isinstance(values, list) and values and all(type(v) in (int, float) for v in values)
    array = np.asarray(values if listed else [np.nan], dtype=np.float64)
    if not np.isfinite(array).all():
        raise MnistlabError(f"{name!r} is not a list of numbers")
    unlimited = name.endswith(" loss")
    if name != NOISE and (array.min() < 0 or (array.max() > 1 and not unlimited)):
        span = f"{array.min():g} to {array.max():g}"
        raise MnistlabError(f"{name!r} is {span}; required 0 to 1, of a loss from 0")
    return array


def _range(name: str, row: dict[str, Any]) -> HealthyRange:
    """Return a figure's healthy range; refuse what is no number, or no range."""
    healthy = HealthyRange(**row)
    ends = [end for end in (healthy.low, healthy.high) if end is not None]
    if not ends or not np.isfinite([healthy.mean, healthy.sd, healthy.seeds, *ends]).all():
        raise MnistlabError(f"{name!r} is not a healthy range")
    healthy.source  # noqa: B018 -- raises KeyError for an unknown rule
    return healthy


def mean_and_sd(values: np.ndarray) -> list[float]:
    """Return mean and standard deviation, rounded for people."""
    sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return [round(float(values.mean()), DECIMALS), round(sd, DECIMALS)]


def pack(array: Bytes) -> str:
    """Compress uint8 of any shape into text."""
    return base64.b64encode(zlib.compress(array.tobytes(), 9)).decode("ascii")


def unpack(text: str, name: str) -> Bytes:
    """Undo `pack`, flat; MnistlabError names the damaged field.

    At most `MAX_BYTES` come out, whatever the text claims.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(base64.b64decode(text, validate=True), MAX_BYTES)
    except (TypeError, ValueError, zlib.error) as error:
        raise MnistlabError(f"{name!r} cannot be read ({error})") from error
    if not stream.eof:
        raise MnistlabError(f"{name!r} cannot be read (cut off, or more than {MAX_BYTES} images)")
    return np.frombuffer(content, np.uint8)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
