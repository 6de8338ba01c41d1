"""Draws fluorescent-like cells with numpy: nucleus, tubulin and actin of one field of view.

A field is given by one row of numbers per cell, its `Look`. The drawing is a caricature, not a
model of microscopy: outlines are wavy ellipses that share the ground where cells meet, tubulin is a
bundle of wandering threads, actin a rim with fibres, dots and spikes, DNA a few soft ellipses.
Lengths are in units of an ordinary cell's radius, brightness in units of an ordinary cell's.
"""

from dataclasses import dataclass, fields, replace

import numpy as np

from bnn_core.datasets.demo.optics import Optics, splat

DRAWN_CHANNELS = ("actin", "tubulin", "DNA")
"""Channel order of every drawn field: red, green, blue, so that it can be shown as it is."""

_MAX_PIECES = 5
_THREADS = 22
_STEPS = 18


@dataclass(frozen=True)
class Look:
    """What one kind of cell looks like; the defaults are an untreated cell."""

    count: float = 17.0  # cells in a field
    crowding: float = 0.35  # 0 evenly spread .. 1 in tight islands
    radius: float = 1.0
    elongation: float = 1.25  # long over short axis
    waviness: float = 0.10  # of the outline
    spikes: float = 0.0  # pointed arms of the outline, height over radius
    nucleus: float = 0.5  # radius
    nucleus_brightness: float = 1.0
    pieces: float = 0.0  # expected further pieces of a broken nucleus
    tubulin: float = 1.0
    threads: float = 0.62  # share of tubulin in threads, the rest is diffuse
    bundling: float = 0.1  # 0 fine threads .. 1 a few thick ones
    reach: float = 0.95  # how far threads run, 1 = cell edge
    perinuclear: float = 0.25  # tubulin heaped around the nucleus
    actin: float = 0.8
    rim: float = 0.55  # actin along the free edge
    contacts: float = 0.6  # actin where cells meet
    fibres: float = 0.35  # parallel actin fibres
    dots: float = 0.0  # actin in dots
    filopodia: float = 0.0  # thin actin needles beyond the edge
    holes: float = 0.0  # dark bubbles in the cytoplasm
    rounded: float = 0.05  # share of cells rounded up, small and bright

    def vector(self) -> np.ndarray:
        """The numbers in the order of `LOOK_NAMES`, (22,) float64."""
        return np.array([getattr(self, name) for name in LOOK_NAMES])

    def but(self, **changes: float) -> "Look":
        """The same look with some numbers changed."""
        return replace(self, **changes)


LOOK_NAMES = tuple(field.name for field in fields(Look))
_COLUMN = {name: i for i, name in enumerate(LOOK_NAMES)}
_LOWEST = np.array(
    [{"count": 1, "radius": 0.35, "elongation": 1, "nucleus": 0.15}.get(n, 0) for n in LOOK_NAMES]
)


