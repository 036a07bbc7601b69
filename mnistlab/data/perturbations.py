"""Small changes that leave a digit what it is, and images that show no digit."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Images: TypeAlias = NDArray[np.uint8]  # (N, 28, 28)


def _move(rows: int, columns: int) -> Callable[[Images], Images]:
    def moved(images: Images) -> Images:
        padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
        return padded[:, 1 - rows : 29 - rows, 1 - columns : 29 - columns]

    return moved


def _less_contrast(images: Images) -> Images:
    mean = images.mean(axis=(1, 2), keepdims=True)
    lessened: Images = np.rint(mean + 0.95 * (images - mean)).astype(np.uint8)
    return lessened


def _one_pixel(images: Images) -> Images:
    changed = images.copy()
    place = np.random.default_rng(0).integers(28, size=(2, len(images)))
    changed[np.arange(len(images)), place[0], place[1]] ^= 255
    return changed


PERTURBATIONS: Mapping[str, Callable[[Images], Images]] = MappingProxyType(
    {
        "a shift of one pixel left": _move(0, -1),
        "a shift of one pixel right": _move(0, 1),
        "a shift of one pixel up": _move(-1, 0),
        "a shift of one pixel down": _move(1, 0),
        "5 % less contrast": _less_contrast,
        "one inverted pixel": _one_pixel,
    }
)
"""Changes that leave a digit what it is: raw images -> raw images."""


def images_without_digits(count: int = 500) -> dict[str, Images]:
    """Return images that show no digit: every evenly grey level that is a multiple of 5, and pure noise.

    Parameters
    ----------
    count : int
        Images of noise; pixels are drawn evenly from 0 to 255 with a fixed seed.

    Returns
    -------
    dict of numpy.ndarray of uint8, shape (N, 28, 28)
    """
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (count, 28, 28), dtype=np.uint8)
    return {
        "blank": np.broadcast_to(levels[:, None, None], (len(levels), 28, 28)).copy(),
        "noise": noise,
    }
