"""Pools of real trainings, healthy and weakened: the file that ``benchmarks/pools.py`` makes."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mnistlab.errors import MnistlabError
from mnistlab.seeds import Columns

IMAGES = 10_000


@dataclass(frozen=True, eq=False)
class Pool:
    """Many seeds of one recipe.

    Attributes
    ----------
    columns : dict
        Metrics, one value a seed.
    wrong : numpy.ndarray of bool, shape (seeds, test images)
        What the final weights misread.
    """

    columns: Columns
    wrong: NDArray[np.bool_]

    @property
    def seeds(self) -> int:
        """How many."""
        return len(self.wrong)


def pack(wrong: NDArray[np.bool_]) -> str:
    """Compress bool (seeds, images), image by image, as most are read right by all seeds."""
    return base64.b64encode(zlib.compress(np.packbits(wrong.T, axis=1).tobytes(), 9)).decode("ascii")


def unpack(text: str, seeds: int, images: int = IMAGES) -> NDArray[np.bool_]:
    """Undo `pack`; without text there are no seeds."""
    if not text:
        return np.empty((0, images), bool)
    packed = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(images, -1)
    return np.unpackbits(packed, axis=1)[:, :seeds].T.astype(bool)


def load_pools(path: Path) -> dict[str, Pool]:
    """Read the pools.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        Recipe -> Pool; ``"healthy"`` first.

    Raises
    ------
    MnistlabError
        If the file is missing or damaged.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        pools = {}
        for recipe, pool in found.items():
            columns = {
                probe: {name: np.asarray(values, np.float64) for name, values in metrics.items()}
                for probe, metrics in pool["probes"].items()
            }
            lengths = {len(values) for metrics in columns.values() for values in metrics.values()}
            if lengths != {pool["seeds"]}:
                raise MnistlabError(f"{recipe}: metrics of {sorted(lengths)} seeds, not of {pool['seeds']}")
            pools[recipe] = Pool(columns, unpack(pool["wrong"], pool["seeds"]))
        return {"healthy": pools["healthy"], **pools}
    except FileNotFoundError:
        raise MnistlabError(f"{path}: there are no pools; make them: python benchmarks/pools.py") from None
    except (OSError, KeyError, ValueError, AttributeError, TypeError, MnistlabError, zlib.error) as error:
        raise MnistlabError(f"{path}: damaged, {error}; make it again: python benchmarks/pools.py") from error
