"""MNIST's files, a folder of IDX files or one .npz file: read and verify them."""

import io
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, Bytes
from mnistlab.data.idx import SIZE_LIMIT, content_sha256, file_error, parse_idx
from mnistlab.errors import MnistlabError

Parts: TypeAlias = dict[str, Bytes]
"""The four arrays in the order of `IDX_NAMES`, by their names in messages."""

IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")


def read_verified(path: Path, sha256: Sequence[str]) -> list[Bytes]:
    """Read MNIST's four arrays from a folder of IDX files or an .npz file, and verify them.

    Parameters
    ----------
    path : path
    sha256 : sequence of str
        `content_sha256` required of the four arrays.

    Returns
    -------
    list of numpy.ndarray of uint8
        Training images (N, 28, 28) and labels (N,), test images and labels.

    Raises
    ------
    MnistlabError
        If a file is missing, cannot be read, or does not hold what is required.
    """
    try:
        parts = _read_idx_files(path) if os.path.isdir(path) else _read_npz(path)
    except OSError as error:
        problem = f"{error.filename or path}: {error.strerror or error}"
        advice = "give a readable folder of MNIST's IDX files, or an .npz"
        raise MnistlabError(f"{problem}; {advice}") from error
    _check_values(parts)
    for (name, array), required in zip(parts.items(), sha256, strict=True):
        if (got := content_sha256(array)) != required:
            hashes = f"content has SHA-256 {got[:12]}..., required {required[:12]}..."
            raise file_error(name, f"not MNIST's: {hashes}")
    return list(parts.values())


def _read_idx_files(folder: Path) -> Parts:
    present = os.listdir(folder)
    parts = {}
    for published in IDX_NAMES:
        stems = (published, published.replace("-idx", ".idx"))
        names = [name for stem in stems for name in (stem, f"{stem}.gz") if name in present]
        if not names:
            raise MnistlabError(
                f"{folder}: no {published} or {published}.gz; put MNIST's four IDX files there"
            )
        path = folder / names[0]
        with path.open("rb") as file:
            parts[str(path)] = parse_idx(file.read(SIZE_LIMIT + 1), str(path))
    return parts


def _read_npz(path: Path) -> Parts:
    parts = {}
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                for name in NPZ_NAMES:
                    with archive.open(f"{name}.npy") as member:
                        content = io.BytesIO(member.read(SIZE_LIMIT))
                    array = np.lib.format.read_array(content, allow_pickle=False)
                    parts[f"{path} ({name})"] = array
        except Exception as error:  # The readers raise nearly anything on damaged bytes.
            problem = " ".join(str(error).split())
            required = f"required an .npz of {', '.join(NPZ_NAMES)}"
            raise file_error(str(path), f"{problem}, {required}") from error
    return parts


def _check_values(parts: Parts) -> None:
    shapes = [("N", *IMAGE_SHAPE), ("N",)] * 2
    for (name, array), shape in zip(parts.items(), shapes, strict=True):
        same_shape = array.ndim == len(shape) and array.shape[1:] == shape[1:]
        if array.dtype != np.uint8 or not same_shape or not array.size:
            required = f"uint8 of shape ({', '.join(map(str, shape))})"
            got = f"{array.dtype} of shape {array.shape}"
            raise file_error(name, f"{got}, required {required}")
    names, arrays = list(parts), list(parts.values())
    for name, images, labels in zip(names[1::2], arrays[::2], arrays[1::2], strict=True):
        if len(images) != len(labels):
            raise file_error(name, f"{len(labels)} labels for {len(images)} images")
        if labels.max() >= CLASSES:
            raise file_error(name, f"label {labels.max()}, required 0 to {CLASSES - 1}")
