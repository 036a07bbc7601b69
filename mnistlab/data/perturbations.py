"""Small changes that leave a digit what it is, and images that show no digit."""

from collections.abc import Callable, Mapping

import numpy as np

from mnistlab.arrays import IMAGE_SHAPE, SIDE, Bytes


def _shift(images: Bytes, rows: int, columns: int) -> Bytes:
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    top, left = 1 - rows, 1 - columns
    return padded[:, top : top + SIDE, left : left + SIDE]


def _less_contrast(images: Bytes) -> Bytes:
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.asarray(np.rint(mean + 0.95 * (images - mean)).astype(np.uint8))


def _one_pixel(images: Bytes) -> Bytes:
    changed = images.copy()
    row, column = np.random.default_rng(0).integers(SIDE, size=(2, len(images)))
    changed[np.arange(len(images)), row, column] ^= 255
    return changed


PERTURBATIONS: Mapping[str, Callable[[Bytes], Bytes]] = {
    "a shift of one pixel left": lambda images: _shift(images, 0, -1),
    "a shift of one pixel right": lambda images: _shift(images, 0, 1),
    "a shift of one pixel up": lambda images: _shift(images, -1, 0),
    "a shift of one pixel down": lambda images: _shift(images, 1, 0),
    "5 % less contrast": _less_contrast,
    "one inverted pixel": _one_pixel,
}
"""Changes that leave a digit what it is: raw images -> raw images."""


def images_without_digits(count: int = 500) -> dict[str, Bytes]:
    """Return raw images without a digit: "blank", every fifth grey level, and uniform "noise"."""
    levels = np.arange(0, 256, 5, dtype=np.uint8)[:, None, None]
    noise = np.random.default_rng(0).integers(0, 256, (count, *IMAGE_SHAPE), dtype=np.uint8)
    return {"blank": np.tile(levels, (1, *IMAGE_SHAPE)), "noise": noise}
