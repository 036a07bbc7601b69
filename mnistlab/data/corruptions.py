"""Image corruptions with a severity, to measure how accuracy falls as the input gets worse.

Where MNIST-C has a corruption, the one here has its definition and unit, and among its five parameters the
one that MNIST-C was published with: `Corruption.mnist_c` says at which severity to compare. The others make the
accuracy of the published recipe fall step by step; Gaussian noise, impulse noise and JPEG have all five of
MNIST-C's code. It has no occlusion, thin or thick, and its gaussian_blur blurs columns only, unlike `blur`.

Random draws (the direction of a shift, the noise of a pixel, the place of an occlusion) depend on the seed,
the corruption and the index of the image alone: an image's severities differ in strength only, and the first
n images are corrupted alike however many follow. Results repeat bit for bit on one machine; another processor
or another version of NumPy, SciPy or libjpeg may move a pixel by a grey level.

Source: Mu and Gilmer (2019), MNIST-C: A Robustness Benchmark for Computer Vision, arXiv:1906.02337, and
github.com/google-research/mnist-c, corruptions.py, where a function's default severity is the published one.
"""

import io
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.random import Generator
from PIL import Image
from scipy import ndimage

from mnistlab.errors import MnistlabError

Images: TypeAlias = npt.NDArray[np.uint8]  # (N, 28, 28)
Grey: TypeAlias = npt.NDArray[
    Any
]  # (N, 28, 28), grey levels not yet rounded and clipped to 0 to 255
AffineMap: TypeAlias = Sequence[Sequence[float]]  # (2, 3)

_SIDE = 28
_CENTRE = (_SIDE - 1) / 2
_INK = 127  # a pixel brighter than this belongs to the digit
_GREY = 128
_NEIGHBOURS = ndimage.generate_binary_structure(2, 1)[
    np.newaxis
]  # a pixel and the four that touch it
_JPEG_STRIP = 2000  # images in one JPEG, whose sides are at most 65 500 pixels


@dataclass(frozen=True)
class Corruption:
    """One way to make images worse.

    Attributes
    ----------
    name : str
    unit : str
        What a parameter is.
    parameters : tuple of five float
        The parameter at severities 1 to 5.
    function : callable
        uint8 images, a parameter and a random generator -> grey levels of any numeric dtype, (N, 28, 28).
    mnist_c : tuple of (str, int) or None
        The name in MNIST-C, and the severity here that has the parameter MNIST-C was published with.
    """

    name: str
    unit: str
    parameters: tuple[float, float, float, float, float]
    function: Callable[[Images, float, Generator], Grey]
    mnist_c: tuple[str, int] | None = None


def _warp(images: Images, inverse: AffineMap) -> Grey:
    """Resample bilinearly; `inverse` maps (x, y, 1) of the result, from the centre, to the source."""
    row, column = np.indices((_SIDE, _SIDE)).reshape(2, -1) - _CENTRE
    x, y = (a * column + b * row + shift + _CENTRE for a, b, shift in inverse)
    pixels = images.reshape(-1, _SIDE * _SIDE)
    warped = np.zeros(pixels.shape, np.float32)
    for j in (np.floor(y), np.floor(y) + 1):
        for i in (np.floor(x), np.floor(x) + 1):
            inside = (i >= 0) & (i < _SIDE) & (j >= 0) & (j < _SIDE)
            weight = inside * (1 - np.abs(x - i)) * (1 - np.abs(y - j))
            neighbour = np.where(inside, j * _SIDE + i, 0).astype(np.intp)
            warped += np.take(pixels, neighbour, axis=1) * weight.astype(np.float32)
    return warped.reshape(images.shape)


def _warp_by_draw(images: Images, inverses: Sequence[AffineMap], rng: Generator) -> Grey:
    """Warp each image by one of a few maps: the weights of a map are computed once for all images."""
    drawn = rng.integers(len(inverses), size=len(images))
    warped = np.empty(images.shape, np.float32)
    for k, inverse in enumerate(inverses):
        warped[drawn == k] = _warp(images[drawn == k], inverse)
    return warped


