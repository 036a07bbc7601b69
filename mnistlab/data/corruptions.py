"""Image corruptions with a severity, to measure how accuracy falls as images get worse.

To add a corruption, add a function decorated with `_corruption` at the end of this file.

Where MNIST-C has the same corruption, definition and unit are its, and its published parameter is
one of the five. The others make the accuracy of the published recipe fall step by step; Gaussian
noise, impulse noise and JPEG have all five of MNIST-C's code. Unlike `blur`, its gaussian_blur
blurs columns only. Random draws depend only on the seed, the corruption and the image's index: an
image's severities differ in strength only. Results repeat bit for bit on one machine.

Source: Mu and Gilmer (2019), MNIST-C: A Robustness Benchmark for Computer Vision, arXiv:1906.02337,
and github.com/google-research/mnist-c, corruptions.py; its default severity is the published one.
"""

import functools
import io
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from PIL import Image
from scipy import ndimage

from mnistlab.arrays import IMAGE_SHAPE, PIXELS, SIDE, Array, Bytes

AffineMap: TypeAlias = Sequence[Sequence[float]]
"""Two rows of three; maps (x, y, 1) of the result, from the centre, to the source."""
Transform: TypeAlias = Callable[[Bytes, float, Generator], Array]
"""Images, parameter and random generator -> grey levels, which `corrupt` rounds and clips."""


@dataclass(frozen=True)
class Corruption:
    """One way to make images worse."""

    transform: Transform
    unit: str  # of the parameters
    parameters: tuple[float, ...]  # at severities 1 to 5
    mnist_c: tuple[str, int] | None = None  # name in MNIST-C, and the severity of its parameter


CORRUPTIONS: dict[str, Corruption] = {}
"""Every corruption by name, in the order of the functions below."""


def _corruption(
    unit: str, parameters: tuple[float, ...], mnist_c: tuple[str, int] | None = None
) -> Callable[[Transform], Transform]:
    """Add the decorated function to `CORRUPTIONS`, by its name without the underscore."""

    def register(transform: Transform) -> Transform:
        CORRUPTIONS[transform.__name__[1:]] = Corruption(transform, unit, parameters, mnist_c)
        return transform

    return register


def corrupt(images: Bytes, name: str, severity: int, *, seed: int = 0) -> Bytes:
    """Corrupt raw images, uint8 (N, 28, 28), at severity 1 to 5; returns new ones."""
    rng = np.random.default_rng([seed, *name.encode()])  # hash() differs between processes
    corruption = CORRUPTIONS[name]
    grey = corruption.transform(images, corruption.parameters[severity - 1], rng)
    return np.rint(grey, dtype=np.float32).clip(0, 255).astype(np.uint8)


def corrupt_all(images: Bytes) -> Iterator[tuple[str, int, Bytes]]:
    """Yield name, severity 1 to 5 and images of each corruption; all at once would take 500 MB."""
    # NumPy lets another thread run while it computes. Each takes 150 MB, so two are enough.
    with ThreadPoolExecutor(2) as pool:
        for name in CORRUPTIONS:
            severities = range(1, 6)
            corrupted = pool.map(functools.partial(corrupt, images, name), severities)
            yield from ((name, *case) for case in zip(severities, corrupted, strict=True))


def _warp(images: Bytes, inverses: Sequence[AffineMap], rng: Generator) -> Array:
    """Resample each image bilinearly by an inverse affine map drawn for it; borders are black."""
    drawn = rng.integers(len(inverses), size=len(images))
    row, column = np.indices(IMAGE_SHAPE).reshape(2, -1) - (SIDE - 1) / 2
    warped = np.zeros((len(images), PIXELS), np.float32)
    for number, inverse in enumerate(inverses):
        pixels = images[drawn == number].reshape(-1, PIXELS)
        total = np.zeros(pixels.shape, np.float32)
        x, y = (a * column + b * row + shift + (SIDE - 1) / 2 for a, b, shift in inverse)
        for j in (np.floor(y), np.floor(y) + 1):
            for i in (np.floor(x), np.floor(x) + 1):
                inside = (i >= 0) & (i < SIDE) & (j >= 0) & (j < SIDE)
                weight = inside * (1 - np.abs(x - i)) * (1 - np.abs(y - j))
                neighbour = np.where(inside, j * SIDE + i, 0).astype(np.intp)
                total += np.take(pixels, neighbour, axis=1) * weight.astype(np.float32)
        warped[drawn == number] = total
    return warped.reshape(images.shape)


@_corruption("pixels in x and in y", (0.5, 1, 1.5, 2, 3), ("translate", 5))
def _shift(images: Bytes, pixels: float, rng: Generator) -> Array:
    steps = (-pixels, pixels)
    inverses = [[[1, 0, dx], [0, 1, dy]] for dx in steps for dy in steps]
    return _warp(images, inverses, rng)


@_corruption("radians", (0.1, 0.2, 0.3, 0.4, 0.5), ("rotate", 4))
def _rotation(images: Bytes, radians: float, rng: Generator) -> Array:
    cos, sin = math.cos(radians), math.sin(radians)
    return _warp(images, [[[cos, -s, 0], [s, cos, 0]] for s in (-sin, sin)], rng)


