"""The demo: a synthetic screen drawn by code from a seed, with planted faults whose truth is known.

Nothing in it was measured. Compounds, mechanisms and pictures are invented, so that the way from a
ranking to a decision can be tried, and checked against the truth, without a network or a download.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from bnn_core.base.files import write_unless_same
from bnn_core.datasets.demo.cells import DRAWN_CHANNELS, LOOK_NAMES, draw_field, respond
from bnn_core.datasets.demo.design import DemoDesign, Layout, lay_out
from bnn_core.datasets.demo.example_reviews import write_reviews
from bnn_core.datasets.demo.faults import plant_in_images, plant_in_wells
from bnn_core.datasets.demo.optics import LINE_SIZE, Optics
from bnn_core.datasets.demo.outsiders import add_unseen, with_damaged
from bnn_core.datasets.demo.phenotypes import UNTREATED
from bnn_core.datasets.preparation import ImageOptions, prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.study.folder import TRUTH_FILE, write_table

NOTE = (
    "Synthetic: cells, compounds and mechanisms are drawn and named by code; nothing was measured. "
    "Some labels are wrong on purpose."
)

#: Side of the field of view in micrometres, about 15 radii of a cell of 9 micrometres.
FIELD_UM = 128.0
# A week on another microscope: times the blur, times the cells.
_ODD_FOCUS, _ODD_DENSITY = 3.0, 1.25
_COUNT = LOOK_NAMES.index("count")
_IMAGE_COLUMNS = (
    "image_id", "label", "role", "group", "plate", "well", "site", "replicate", "batch", "compound",
    "concentration", "moa",
)  # fmt: skip


@dataclass(frozen=True)
class Demo:
    """A drawn screen.

    `images` (N, 3, H, W) uint8 in the order of `channels` (actin, tubulin, DNA); `table` has one
    row per image with the columns of images.parquet; `classes` are the mechanisms in alphabetical
    order; `truth` lists the planted faults (columns and levels: `faults.plant_in_wells`).
    """

    images: np.ndarray
    table: pd.DataFrame
    classes: list[str]
    truth: pd.DataFrame
    channels: tuple[str, ...] = DRAWN_CHANNELS


def generate_screen(seed: int = 0, design: DemoDesign | None = None) -> Demo:
    """Draws the screen of `design` from `seed`: the same two give the same screen (on machines
    that round matrix products differently, pixels may differ by one grey level).

    Labelled doses are scored, the others unlabelled, DMSO wells are controls. Layout, faults and
    pictures draw from separate random streams, and every picture from its own: a design with other
    image faults keeps all other pictures as they were.
    """
    design = design or DemoDesign()
    streams = [np.random.default_rng([seed, part]) for part in range(4)]
    layout = lay_out(design, streams[0])
    truth = plant_in_wells(design, layout, streams[1])
    layout = add_unseen(design, layout, np.random.default_rng([seed, 5]))
    shown, table = _one_row_per_image(design, layout)
    fault, image_faults = plant_in_images(design, table, truth, streams[2])
    optics = Optics(design.size, streams[3])
    scenes = _Scenes(design, table, streams[3])
    images = np.empty((len(table), len(DRAWN_CHANNELS), design.size, design.size), dtype=np.uint8)
    for i, (content, plate, well) in enumerate(
        zip(shown.itertuples(index=False), table["plate"], table["well"], strict=True)
    ):
        rng = np.random.default_rng([seed, 4, i])
        cells = _cells(design, layout, content, scenes.at(plate, well), rng)
        images[i] = _photograph(cells, scenes.at(plate, well), fault[i], optics, rng)
    truth = pd.concat([truth, image_faults], ignore_index=True) if len(truth) else image_faults
    return Demo(images, table, layout.classes, truth)


def _one_row_per_image(design: DemoDesign, layout: Layout) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each image shows, and the table of what it says."""
    rows = layout.wells.loc[layout.wells.index.repeat(design.sites)].reset_index(drop=True)
    rows["site"] = np.tile(np.arange(1, design.sites + 1), len(layout.wells))
    rows["image_id"] = rows["plate"] + "/" + rows["well"] + "/s" + rows["site"].astype(str)
    rows["group"] = rows["compound"]
    return rows[["shown", "strength", "mixed_with"]], rows[list(_IMAGE_COLUMNS)]