def _shift(images: Images, pixels: float, rng: Generator) -> Grey:
    both = (-pixels, pixels)
    return _warp_by_draw(images, [[[1, 0, dx], [0, 1, dy]] for dx in both for dy in both], rng)


def _rotation(images: Images, radians: float, rng: Generator) -> Grey:
    cos, sin = math.cos(radians), math.sin(radians)
    return _warp_by_draw(images, [[[cos, -s, 0], [s, cos, 0]] for s in (-sin, sin)], rng)


def _scale(images: Images, factor: float, rng: Generator) -> Grey:
    return _warp(images, [[1 / factor, 0, 0], [0, 1 / factor, 0]])


def _shear(images: Images, radians: float, rng: Generator) -> Grey:
    # The cosine makes the digit taller: MNIST-C inherits it from scikit-image before 0.21 (its issue 3239).
    cos, sin = math.cos(radians), math.sin(radians)
    return _warp_by_draw(images, [[[1, s, 0], [0, cos, 0]] for s in (-sin, sin)], rng)


def _gaussian_noise(images: Images, deviation: float, rng: Generator) -> Grey:
    return images + np.float32(255 * deviation) * rng.standard_normal(
        images.shape, dtype=np.float32
    )


def _impulse_noise(images: Images, share: float, rng: Generator) -> Grey:
    # One number decides whether a pixel changes and to what: a severity keeps what a lower one changed.
    uniform = rng.random(images.shape, dtype=np.float32)
    return np.where(uniform < share / 2, 0, np.where(uniform >= 1 - share / 2, 255, images))


def _blur(images: Images, sigma: float, rng: Generator) -> Grey:
    blurred: Grey = ndimage.gaussian_filter(
        images.astype(np.float32), sigma, mode="nearest", axes=(1, 2)
    )
    return blurred


def _contrast(images: Images, factor: float, rng: Generator) -> Grey:
    mean: npt.NDArray[np.float32] = images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return mean + np.float32(factor) * (images - mean)


def _brightness(images: Images, offset: float, rng: Generator) -> Grey:
    return images + np.float32(255 * offset)


def _occlusion(images: Images, side: float, rng: Generator) -> Grey:
    # Grey as in Zeiler and Fergus (2014, section 4.2); centred on ink, or the square may miss the digit.
    ink = images.reshape(-1, _SIDE * _SIDE) > _INK
    centre = np.argmax(ink * rng.random(ink.shape, dtype=np.float32), axis=1)
    first = np.stack(np.unravel_index(centre, (_SIDE, _SIDE)))[..., np.newaxis] - side // 2
    rows, columns = (np.arange(_SIDE) >= first) & (np.arange(_SIDE) < first + side)
    return np.where(rows[:, :, np.newaxis] & columns[:, np.newaxis, :], _GREY, images)


def _thickness(
    images: Images, pixels: float, rng: Generator, *, step: Callable[..., Images]
) -> Grey:
    """Erode or dilate by a number of pixels; a part of a pixel mixes the whole steps below and above it."""
    below = images
    for _ in range(math.floor(pixels)):
        below = step(below, footprint=_NEIGHBOURS, mode="nearest")
    above = step(below, footprint=_NEIGHBOURS, mode="nearest")
    part = np.float32(pixels % 1)
    return (1 - part) * below + part * above


def _jpeg(images: Images, quality: float, rng: Generator) -> Grey:
    # A strip of 32x32 tiles is one JPEG of many images. JPEG rounds each block of 8x8 pixels by itself, and
    # libjpeg fills an incomplete block by repeating its edge, as here: the pixels are those of single JPEGs.
    tiles = np.pad(images, ((0, 0), (0, 4), (0, 4)), mode="edge")
    decoded = np.empty_like(tiles)
    for start in range(0, len(tiles), _JPEG_STRIP):
        file, strip = io.BytesIO(), slice(start, start + _JPEG_STRIP)
        Image.fromarray(tiles[strip].reshape(-1, 32)).save(file, "JPEG", quality=int(quality))
        decoded[strip] = np.asarray(Image.open(file)).reshape(-1, 32, 32)
    return decoded[:, :_SIDE, :_SIDE]


