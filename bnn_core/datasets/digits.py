"""Handwriting-like digits 0-9 drawn by code: a stand-in for MNIST that needs no download.

A digit is a few pen strokes through control points. Every image gets its own writer: the control
points wander, the strokes are bent by a slow wave (elastic), slanted, turned, scaled and shifted
(affine), and drawn with a pen of its own width, softness and pressure. Everything is a pure
function of `n` and `seed`.
"""

import numpy as np

SIZE = 28
_SEGMENTS = 30
_CHUNK = 64

# The ways of writing each digit: control points "x,y" in hundredths of a box (x to the right, y
# down) | the pieces of the pen line, each a run of point numbers. Two pieces that share a point
# meet in a corner; pieces without a common point are separate strokes.
_STYLES: dict[int, list[str]] = {
    0: [
        "50,0 20,14 6,50 20,87 50,100 80,86 94,50 80,14 46,1 | 012345678",
        "70,6 30,8 14,50 30,95 65,95 84,50 66,10 40,20 | 01234567",
    ],
    1: [
        "50,0 50,50 50,100 | 012",
        "28,24 54,0 53,50 52,100 | 01 123",
        "30,20 52,0 52,100 25,100 80,100 | 01 12 34",
    ],
    2: [
        "10,25 30,3 70,3 88,28 65,60 30,86 8,100 92,100 | 0123456 67",
        "12,22 40,0 80,15 72,50 35,90 12,90 28,76 60,95 95,92 | 012345678",
    ],
    3: [
        "12,15 45,0 80,18 65,42 40,47 70,52 88,75 55,100 10,88 | 01234 45678",
        "14,2 84,2 42,40 78,50 86,78 50,100 10,90 | 01 12 23456",
    ],
    4: [
        "25,0 10,56 94,54 74,8 66,100 | 01 12 34",
        "66,0 6,64 96,64 64,100 | 01 12 03",
        "20,2 14,34 40,50 78,40 82,2 72,100 | 0123 45",
    ],
    5: [
        "88,2 26,2 18,44 50,36 86,62 68,95 36,100 8,86 | 01 12 234567",
        "90,2 40,4 20,30 50,46 80,70 50,98 10,90 | 0123456",
    ],
    6: [
        "76,0 36,24 12,66 30,97 65,97 86,72 60,50 30,58 14,76 | 012345678",
        "46,0 24,40 18,80 46,100 74,80 56,60 22,74 | 0123456",
    ],
    7: [
        "8,2 90,2 58,50 40,100 | 01 123",
        "10,2 90,2 60,48 36,100 30,50 84,50 | 01 123 45",
        "12,20 14,3 88,4 50,100 | 01 12 23",
    ],
    8: [
        "80,14 50,0 20,18 46,45 83,76 50,100 17,77 50,46 80,16 | 012345678",
        "50,46 22,24 50,0 78,24 50,48 16,74 50,100 84,74 50,50 | 012345678",
    ],
    9: [
        "84,22 52,0 16,24 42,50 82,26 80,60 70,100 | 01234 456",
        "80,30 50,2 20,25 44,50 80,28 82,70 50,100 18,88 | 01234567",
    ],
}