@_corruption("factor of size", (0.95, 0.9, 0.85, 0.8, 0.7), ("scale", 5))
def _scale(images: Bytes, factor: float, rng: Generator) -> Array:
    return _warp(images, [[[1 / factor, 0, 0], [0, 1 / factor, 0]]], rng)


@_corruption("radians", (0.2, 0.3, 0.4, 0.5, 0.6), ("shear", 3))
def _shear(images: Bytes, radians: float, rng: Generator) -> Array:
    # The cosine makes the digit taller. MNIST-C inherits it from scikit-image before 0.21 (#3239).
    cos, sin = math.cos(radians), math.sin(radians)
    return _warp(images, [[[1, s, 0], [0, cos, 0]] for s in (-sin, sin)], rng)


@_corruption("sd, of 1", (0.08, 0.12, 0.18, 0.26, 0.38), ("gaussian_noise", 5))
def _gaussian_noise(images: Bytes, deviation: float, rng: Generator) -> Array:
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    return images + np.float32(255 * deviation) * noise


@_corruption("share of pixels", (0.03, 0.06, 0.09, 0.17, 0.27), ("impulse_noise", 4))
def _impulse_noise(images: Bytes, share: float, rng: Generator) -> Array:
    # One number decides whether a pixel changes and to what, so severities are nested.
    uniform = rng.random(images.shape, dtype=np.float32)
    return np.where(uniform < share / 2, 0, np.where(uniform >= 1 - share / 2, 255, images))


@_corruption("sd in pixels", (0.5, 1, 1.5, 2, 2.5))
def _blur(images: Bytes, sigma: float, rng: Generator) -> Array:
    grey = images.astype(np.float32)
    return np.asarray(ndimage.gaussian_filter(grey, sigma, mode="nearest", axes=(1, 2)))


@_corruption("factor about the mean", (0.8, 0.6, 0.5, 0.4, 0.1), ("contrast", 5))
def _contrast(images: Bytes, factor: float, rng: Generator) -> Array:
    mean = images.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return np.asarray(mean + np.float32(factor) * (images - mean))


@_corruption("added, of 1", (0.03, 0.06, 0.1, 0.2, 0.5), ("brightness", 5))
def _brightness(images: Bytes, offset: float, rng: Generator) -> Array:
    return images + np.float32(255 * offset)


@_corruption("pixels a side", (4, 6, 8, 10, 12))
def _occlusion(images: Bytes, side: float, rng: Generator) -> Array:
    # Grey as in Zeiler and Fergus (2014, section 4.2), centred on a pixel of the digit.
    ink = images.reshape(-1, PIXELS) > 127
    centre = np.argmax(ink * rng.random(ink.shape, dtype=np.float32), axis=1)
    first = np.stack(np.unravel_index(centre, IMAGE_SHAPE))[..., np.newaxis] - side // 2
    rows, columns = (np.arange(SIDE) >= first) & (np.arange(SIDE) < first + side)
    return np.where(rows[:, :, np.newaxis] & columns[:, np.newaxis, :], 128, images)


def _repeat(step: Callable[..., Bytes], images: Bytes, pixels: float) -> Array:
    """Erode or dilate by a number of pixels; a fraction mixes the whole steps on either side."""
    cross = ndimage.generate_binary_structure(2, 1)[np.newaxis]  # a pixel and its four neighbours
    fewer = images
    for _ in range(math.floor(pixels)):
        fewer = step(fewer, footprint=cross, mode="nearest")
    more = step(fewer, footprint=cross, mode="nearest")
    fraction = np.float32(pixels % 1)
    return (1 - fraction) * fewer + fraction * more


@_corruption("pixels eroded", (0.5, 0.75, 1, 1.25, 1.5))
def _thin(images: Bytes, pixels: float, rng: Generator) -> Array:
    return _repeat(ndimage.grey_erosion, images, pixels)


@_corruption("pixels dilated", (0.5, 1, 1.25, 1.5, 2))
def _thick(images: Bytes, pixels: float, rng: Generator) -> Array:
    return _repeat(ndimage.grey_dilation, images, pixels)


@_corruption("quality", (25, 18, 15, 10, 7), ("jpeg_compression", 5))
def _jpeg(images: Bytes, quality: float, rng: Generator) -> Array:
    # One file holds a strip of many images in tiles of 32x32, for speed. JPEG rounds each block of
    # 8x8 pixels on its own, and libjpeg completes a block by repeating its edge, as the padding
    # does. So the pixels are those of single files. A JPEG's sides are at most 65 500 pixels.
    tiles = np.pad(images, ((0, 0), (0, 4), (0, 4)), mode="edge")
    decoded = np.empty_like(tiles)
    for start in range(0, len(tiles), 2000):
        file, strip = io.BytesIO(), slice(start, start + 2000)
        Image.fromarray(tiles[strip].reshape(-1, 32)).save(file, "JPEG", quality=int(quality))
        decoded[strip] = np.asarray(Image.open(file)).reshape(-1, 32, 32)
    return decoded[:, :SIDE, :SIDE]
