"""The arrays that everything is about: their types, their shape and the number of classes."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

SIDE = 28  # height and width of an image, in pixels
IMAGE_SHAPE = (SIDE, SIDE)
PIXELS = SIDE * SIDE
CLASSES = 10
WHITE = np.float32(255)
"""Grey level of a white pixel."""

Array: TypeAlias = NDArray[Any]
Bytes: TypeAlias = NDArray[np.uint8]
"""Raw images, shape (N, 28, 28), grey levels 0 to 255; or labels, shape (N,), 0 to 9."""
Floats: TypeAlias = NDArray[np.float32]
"""Prepared images (N, 28, 28), one-hot labels (N, 10), probabilities (N, 10), or weights."""
Bools: TypeAlias = NDArray[np.bool_]
Indices: TypeAlias = NDArray[np.int64]
Doubles: TypeAlias = NDArray[np.float64]
