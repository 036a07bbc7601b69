"""Slices of a test set beyond the digits: thirds by stroke thickness, slant and size."""

from typing import Any

import numpy as np

from mnistlab.arrays import Bytes, Doubles, Indices

FEATURES = {
    "thickness": ("thin", "medium", "thick"),
    "slant": ("left", "upright", "right"),
    "size": ("small", "middling", "large"),
}
"""The features and the names of their thirds, in ascending order."""


def features(images: Bytes) -> dict[str, Doubles]:
    """Measure the strokes of raw images, uint8 (N, height, width); 0 if an image has none.

    ``"thickness"``: width of the stroke in pixels, twice its area over the length of its edge.
    ``"slant"``: the shear mu11 / mu02 that sets it upright, positive to the right. ``"size"``: root
    mean square distance of its ink from the centre of mass, in pixels.

    Source: central moments: Hu (1962), Visual pattern recognition by moment invariants, section II;
    the slant is that of deskewing: LeCun, Bottou, Bengio and Haffner (1998), section III.A.
    """
    ink = images.astype(np.float64) / 255
    y, x = np.indices(ink.shape[1:], dtype=np.float64)
    mass = np.maximum(ink.sum(axis=(1, 2)), 1e-9)

    def moment(weight: Any) -> Doubles:
        return np.asarray((ink * weight).sum(axis=(1, 2)) / mass)

    dx = x - moment(x)[:, None, None]
    dy = moment(y)[:, None, None] - y  # upwards
    xx, yy, xy = moment(dx * dx), moment(dy * dy), moment(dx * dy)
    stroke = np.pad(images >= 128, ((0, 0), (1, 1), (1, 1)))
    edge = sum((stroke != np.roll(stroke, 1, axis)).sum(axis=(1, 2)) for axis in (1, 2))
    thickness = 2 * stroke.sum(axis=(1, 2)) / np.maximum(edge, 1)
    return {"thickness": thickness, "slant": xy / np.maximum(yy, 1e-9), "size": np.sqrt(xx + yy)}


def slice_by_feature(images: Bytes) -> dict[str, Indices]:
    """Return the indices of the thirds of raw images by each feature, such as ``"slant: left"``."""
    slices = {}
    for feature, values in features(images).items():
        thirds = np.array_split(np.argsort(values, kind="stable"), 3)
        for name, third in zip(FEATURES[feature], thirds, strict=True):
            slices[f"{feature}: {name}"] = third
    return slices
