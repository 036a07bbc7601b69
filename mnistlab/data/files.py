"""The files of a dataset, a folder of four IDX files or one .npz: read, check and hash them."""

import gzip
import hashlib
import io
import math
import os
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from mnistlab.arrays import CLASSES, IMAGE_SHAPE, Bytes
from mnistlab.errors import MnistlabError

Parts: TypeAlias = dict[str, Bytes]
"""Training images (N, 28, 28) and labels (N,), test images and labels, by names for messages."""
SIZE_LIMIT = 1 << 28
"""Bytes in a file at most, five times MNIST's largest: it stops a gzip bomb."""
IDX_MAGIC = b"\0\0\x08"  # two zero bytes, and the type: unsigned bytes
IDX_NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
NPZ_NAMES = ("x_train", "y_train", "x_test", "y_test")


def read_parts(path: Path) -> Parts:
    """Read the four arrays; MnistlabError that names the file which is not as required."""
    try:
        parts = _read_idx_files(path) if os.path.isdir(path) else _read_npz(path)
    except OSError as error:
        problem = f"{error.filename or path}: {error.strerror or error}"
        advice = "give a readable folder of four IDX files, or an .npz"
        raise MnistlabError(f"{problem}; {advice}") from error
    _check_values(parts)
    return parts


def parse_idx(content: bytes, name: str) -> Bytes:
    """Parse a whole IDX file of unsigned bytes, gzipped or not, into a read-only array.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, "The IDX file
    format": two zero bytes, the data type, the number of dimensions, each dimension as a big-endian
    32-bit integer, the data in C order.
    """
    if content.startswith(b"\x1f\x8b") or name.endswith(".gz"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
                content = file.read(SIZE_LIMIT + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise _file_error(name, f"damaged gzip ({error})") from error
    if len(content) > SIZE_LIMIT:
        raise _file_error(name, f"more than {SIZE_LIMIT} bytes")
    dimensions = content[3] if content[:3] == IDX_MAGIC and len(content) > 3 else 0
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= 3 or len(content) < start:
        got = content[:4].hex() or "nothing"
        raise _file_error(name, f"begins with {got}, required IDX bytes: 000008, 01 to 03, sizes")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    # Python's integers do not overflow, and a header without its data allocates nothing.
    if math.prod(shape) != len(content) - start or 0 in shape:
        got = f"{len(content) - start} bytes of data"
        raise _file_error(name, f"{got}, required {' x '.join(map(str, shape))}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def content_sha256(array: Bytes) -> str:
    """Return the SHA-256, in hexadecimal, of an array's uncompressed IDX file; any shape."""
    digest = hashlib.sha256(IDX_MAGIC + struct.pack(f">B{array.ndim}I", array.ndim, *array.shape))
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _file_error(name: str, problem: str) -> MnistlabError:
    return MnistlabError(f"{name}: {problem}; download the file again")


def _open(path: Path) -> BinaryIO:
    if not stat.S_ISREG(path.stat().st_mode):  # to read a device or a pipe may never end
        raise OSError(0, "not a regular file", str(path))
    return path.open("rb")


def _read_idx_files(folder: Path) -> Parts:
    present = os.listdir(folder)
    parts = {}
    for published in IDX_NAMES:
        stems = (published, published.replace("-idx", ".idx"))
        names = [name for stem in stems for name in (stem, f"{stem}.gz") if name in present]
        if not names:
            raise MnistlabError(
                f"{folder}: no {published} or {published}.gz; put the four IDX files there"
            )
        path = folder / names[0]
        with _open(path) as file:
            parts[str(path)] = parse_idx(file.read(SIZE_LIMIT + 1), str(path))
    return parts


def _read_npz(path: Path) -> Parts:
    parts = {}
    with _open(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                for name in NPZ_NAMES:
                    with archive.open(f"{name}.npy") as member:
                        content = io.BytesIO(member.read(SIZE_LIMIT))
                    array = np.lib.format.read_array(content, allow_pickle=False)
                    parts[f"{path} ({name})"] = array
        except Exception as error:  # the readers raise nearly anything on damaged bytes
            problem = " ".join(str(error).split())
            required = f"required an .npz of {', '.join(NPZ_NAMES)}"
            raise _file_error(str(path), f"{problem}, {required}") from error
    return parts


def _check_values(parts: Parts) -> None:
    count = 0
    for number, (name, array) in enumerate(parts.items()):
        shape = IMAGE_SHAPE if number % 2 == 0 else ()
        if array.dtype != np.uint8 or not array.size or array.shape[:1] + shape != array.shape:
            got = f"{array.dtype} of shape {array.shape}"
            possible = f"uint8 of shape (N{''.join(f', {side}' for side in shape)})"
            raise MnistlabError(f"{name}: {got}; today only {possible} is possible")
        if shape:
            count = len(array)
            continue
        if len(array) != count:
            raise _file_error(name, f"{len(array)} labels for {count} images")
        classes = np.unique(array)
        if not np.array_equal(classes, range(CLASSES)):
            got = f"{len(classes)} classes, labelled {classes[0]} to {classes[-1]}"
            possible = f"exactly {CLASSES} are possible, labelled 0 to {CLASSES - 1}"
            raise MnistlabError(f"{name}: {got}; today {possible}")
