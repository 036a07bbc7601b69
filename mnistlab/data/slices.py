"""Slices of a test set beyond the digits: thirds by stroke thickness, slant and size."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES = {
    "thickness": ("thin", "medium", "thick"),
    "slant": ("left", "upright", "right"),
    "size": ("small", "middling", "large"),
}
INK = 128
"""Grey level from which a pixel belongs to a stroke: half of white."""


def features(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Measure the stroke of each image.

    Parameters
    ----------
    images : numpy.ndarray of uint8, shape (N, height, width)
        White on black.

    Returns
    -------
    dict of numpy.ndarray of float64, shape (N,)
        ``"thickness"``: width of the stroke in pixels, twice its area over the length of its edge. ``"slant"``: the
        shear mu11 / mu02 that sets it upright, positive to the right. ``"size"``: root mean square distance of its
        ink from the centre of mass, in pixels. Zero where an image has no ink.

    Source
    ------
    Central moments: Hu (1962), Visual pattern recognition by moment invariants, section II. The slant is that of
    deskewing: LeCun, Bottou, Bengio and Haffner (1998), section III.A.
    """
    ink = images.astype(np.float64) / 255
    y, x = np.indices(ink.shape[1:], dtype=np.float64)
    mass = np.maximum(ink.sum(axis=(1, 2)), 1e-9)

    def moment(weight: Any) -> NDArray[np.float64]:
        return np.asarray((ink * weight).sum(axis=(1, 2)) / mass)

    dx = x - moment(x)[:, None, None]
    dy = moment(y)[:, None, None] - y  # upwards
    xx, yy, xy = moment(dx * dx), moment(dy * dy), moment(dx * dy)
    mask = np.pad(images >= INK, ((0, 0), (1, 1), (1, 1)))
    edge = sum((mask != np.roll(mask, 1, axis)).sum(axis=(1, 2)) for axis in (1, 2))
    thickness = 2 * mask.sum(axis=(1, 2)) / np.maximum(edge, 1)
    return {"thickness": thickness, "slant": xy / np.maximum(yy, 1e-9), "size": np.sqrt(xx + yy)}


def slice_by_feature(images: NDArray[np.uint8]) -> dict[str, NDArray[np.int64]]:
    """Split a test set, uint8 (N, height, width), into thirds of each feature: indices by name (``"slant: left"``).

    Equal values go by the images' order, so three slices always differ in size by one at most.
    """
    slices = {}
    for feature, values in features(images).items():
        parts = np.array_split(np.argsort(values, kind="stable"), 3)
        slices.update(
            {
                f"{feature}: {name}": part
                for name, part in zip(FEATURES[feature], parts, strict=True)
            }
        )
    return slices
