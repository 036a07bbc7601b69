"""IDX, the file format in which MNIST is published: bytes to array, and an array's hash."""

import gzip
import hashlib
import io
import math
import struct
import zlib

import numpy as np
import numpy.typing as npt

from mnistlab.errors import MnistlabError

GZIP_MAGIC = b"\x1f\x8b"
SIZE_LIMIT = 1 << 28  # bytes, five times MNIST's largest file: a gzip bomb stops here
UINT8 = 0x08
MAX_DIMENSIONS = 3


def damaged(name: str, finding: str) -> MnistlabError:
    """Say in one line that a file is not what it should be (`finding`) and what to do next."""
    return MnistlabError(f"{name}: {finding}; download the file again")


def parse_idx(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Parse an IDX file of bytes, plain or gzipped, and accept nothing but exactly that.

    Parameters
    ----------
    content : bytes
        The whole file.
    name : str
        What messages call the file. If it ends in .gz, the bytes must be gzipped.

    Returns
    -------
    ndarray of uint8
        1 to 3 dimensions, none of them empty; C-contiguous and read-only, a view of the bytes.

    Raises
    ------
    MnistlabError
        If the gzip stream is damaged, if there are more than `SIZE_LIMIT` bytes, or if magic number, data type,
        dimensions and length are not those of one IDX file.

    Source
    ------
    Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section "The IDX file
    format": two zero bytes, the data type, the number of dimensions, each dimension as a big-endian 32-bit
    integer, the data in C order.
    """
    if content.startswith(GZIP_MAGIC) or name.endswith(".gz"):
        content = _unpack(content, name)
    if len(content) > SIZE_LIMIT:
        raise damaged(name, f"more than {SIZE_LIMIT} bytes")
    if len(content) < 4 or not content.startswith(b"\0\0"):
        raise damaged(
            name, f"begins with {content[:4].hex() or 'nothing'}, required an IDX magic number 0000"
        )
    data_type, dimensions = content[2], content[3]
    if data_type != UINT8:
        raise damaged(name, f"data type 0x{data_type:02x}, required 0x{UINT8:02x} (unsigned bytes)")
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= MAX_DIMENSIONS or len(content) < start:
        raise damaged(
            name, f"{dimensions} dimensions in {len(content)} bytes, required 1 to {MAX_DIMENSIONS}"
        )
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    # Python's integers do not overflow, and nothing is allocated for dimensions that the data do not back.
    if math.prod(shape) != len(content) - start or 0 in shape:
        raise damaged(
            name, f"{len(content) - start} bytes of data, required {' x '.join(map(str, shape))}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def content_sha256(array: npt.NDArray[np.uint8]) -> str:
    """Hash an array as the uncompressed IDX file that would hold it, whatever container it came from.

    Parameters
    ----------
    array : ndarray of uint8
        Any shape.

    Returns
    -------
    str
        SHA-256, 64 hexadecimal digits.
    """
    header = struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape)
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _unpack(content: bytes, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            return file.read(SIZE_LIMIT + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise damaged(name, f"damaged gzip ({error})") from error
