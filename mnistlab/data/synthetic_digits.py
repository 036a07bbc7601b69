"""Clean digits drawn by code, for a minimum functionality test: every healthy model reads them.

Such tests: Ribeiro et al. (2020), Beyond accuracy: CheckList, section 2.2. The layout is that of
LeCun et al. (1998), section III.A: white on black, the digit scaled into 20x20 pixels with its
proportions kept, and its centre of mass in the middle of 28x28.
"""

from typing import TypeAlias

import numpy as np

from mnistlab.arrays import IMAGE_SHAPE, SIDE, Bytes, Doubles

Stroke: TypeAlias = list[tuple[float, float]]
"""A polyline of (x, y), y downwards, in any unit."""
RADIUS = 1.2
"""Pixels from the middle of a stroke to its edge; MNIST's strokes are two to three pixels wide."""


def _arc(x: float, y: float, width: float, height: float, start: float, stop: float) -> Stroke:
    """Approximate an arc of an ellipse with centre (x, y); degrees run clockwise from the right."""
    angle = np.radians(np.linspace(start, stop, 24))
    xs, ys = x + width / 2 * np.cos(angle), y + height / 2 * np.sin(angle)
    return list(zip(xs.tolist(), ys.tolist(), strict=True))


_FORMS: tuple[tuple[int, list[Stroke]], ...] = (
    (0, [_arc(5, 8, 10, 16, 0, 360)]),
    (0, [_arc(6, 8, 12, 16, 0, 360)]),
    (0, [_arc(7, 7, 14, 14, 0, 360)]),
    (1, [[(0, 0), (0, 16)]]),
    (1, [[(5, 0), (0, 16)]]),
    (1, [[(2, 0), (0, 16)]]),
    (2, [[*_arc(5, 5, 10, 10, 190, 390), (0, 16), (10, 16)]]),
    (2, [[*_arc(5, 4, 10, 8, 200, 400), (0, 14), (12, 14)]]),
    (2, [[*_arc(5, 4, 9, 8, 180, 405), (-1, 14), (9, 14)]]),
    (3, [[*_arc(4, 4, 8, 8, 200, 450), *_arc(4, 12.5, 10, 9, 270, 520)]]),
    (3, [[(0, 0), (9, 0), (4, 6), *_arc(4, 11, 10, 10, 270, 510)]]),
    (3, [[*_arc(4, 4, 10, 8, 210, 450), *_arc(4, 12, 10, 8, 270, 510)]]),
    (4, [[(1, 0), (0, 9), (10, 9)], [(9, 0), (8, 17)]]),
    (4, [[(8, 17), (8, 0), (0, 11), (11, 11)]]),
    (4, [[(0, 0), (0, 8), (9, 8)], [(9, 0), (9, 17)]]),
    (5, [[(9, 0), (1, 0), (0, 7), *_arc(4, 11, 10, 9, 240, 510)]]),
    (5, [[(10, 0), (2, 0), (1, 6), *_arc(4, 10.5, 11, 9, 250, 500)]]),
    (5, [[(10, 0), (3, 0), (2, 7), *_arc(4, 11, 10, 8, 270, 500)]]),
    (6, [[(7, 0), (2, 6), *_arc(5, 12, 9, 8, 180, 540)]]),
    (6, [[*_arc(8, 11, 16, 22, 270, 180), *_arc(4.5, 12, 9, 9, 180, 540)]]),
    (6, [[(5, 0), (1, 8), *_arc(5, 12, 9, 8, 180, 540)]]),
    (7, [[(0, 0), (10, 0), (4, 16)]]),
    (7, [[(0, 0), (9, 0), (5, 7), (3, 16)]]),
    (7, [[(0, 1), (0, 0), (8, 0), (3, 16)]]),
    (8, [_arc(4.5, 4, 7, 8, 0, 360), _arc(4.5, 12, 9, 8, 0, 360)]),
    (8, [_arc(5, 4, 8, 8, 0, 360), _arc(4, 12, 8, 8, 0, 360)]),
    (8, [[(9, 1), (1, 12), *_arc(4, 13, 6, 6, 180, 0), (1, 4), *_arc(5, 3, 8, 6, 180, 360)]]),
    (9, [_arc(5, 4.5, 9, 9, 0, 360), [(9.5, 4.5), (8, 17)]]),
    (9, [_arc(5, 4.5, 9, 9, 0, 360), [(9.5, 4.5), (9.5, 17)]]),
    (9, [_arc(5, 4, 10, 8, 0, 360), [(10, 4), (6, 16)]]),
)


def _draw(segments: Doubles, centre: Doubles) -> Doubles:
    """Draw segments, (N, 2 ends, 2 coordinates), with `centre` in the middle; ink from 0 to 1."""
    start = segments[:, 0, None, None] - centre + (SIDE - 1) / 2
    along = (segments[:, 1] - segments[:, 0])[:, None, None]
    pixels = np.moveaxis(np.indices(IMAGE_SHAPE)[::-1], 0, -1)
    share = ((pixels - start) * along).sum(-1) / (along**2).sum(-1)
    nearest = start + np.clip(share, 0, 1)[..., None] * along
    distance = np.linalg.norm(pixels - nearest, axis=-1).min(axis=0)
    return np.asarray(np.clip(RADIUS + 0.5 - distance, 0, 1))  # half at the edge of the stroke


def _render(strokes: list[Stroke]) -> Bytes:
    segments = np.concatenate([np.stack([stroke[:-1], stroke[1:]], axis=1) for stroke in strokes])
    segments = segments * (20 - 2 * RADIUS) / np.ptp(segments, axis=(0, 1)).max()
    centre = (segments.min(axis=(0, 1)) + segments.max(axis=(0, 1))) / 2
    ink = _draw(segments, centre)
    mass = [np.average(coordinate, weights=ink) for coordinate in np.indices(IMAGE_SHAPE)[::-1]]
    ink = _draw(segments, centre + mass - (SIDE - 1) / 2)
    return np.rint(255 * ink).astype(np.uint8)


def draw_digits() -> tuple[Bytes, Bytes]:
    """Draw three forms of each digit: images, uint8 (30, 28, 28), and ascending labels, (30,)."""
    images = np.stack([_render(strokes) for _, strokes in _FORMS])
    return images, np.array([digit for digit, _ in _FORMS], np.uint8)
