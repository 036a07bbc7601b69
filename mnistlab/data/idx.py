"""IDX, the file format in which MNIST is published: bytes to array, and an array's hash."""

import gzip
import hashlib
import io
import math
import struct
import zlib

import numpy as np

from mnistlab.arrays import Bytes
from mnistlab.errors import MnistlabError

SIZE_LIMIT = 1 << 28
"""Bytes in a file at most, five times MNIST's largest: it stops a gzip bomb."""
UINT8 = 0x08


def file_error(name: str, problem: str) -> MnistlabError:
    """Make the error for a file whose content is wrong: name, problem, what to do next."""
    return MnistlabError(f"{name}: {problem}; download the file again")


def parse_idx(content: bytes, name: str) -> Bytes:
    """Parse a whole IDX file of unsigned bytes, plain or gzipped.

    Parameters
    ----------
    content : bytes
    name : str
        The file's name in messages. If it ends in .gz, the content must be gzipped.

    Returns
    -------
    numpy.ndarray of uint8
        1 to 3 dimensions, none empty; C-contiguous and read-only, a view of the bytes.

    Raises
    ------
    MnistlabError
        If the gzip stream is damaged, the file is larger than `SIZE_LIMIT`, or the magic number,
        data type, dimensions and length are not those of exactly one IDX file.

    Source
    ------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section "The
    IDX file format": two zero bytes, the data type, the number of dimensions, each dimension as a
    big-endian 32-bit integer, the data in C order.
    """
    if content.startswith(b"\x1f\x8b") or name.endswith(".gz"):
        content = _unpack(content, name)
    if len(content) > SIZE_LIMIT:
        raise file_error(name, f"more than {SIZE_LIMIT} bytes")
    if len(content) < 4 or not content.startswith(b"\0\0"):
        got = content[:4].hex() or "nothing"
        raise file_error(name, f"begins with {got}, required an IDX magic number 0000")
    data_type, dimensions = content[2], content[3]
    if data_type != UINT8:
        got = f"data type 0x{data_type:02x}"
        raise file_error(name, f"{got}, required 0x{UINT8:02x} (unsigned bytes)")
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= 3 or len(content) < start:
        got = f"{dimensions} dimensions in {len(content)} bytes"
        raise file_error(name, f"{got}, required 1 to 3")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    # Python's integers do not overflow, and a header without its data allocates nothing.
    if math.prod(shape) != len(content) - start or 0 in shape:
        got = f"{len(content) - start} bytes of data"
        raise file_error(name, f"{got}, required {' x '.join(map(str, shape))}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def content_sha256(array: Bytes) -> str:
    """Return the SHA-256, in hexadecimal, of an array's uncompressed IDX file; any shape."""
    header = struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _unpack(content: bytes, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return file.read(SIZE_LIMIT + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise file_error(name, f"damaged gzip ({error})") from error