_thin = partial(_thickness, step=ndimage.grey_erosion)
_thick = partial(_thickness, step=ndimage.grey_dilation)

_NOISE, _IMPULSES = (0.08, 0.12, 0.18, 0.26, 0.38), (0.03, 0.06, 0.09, 0.17, 0.27)
_ALL = (
    Corruption("shift", "pixels in x and in y", (0.5, 1, 1.5, 2, 3), _shift, ("translate", 5)),
    Corruption("rotation", "radians", (0.1, 0.2, 0.3, 0.4, 0.5), _rotation, ("rotate", 4)),
    Corruption("scale", "factor of size", (0.95, 0.9, 0.85, 0.8, 0.7), _scale, ("scale", 5)),
    Corruption("shear", "radians", (0.2, 0.3, 0.4, 0.5, 0.6), _shear, ("shear", 3)),
    Corruption("gaussian_noise", "sd, of 1", _NOISE, _gaussian_noise, ("gaussian_noise", 5)),
    Corruption("impulse_noise", "share of pixels", _IMPULSES, _impulse_noise, ("impulse_noise", 4)),
    Corruption("blur", "sd in pixels", (0.5, 1, 1.5, 2, 2.5), _blur),
    Corruption(
        "contrast", "factor about the mean", (0.8, 0.6, 0.5, 0.4, 0.1), _contrast, ("contrast", 5)
    ),
    Corruption(
        "brightness", "added, of 1", (0.03, 0.06, 0.1, 0.2, 0.5), _brightness, ("brightness", 5)
    ),
    Corruption("occlusion", "pixels a side", (4, 6, 8, 10, 12), _occlusion),
    Corruption("thin", "pixels eroded", (0.5, 0.75, 1, 1.25, 1.5), _thin),
    Corruption("thick", "pixels dilated", (0.5, 1, 1.25, 1.5, 2), _thick),
    Corruption("jpeg", "quality", (25, 18, 15, 10, 7), _jpeg, ("jpeg_compression", 5)),
)
CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType({each.name: each for each in _ALL})


def corrupt(images: Images, name: str, severity: int, *, seed: int = 0) -> Images:
    """Corrupt raw images.

    Parameters
    ----------
    images : uint8 array, shape (N, 28, 28), 0 to 255, white on black
        Left as they are.
    name : str
        A key of `CORRUPTIONS`.
    severity : int, 0 to 5
        0 is the identity.
    seed : int, 0 or more

    Returns
    -------
    uint8 array, shape (N, 28, 28), 0 to 255
        A new array.

    Raises
    ------
    MnistlabError
        If the name is unknown, or the severity, the dtype or the shape is another.
    """
    if name not in CORRUPTIONS:
        raise MnistlabError(
            f"corruption {name!r} is unknown; choose one of {', '.join(CORRUPTIONS)}"
        )
    if severity not in range(6):
        raise MnistlabError(f"severity {severity!r}: give 0 (identity), 1, 2, 3, 4 or 5")
    images = np.asarray(images)
    if images.dtype != np.uint8 or images.shape[1:] != (_SIDE, _SIDE):
        got = f"{images.dtype} images of shape {images.shape}"
        raise MnistlabError(
            f"{got}: corruptions take raw uint8 images of shape (N, 28, 28), before preparation"
        )
    if severity == 0:
        return images.copy()
    rng = np.random.default_rng(
        [seed, *name.encode()]
    )  # hash() would differ from process to process
    corruption = CORRUPTIONS[name]
    grey = corruption.function(images, corruption.parameters[int(severity) - 1], rng)
    return np.rint(grey, dtype=np.float32).clip(0, 255).astype(np.uint8)


def corrupt_all(images: Images) -> Iterator[tuple[str, int, Images]]:
    """Yield name, severity 1 to 5 and images for every corruption, one at a time: together they are 500 MB."""
    for name, severity in itertools.product(CORRUPTIONS, range(1, 6)):
        yield name, severity, corrupt(images, name, severity)
