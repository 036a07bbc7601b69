"""Pools of real trainings, healthy and weakened: the files that ``benchmarks/train_pools.py`` makes."""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError
from mnistlab.gate import SeedMetrics
from mnistlab.gate.baseline import pack, unpack

AGAIN = "python benchmarks/train_pools.py --dataset"


@dataclass(frozen=True, eq=False)
class Pool:
    """Many seeds of one recipe."""

    columns: SeedMetrics  # metrics, one value a seed
    wrong: NDArray[np.bool_]  # what the final weights misread, shape (seeds, test images)

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.wrong)


@dataclass(frozen=True, eq=False)
class Pools:
    """All pools of a dataset."""

    dataset: str
    labels: NDArray[np.uint8]  # of the test images
    recipes: dict[str, Pool]  # "healthy" first

    @property
    def healthy(self) -> Pool:
        """The pool of the recipe itself."""
        return self.recipes["healthy"]


def path_of(folder: Path, dataset: str) -> Path:
    """Return where the pools of a dataset are kept."""
    return folder / f"pools-{dataset}.json"


def pack_wrong(wrong: NDArray[np.bool_]) -> str:
    """Compress bool (seeds, images), image by image, as most are read right by all seeds."""
    return pack(np.packbits(wrong.T, axis=1))


def unpack_wrong(text: str, seeds: int) -> NDArray[np.bool_]:
    """Undo `pack_wrong`."""
    packed = unpack(text, "wrong").reshape(-1, (seeds + 7) // 8)
    return np.unpackbits(packed, axis=1)[:, :seeds].T.astype(bool)


def load_pools(folder: Path, dataset: str) -> Pools:
    """Read the pools of a dataset; MnistlabError if the file is missing or damaged."""
    path = path_of(folder, dataset)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        recipes = {name: _pool(name, content) for name, content in found["recipes"].items()}
        labels = unpack(found["labels"], "labels")
        if any(pool.wrong.shape[1] != len(labels) for pool in recipes.values()):
            raise MnistlabError(f"predictions of other images than the {len(labels)} labels")
        return Pools(dataset, labels, {"healthy": recipes["healthy"], **recipes})
    except FileNotFoundError:
        raise MnistlabError(f"{path}: there are no pools; make them: {AGAIN} {dataset}") from None
    except (
        OSError,
        KeyError,
        ValueError,
        AttributeError,
        TypeError,
        MnistlabError,
        zlib.error,
    ) as error:
        raise MnistlabError(
            f"{path}: damaged, {error}; make it again: {AGAIN} {dataset}"
        ) from error


def _pool(name: str, content: dict[str, Any]) -> Pool:
    metrics_of = content["probes"].items()
    columns = {
        weights: {key: np.asarray(each, np.float64) for key, each in metrics.items()}
        for weights, metrics in metrics_of
    }
    lengths = {len(values) for metrics in columns.values() for values in metrics.values()}
    if lengths != {content["seeds"]}:
        raise MnistlabError(
            f"{name}: metrics of {sorted(lengths)} seeds, not of {content['seeds']}"
        )
    return Pool(columns, unpack_wrong(content["wrong"], content["seeds"]))