def respond(base: Look, target: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Looks (cells, 22) that have gone the way from `base` to `target` by each cell's `strength`.

    Strength 0 leaves a cell as it is, 1 makes it the target, and more overshoots; numbers are kept
    in their sensible range.
    """
    start = base.vector()
    looks = start + strength[:, None] * (target - start)
    return np.maximum(looks, _LOWEST)


def draw_field(looks: np.ndarray, optics: Optics, rng: np.random.Generator) -> np.ndarray:
    """Draws cells with the given looks, (cells, 22): image (3, size, size) float32, about 0..1.5.

    No background, noise or illumination: a field without cells is black.
    """
    if len(looks) == 0:
        return np.zeros((len(DRAWN_CHANNELS), optics.size, optics.size), dtype=np.float32)
    cells = _Cells(looks, optics, rng)
    ground = _share_ground(cells, optics)
    dna = _draw_nuclei(cells, optics, rng)
    holes = _draw_holes(cells, optics, rng)
    tubulin = _draw_tubulin(cells, ground, optics, rng) * holes
    actin = _draw_actin(cells, ground, optics, rng) * holes
    # The nucleus is in the middle of the cytoplasm and replaces it there.
    covered = np.clip(dna, 0, 1)
    layers = [actin * (1 - 0.55 * covered), tubulin * (1 - 0.6 * covered), dna]
    return optics.shrink(np.stack(layers))


class _Cells:
    """Places, sizes, directions and looks of the cells of one field, as columns."""

    def __init__(self, looks: np.ndarray, optics: Optics, rng: np.random.Generator):
        self.looks = looks.astype(np.float32)
        self.n = len(looks)
        rounded = rng.random(self.n) < self["rounded"]
        self.looks[rounded] *= _ROUNDED_FACTOR
        self.looks[rounded, _COLUMN["elongation"]] = 1.05
        spread = np.exp(rng.normal(0, 0.14, self.n)).astype(np.float32)
        self.radius = optics.radius * self["radius"] * spread
        self.centres = _scatter(self.n, self.radius, float(self["crowding"].mean()), optics, rng)
        angle = rng.uniform(0, 2 * np.pi, self.n)
        self.cos, self.sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        self.brightness = np.exp(rng.normal(0, 0.16, self.n)).astype(np.float32)
        self.brightness[rounded] *= 1.7
        self.wave_phase = np.exp(1j * rng.uniform(0, 2 * np.pi, (3, self.n))).astype(np.complex64)
        self.wave_height = (rng.rayleigh(0.8, (2, self.n)) * self["waviness"]).astype(np.float32)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.looks[:, _COLUMN[name]]

    def outline(self, dx: np.ndarray, dy: np.ndarray, who: np.ndarray) -> np.ndarray:
        """Distance from the centre of cell `who` in units of its outline: 1 on the edge."""
        long = np.sqrt(self["elongation"][who])
        u = (self.cos[who] * dx + self.sin[who] * dy) / long
        v = (self.cos[who] * dy - self.sin[who] * dx) * long
        distance = np.sqrt(u * u + v * v) + 1e-3
        z = (u + 1j * v) / distance
        z2 = z * z
        z3 = z2 * z
        arms = np.maximum((z3 * z2 * self.wave_phase[2][who]).real, 0)
        edge = (
            1
            + self.wave_height[0][who] * (z2 * self.wave_phase[0][who]).real
            + self.wave_height[1][who] * (z3 * self.wave_phase[1][who]).real
            + self["spikes"][who] * (arms**4 - 0.25)
        )
        return distance / (self.radius[who] * np.maximum(edge, 0.3))


_ROUNDED_FACTOR = np.ones(len(LOOK_NAMES), dtype=np.float32)
for _name, _factor in {
    "radius": 0.6,
    "waviness": 0.3,
    "spikes": 0.2,
    "nucleus": 0.75,
    "nucleus_brightness": 1.3,
    "threads": 0.3,
    "fibres": 0.0,
    "holes": 0.3,
}.items():
    _ROUNDED_FACTOR[_COLUMN[_name]] = _factor


@dataclass
class _Ground:
    """Who owns each canvas pixel and how deep inside its owner it lies."""

    owner: np.ndarray  # cell number
    depth: np.ndarray  # distance in units of the outline, 1 on the edge
    inside: np.ndarray  # soft mask, 0..1
    contact: np.ndarray  # 1 where two cells meet


def _scatter(
    n: int, radius: np.ndarray, crowding: float, optics: Optics, rng: np.random.Generator
) -> np.ndarray:
    """Centres (n, 2) on the canvas; of several random places each cell takes the best free one."""
    low, high = optics.margin - 0.4 * optics.radius, optics.margin + optics.fine
    tries = rng.uniform(low, high + 0.4 * optics.radius, (n, 24, 2))
    centres = np.empty((n, 2))
    centres[0] = tries[0, 0]
    for i in range(1, n):
        gap = np.linalg.norm(tries[i, :, None] - centres[None, :i], axis=2)
        nearest = (gap / (radius[:i] + radius[i])).min(axis=1)
        # Too near is always bad; far is good for a lone cell and bad for a sociable one.
        wish = np.minimum(nearest, 0.8) * 4 - (2 * crowding - 0.6) * np.minimum(nearest, 3)
        centres[i] = tries[i, wish.argmax()]
    return centres


def _share_ground(cells: _Cells, optics: Optics) -> _Ground:
    """Gives each pixel to the cell whose outline it is deepest in."""
    side = optics.canvas
    depth = np.full((side, side), 9, dtype=np.float32)
    second = np.full((side, side), 9, dtype=np.float32)
    owner = np.zeros((side, side), dtype=np.intp)
    half = np.ceil(1.75 * cells.radius * np.sqrt(cells["elongation"])).astype(int)
    for i in range(cells.n):
        x, y = cells.centres[i]
        reach = min(half[i], optics.margin - 2)
        top, left = int(y) - reach, int(x) - reach
        box = np.s_[max(top, 0) : top + 2 * reach + 1, max(left, 0) : left + 2 * reach + 1]
        rows = np.arange(box[0].start, min(box[0].stop, side), dtype=np.float32) - np.float32(y)
        columns = np.arange(box[1].start, min(box[1].stop, side), dtype=np.float32) - np.float32(x)
        outline = cells.outline(columns[None, :], rows[:, None], i)
        before = depth[box]
        closer = outline < before
        second[box] = np.where(closer, before, np.minimum(second[box], outline))
        owner[box][closer] = i
        depth[box] = np.minimum(before, outline)
    softness = 1.2 / cells.radius[owner]
    inside = 1 / (1 + np.exp(np.clip((depth - 1) / softness, -30, 30)))
    contact = np.exp(-(((second - depth) / 0.16) ** 2)) * inside * (second < 1.25)
    return _Ground(owner, depth, inside, contact)


def _draw_nuclei(cells: _Cells, optics: Optics, rng: np.random.Generator) -> np.ndarray:
    further = np.minimum(rng.poisson(cells["pieces"]), _MAX_PIECES - 1)
    piece_of = np.repeat(np.arange(cells.n), 1 + further)
    m = len(piece_of)
    broken = (further > 0)[piece_of]
    away = np.where(broken, rng.uniform(0.5, 0.85, m), rng.uniform(0, 0.15, m))
    radius = cells["nucleus"][piece_of] * optics.radius * np.exp(rng.normal(0, 0.1, m))
    shrink = np.where(broken, 1.05 / np.sqrt(1 + further[piece_of]), 1) * rng.uniform(0.85, 1.1, m)
    turn = rng.uniform(0, 2 * np.pi, m)
    centre = cells.centres[piece_of] + (away * radius)[:, None] * np.stack(
        [np.cos(turn), np.sin(turn)], axis=1
    )
    tilt = rng.uniform(0, np.pi, m)
    long = rng.uniform(1.05, 1.4, m)
    canvas = np.zeros((optics.canvas, optics.canvas), dtype=np.float32)
    glow = cells["nucleus_brightness"] * np.sqrt(cells.brightness)
    for i in range(m):
        cell = piece_of[i]
        size = radius[i] * shrink[i]
        box, dx, dy = optics.window(centre[i], 1.7 * size + 2)
        u = (np.cos(tilt[i]) * dx + np.sin(tilt[i]) * dy) / np.sqrt(long[i])
        v = (np.cos(tilt[i]) * dy - np.sin(tilt[i]) * dx) * np.sqrt(long[i])
        depth = np.sqrt(u * u + v * v) / size
        body = glow[cell] / (1 + np.exp(np.clip((depth - 1) * size / 0.9, -30, 30)))
        canvas[box] = np.maximum(canvas[box], body * (1.05 - 0.25 * np.minimum(depth, 1) ** 2))
    return canvas * (1 + 0.16 * optics.cut(optics.texture, rng))


def _draw_holes(cells: _Cells, optics: Optics, rng: np.random.Generator) -> np.ndarray:
    """What the bubbles leave of the cytoplasm: 1 everywhere but in a bubble."""
    left = np.ones((optics.canvas, optics.canvas), dtype=np.float32)
    number = rng.poisson(6 * cells["holes"])
    hole_of = np.repeat(np.arange(cells.n), number)
    turn = rng.uniform(0, 2 * np.pi, len(hole_of))
    away = rng.uniform(0.45, 0.85, len(hole_of)) * cells.radius[hole_of]
    size = rng.uniform(0.17, 0.32, len(hole_of)) * optics.radius
    for i in range(len(hole_of)):
        offset = away[i] * np.array([np.cos(turn[i]), np.sin(turn[i])])
        box, dx, dy = optics.window(cells.centres[hole_of[i]] + offset, 2 * size[i] + 2)
        left[box] *= 1 - 0.85 * np.exp(-(((dx * dx + dy * dy) / size[i] ** 2) ** 2))
    return left


def _draw_tubulin(
    cells: _Cells, ground: _Ground, optics: Optics, rng: np.random.Generator
) -> np.ndarray:
    who = ground.owner
    dome = np.sqrt(np.clip(1 - ground.depth**2, 0, 1)) * 0.7 + 0.3
    diffuse = dome * (1 - cells["threads"][who]) * (1 + 0.22 * optics.cut(optics.mottle, rng))
    near = np.exp(-(((ground.depth - 0.5) / 0.2) ** 2)) * cells["perinuclear"][who]
    fine, thick = _threads(cells, ground, optics, rng)
    level = (cells["tubulin"] * cells.brightness)[who]
    soft = ground.inside * level * (0.62 * diffuse + 0.8 * near)
    return soft + fine + thick


def _threads(
    cells: _Cells, ground: _Ground, optics: Optics, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Tubulin threads that wander from the nucleus outward: canvases of fine and thick ones."""
    n = cells.n
    first = rng.uniform(0, 2 * np.pi, (n, _THREADS, 1))
    # Bundled threads share the few directions that their cell has, and lie over one another.
    bundles = rng.uniform(0, 2 * np.pi, (n, 4))
    member = rng.integers(0, 4, (n, _THREADS))
    shared = np.take_along_axis(bundles, member, axis=1)[:, :, None]
    bundling = np.clip(cells["bundling"], 0, 1)[:, None, None]
    heading = np.where(rng.random((n, _THREADS, 1)) < bundling, shared, first)
    bend = rng.normal(0, 0.13, (n, _THREADS, _STEPS)).cumsum(axis=2) + heading
    far = cells["reach"][:, None, None] * rng.uniform(0.65, 1.1, (n, _THREADS, 1))
    step = np.linspace(0, 1, _STEPS)
    start = 0.8 * cells["nucleus"][:, None] * optics.radius
    turn = heading[:, :, 0]
    length = np.maximum(far * cells.radius[:, None, None] - start[:, :, None], 0) / _STEPS
    # Threads of a long cell run along it: steps are stretched like the cell.
    long = np.sqrt(cells["elongation"])[:, None, None]
    u = (start * np.cos(turn))[:, :, None] + (length * np.cos(bend)).cumsum(axis=2)
    v = (start * np.sin(turn))[:, :, None] + (length * np.sin(bend)).cumsum(axis=2)
    u, v = u * long, v / long
    cos, sin = cells.cos[:, None, None], cells.sin[:, None, None]
    x = cells.centres[:, 0, None, None] + cos * u - sin * v
    y = cells.centres[:, 1, None, None] + sin * u + cos * v
    column = np.clip(np.rint(x), 0, optics.canvas - 1).astype(np.intp)
    row = np.clip(np.rint(y), 0, optics.canvas - 1).astype(np.intp)
    at_home = (ground.owner[row, column] == np.arange(n)[:, None, None]) | (
        ground.depth[row, column] > 1.05
    )
    level = cells["tubulin"] * cells["threads"] * cells.brightness
    # Tubulin per length of thread is the same in short and long ones, whatever the image's size.
    length = length / optics.scale
    weight = 2.6 * (_STEPS / 24) * level[:, None, None] * at_home * length * (1.15 - 0.6 * step)
    fine = splat(x, y, weight * (1 - bundling), optics.canvas)
    thick = splat(x, y, weight * bundling * 1.6, optics.canvas)
    return optics.lines(fine), optics.lines(thick, 2)


def _draw_actin(
    cells: _Cells, ground: _Ground, optics: Optics, rng: np.random.Generator
) -> np.ndarray:
    who = ground.owner
    alone = 1 - ground.contact
    width = 1.6 / cells.radius[who] + 0.04
    rim = np.exp(-(((ground.depth - 0.97) / width) ** 2)) * cells["rim"][who] * alone
    contact = 1.2 * ground.contact * cells["contacts"][who]
    diffuse = (0.42 - 0.12 * cells["dots"][who]) * (1 + 0.2 * optics.cut(optics.mottle, rng))
    level = (cells["actin"] * cells.brightness)[who]
    soft = level * (ground.inside * (diffuse + contact) + 1.25 * rim)
    fibres = optics.lines(splat(*_fibres(cells, optics, rng), optics.canvas)) * ground.inside
    dots = optics.lines(splat(*_dots(cells, rng), optics.canvas) * ground.inside, 1)
    needles = optics.lines(splat(*_needles(cells, optics, rng), optics.canvas))
    return soft + fibres + dots + needles


def _fibres(
    cells: _Cells, optics: Optics, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Straight lines along the cell's long axis: x, y and weight of their points."""
    shape = (cells.n, 7, round(22 * optics.scale))
    across = rng.uniform(-0.7, 0.7, (cells.n, 7, 1)) * cells.radius[:, None, None]
    reach = np.sqrt(1 - (across / cells.radius[:, None, None]) ** 2) * cells.radius[:, None, None]
    along = np.linspace(-0.95, 0.95, shape[2]) * reach
    tilt = rng.normal(0, 0.08, (cells.n, 7, 1)) * along
    long = np.sqrt(cells["elongation"])[:, None, None]
    u, v = along * long, (across + tilt) / long
    cos, sin = cells.cos[:, None, None], cells.sin[:, None, None]
    x = cells.centres[:, 0, None, None] + cos * u - sin * v
    y = cells.centres[:, 1, None, None] + sin * u + cos * v
    weight = (cells["actin"] * cells["fibres"] * cells.brightness * cells["radius"])[:, None, None]
    return x, y, np.broadcast_to(0.75 * weight * (22 / shape[2]), shape)


def _dots(cells: _Cells, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bright points in the cytoplasm: x, y and weight."""
    number = rng.poisson(11 * cells["dots"])
    dot_of = np.repeat(np.arange(cells.n), number)
    turn = rng.uniform(0, 2 * np.pi, len(dot_of))
    away = np.sqrt(rng.uniform(0.15, 0.9, len(dot_of))) * cells.radius[dot_of]
    x = cells.centres[dot_of, 0] + away * np.cos(turn)
    y = cells.centres[dot_of, 1] + away * np.sin(turn)
    level = (cells["actin"] * cells.brightness)[dot_of]
    return x, y, level * rng.uniform(7, 16, len(dot_of))


def _needles(
    cells: _Cells, optics: Optics, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Short straight lines outward from the edge: x, y and weight of their points."""
    number = rng.poisson(13 * cells["filopodia"])
    needle_of = np.repeat(np.arange(cells.n), number)
    turn = rng.uniform(0, 2 * np.pi, len(needle_of))[:, None]
    length = rng.uniform(0.25, 0.6, len(needle_of))[:, None]
    points = round(8 * optics.scale)
    along = (0.85 + length * np.linspace(0, 1, points)) * cells.radius[needle_of, None]
    long = np.sqrt(cells["elongation"])[needle_of, None]
    u, v = along * np.cos(turn) * long, along * np.sin(turn) / long
    cos, sin = cells.cos[needle_of, None], cells.sin[needle_of, None]
    x = cells.centres[needle_of, 0, None] + cos * u - sin * v
    y = cells.centres[needle_of, 1, None] + sin * u + cos * v
    level = (cells["actin"] * cells.brightness)[needle_of, None]
    return x, y, 1.1 * (8 / points) * level * np.linspace(1, 0.5, points)