@dataclass(frozen=True)
class _Scene:
    """How one well is lit, stained and populated."""

    gain: np.ndarray  # per channel
    background: np.ndarray  # per channel
    light: np.ndarray  # (size, size), mean about 1
    density: float
    focus: float  # blur in pixels


class _Scenes:
    """Batch effects: large between weeks, smaller between plates of a week and wells of a plate."""

    def __init__(self, design: DemoDesign, table: pd.DataFrame, rng: np.random.Generator):
        b, size = design.batch_effect, design.size
        grid = np.linspace(-1, 1, size)
        self._of_plate, self._of_well = {}, {}
        weeks = {}
        for week in table["batch"].unique():
            weeks[week] = {
                "gain": np.exp(b * rng.normal(0, 0.08, 3)),
                "background": 0.02 + 0.03 * b * rng.random(3),
                "tilt": b * rng.normal(0, 0.08, 2),
                "density": np.exp(b * rng.normal(0, 0.08)),
                "focus": design.size / LINE_SIZE * (0.3 + 0.15 * b * rng.random()),
            }
        for week in rng.permutation(list(weeks))[: design.odd_weeks]:
            weeks[week]["focus"] *= _ODD_FOCUS
            weeks[week]["density"] *= _ODD_DENSITY
        for plate, week in table.groupby("plate", sort=False)["batch"].first().items():
            base = weeks[week]
            tilt = base["tilt"] + b * rng.normal(0, 0.03, 2)
            light = 1 + tilt[0] * grid[None, :] + tilt[1] * grid[:, None]
            light = light - 0.12 * (grid[None, :] ** 2 + grid[:, None] ** 2 - 0.67)
            self._of_plate[plate] = _Scene(
                gain=base["gain"] * np.exp(b * rng.normal(0, 0.03, 3)),
                background=base["background"],
                light=light.astype(np.float32),
                density=base["density"] * np.exp(b * rng.normal(0, 0.04)),
                focus=base["focus"],
            )
        for key in table[["plate", "well"]].drop_duplicates().itertuples(index=False):
            self._of_well[tuple(key)] = np.exp(b * rng.normal(0, 0.1))

    def at(self, plate: str, well: str) -> _Scene:
        scene = self._of_plate[plate]
        return replace(scene, density=scene.density * self._of_well[plate, well])


def _photograph(
    cells: np.ndarray, scene: _Scene, fault: str, optics: Optics, rng: np.random.Generator
) -> np.ndarray:
    """One field (3, size, size) uint8: cells, light, dirt, blur, camera noise."""
    if fault == "empty":
        cells = cells[: rng.integers(0, 2)]
    field = draw_field(cells, optics, rng)
    if fault == "debris":
        field = np.maximum(field, _dirt(optics, rng))
    focus = scene.focus
    if fault == "out of focus":
        focus = optics.scale * rng.uniform(2.2, 3.5)
    field = optics.defocus(field, focus)
    gain = scene.gain * np.exp(rng.normal(0, 0.03, 3))
    field = (field * gain[:, None, None] + scene.background[:, None, None]) * scene.light
    noise = rng.normal(size=field.shape) * np.sqrt(0.0002 + 0.0012 * field)
    return np.clip(255 * 0.72 * (field + noise), 0, 255).round().astype(np.uint8)