def generate_digits(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws `n` digits: images (n, 28, 28) uint8, white on black, and labels (n,) int64 in 0..9.

    The classes are as even as `n` allows and in random order. The same `n` and `seed` give the same
    bytes; another seed gives other digits.
    """
    if n < 0:
        raise ValueError(f"n is {n} and must be 0 or more")
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n, dtype=np.int64) % 10)
    images = np.zeros((n, SIZE, SIZE), dtype=np.uint8)
    # Images of one style share their stroke matrix, so they are drawn together.
    styles = np.array([rng.integers(len(_STYLES[digit])) for digit in labels], dtype=np.int64)
    for digit, ways in _STYLES.items():
        for number, way in enumerate(ways):
            rows = np.flatnonzero((labels == digit) & (styles == number))
            points, pieces = _parse(way)
            starts, ends = _segment_matrices(len(points), pieces)
            for first in range(0, len(rows), _CHUNK):
                chunk = rows[first : first + _CHUNK]
                written = _write(points, len(chunk), rng)
                images[chunk] = _ink(starts @ written, ends @ written, rng)
    return images, labels


def _parse(way: str) -> tuple[np.ndarray, list[list[int]]]:
    points, pieces = way.split("|")
    xy = [[float(number) / 100 for number in point.split(",")] for point in points.split()]
    return np.array(xy), [[int(number) for number in piece] for piece in pieces.split()]


def _segment_matrices(num_points: int, pieces: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Matrices (segments, points) that take control points to the two ends of each line segment.

    Each piece is a Catmull-Rom curve, which is linear in its control points; the segments are
    shared out over the pieces by their number of spans.
    """
    spans = sum(len(piece) - 1 for piece in pieces)
    per_span = max(1, _SEGMENTS // spans)
    starts, ends = [], []
    for piece in pieces:
        last = len(piece) - 1
        rows = []
        for step in range(last * per_span + 1):
            span = min(step // per_span, last - 1)
            t = step / per_span - span
            weights = np.zeros(num_points)
            blend = (
                (-t + 2 * t**2 - t**3) / 2,
                (2 - 5 * t**2 + 3 * t**3) / 2,
                (t + 4 * t**2 - 3 * t**3) / 2,
                (t**3 - t**2) / 2,
            )
            for offset, weight in zip(range(-1, 3), blend, strict=True):
                weights[piece[min(max(span + offset, 0), last)]] += weight
            rows.append(weights)
        starts += rows[:-1]
        ends += rows[1:]
    return np.array(starts), np.array(ends)


def _write(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Control points of `count` writers, in pixels: (count, points, 2)."""
    written = points - 0.5 + rng.normal(0, 0.045, (count, *points.shape))
    # Elastic: a slow wave over the box, with its own direction and phase for x and for y.
    wave = rng.normal(0, 3.0, (count, 2, 2))
    phase = rng.uniform(0, 2 * np.pi, (count, 1, 2))
    height = rng.normal(0, 0.05, (count, 1, 2))
    written = written + height * np.sin(np.einsum("npi,nij->npj", written, wave) + phase)
    angle = rng.normal(0, 0.16, count)
    slant = rng.normal(0.12, 0.22, count)
    width = rng.uniform(9.5, 17, count)
    tall = rng.uniform(16, 21, count)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1)
    shape = np.zeros((count, 2, 2))
    shape[:, 0, 0], shape[:, 0, 1], shape[:, 1, 1] = width, -slant * tall, tall
    affine = turn.reshape(count, 2, 2) @ shape
    shift = rng.normal(0, 1.0, (count, 1, 2))
    return np.einsum("npi,nji->npj", written, affine) + (SIZE - 1) / 2 + shift


def _ink(starts: np.ndarray, ends: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Images (count, 28, 28) uint8 of line segments given by their ends, (count, segments, 2)."""
    count = len(starts)
    half_width = rng.uniform(0.7, 1.9, (count, 1))
    softness = rng.uniform(0.25, 0.6, (count, 1))
    pressure = rng.uniform(0.75, 1.0, (count, 1))
    grid = np.arange(SIZE, dtype=np.float32)
    pixels = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 1, 2)
    starts, along = starts.astype(np.float32), (ends - starts).astype(np.float32)
    length2 = np.maximum((along**2).sum(-1), 1e-6)[:, None]
    dx = pixels[..., 0] - starts[:, None, :, 0]
    dy = pixels[..., 1] - starts[:, None, :, 1]
    ax, ay = along[:, None, :, 0], along[:, None, :, 1]
    t = np.clip((dx * ax + dy * ay) / length2, 0, 1)
    distance = np.sqrt(((dx - t * ax) ** 2 + (dy - t * ay) ** 2).min(axis=2))
    ink = pressure / (1 + np.exp(np.clip((distance - half_width) / (0.5 * softness), -40, 40)))
    return (255 * ink).round().astype(np.uint8).reshape(count, SIZE, SIZE)