def _cells(
    design: DemoDesign,
    layout: Layout,
    content: Any,
    scene: _Scene,
    rng: np.random.Generator,
) -> np.ndarray:
    """Looks (cells, 22) of the cells of one field."""
    start = UNTREATED.vector()
    strength = content.strength
    target = layout.targets[content.shown] if content.shown >= 0 else start
    other = layout.targets[content.mixed_with] if content.mixed_with >= 0 else target
    effect = (target[_COUNT] + other[_COUNT]) / 2 - start[_COUNT]
    expected = max(start[_COUNT] + strength * effect, 3) * scene.density
    # A field of view of any size in pixels shows the same piece of ground.
    number = int(np.clip(rng.poisson(0.5 * expected) + round(0.5 * expected), 2, 45))
    response = strength * np.clip(rng.normal(1, design.cell_spread, number), 0, None)
    looks = respond(UNTREATED, target, response)
    if content.mixed_with >= 0:
        half = rng.random(number) < 0.5
        looks[half] = respond(UNTREATED, other, response[half])
    return looks


def _dirt(optics: Optics, rng: np.random.Generator) -> np.ndarray:
    """Bright dirt, (3, size, size): one or two clods and a fibre across the field."""
    size = optics.size
    grid = np.arange(size, dtype=np.float32)
    x, y = grid[None, :], grid[:, None]
    dirt = np.zeros((3, size, size), dtype=np.float32)
    for _ in range(rng.integers(1, 3)):
        cx, cy = rng.uniform(0.2, 0.8, 2) * size
        angle, phase = np.arctan2(y - cy, x - cx), rng.uniform(0, 2 * np.pi, 3)
        edge = 1 + sum(0.2 * np.cos(k * angle + phase[k - 2]) for k in (2, 3, 4))
        depth = np.hypot(x - cx, y - cy) / (edge * rng.uniform(0.1, 0.2) * size)
        clod = 1 / (1 + np.exp(np.clip((depth - 1) * 8, -30, 30)))
        dirt += clod * rng.uniform(0.9, 2.2, 3)[:, None, None].astype(np.float32)
    angle, offset = rng.uniform(0, np.pi), rng.uniform(-0.3, 0.3) * size
    along = (x - size / 2) * np.cos(angle) + (y - size / 2) * np.sin(angle)
    across = (y - size / 2) * np.cos(angle) - (x - size / 2) * np.sin(angle)
    bend = offset + 0.08 * size * np.sin(along / size * rng.uniform(3, 7) + rng.uniform(0, 6))
    fibre = np.exp(-(((across - bend) / 1.1) ** 2)).astype(np.float32)
    return dirt + fibre * rng.uniform(0.5, 1.6, 3)[:, None, None].astype(np.float32)


def prepare_screen(folder: Path, seed: int = 0, design: DemoDesign | None = None) -> PlateSource:
    """Draws the screen and prepares it for training as anybody's plate set.

    The pictures, one WebP file per channel in `folder`/pictures, go through the same reading,
    normalising, quality measures and thumbnails as a user's files; the source is `folder`/prepared
    and holds the truth, damaged copies, and decisions of two invented reviewers. Called again with
    the same settings it keeps what is there.
    """
    design = design or DemoDesign()
    demo = generate_screen(seed, design)
    pictures = Path(folder) / "pictures"
    names = (
        demo.table["plate"] + "/" + demo.table["well"] + "_s" + demo.table["site"].astype(str)
    ).to_list()
    paths = {f"path_{c}": [f"{name}_{c}.webp" for name in names] for c in demo.channels}
    for number, channel in enumerate(demo.channels):
        for path, image in zip(paths[f"path_{channel}"], demo.images, strict=True):
            write_unless_same(pictures / path, _webp(image[number]))
    source = prepare_source(
        demo.table.assign(**paths),
        ImageOptions(
            size=min(design.size, design.training_size),
            normalise="plate",
            pixel_size_um=FIELD_UM / design.size,
        ),
        channels=demo.channels,
        image_root=pictures,
        folder=Path(folder) / "prepared",
        classes=demo.classes,
        notes=[NOTE],
        travels=True,
    )
    write_table(source.folder / TRUTH_FILE, demo.truth)
    write_reviews(source.folder, source.table, demo.truth)
    return replace(source, truth=demo.truth, table=with_damaged(source.table))


def _webp(grey: np.ndarray) -> bytes:
    """(H, W) uint8 as the content of a WebP file."""
    webp = io.BytesIO()
    Image.fromarray(grey).save(webp, "webp", quality=70, method=6)
    return webp.getvalue()
