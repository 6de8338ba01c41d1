"""What every set of plate images becomes before training: the plate source.

One folder, written by `bnn_core.datasets.preparation` and read memory-mapped, so that the folds of
a cross-validation, on whatever machine, never touch the original files.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.files import copy_folder, read_json, write_bytes
from bnn_core.base.reading import read_array, read_parquet
from bnn_core.base.spreadsheets import neutralised
from bnn_core.datasets.extra_rows import CORRUPTION, STORED
from bnn_core.images.contrast import stretch
from bnn_core.images.faults import corrupt
from bnn_core.images.rendering import channel_colours, thumbnail
from bnn_core.study.description import Names, Positive
from bnn_core.study.folder import REVIEWS, TRUTH_FILE, write_table
from bnn_core.study.tables import (
    CONTRAST,
    demand_columns,
    demand_offsets,
    demand_shape,
    shown_columns,
)

SOURCE_FILE = "source.json"
PREPARE_AGAIN = "delete the folder of prepared images and run the same command again"
#: Folder of pictures that travel with a study, because they are nowhere else.
PICTURES = "pictures"
_ELSEWHERE = "choose another --out"


class Prepared(TypedDict):
    """source.json: how the images of a source were read; key: a digest of all that decided it.

    channels: of the pictures; empty for features without pictures. features: their names; anchor and
    anchor_spread: see `datasets.features`.
    """

    key: str
    classes: list[str]
    channels: list[str]
    features: NotRequired[Names]
    anchor: NotRequired[str]
    anchor_spread: NotRequired[list[float] | None]
    image_root: str
    pixel_size_um: Positive | None
    normalise: str
    notes: list[str]
    intensities: NotRequired[list[float] | None]


@dataclass(frozen=True)
class PlateSource:
    """Images ready for training, and everything that is known of them. Row i is one image.

    images: (N, C, H, W) uint8, normalised and shrunk to the training resolution, memory-mapped.
    Where the table has copies (`bnn_core.datasets.extra_rows`) it is longer than that: ask `pixels`.
    table: the rows of a study's images.parquet but `fold`: image_id, label, role, group,
    content_hash, `path` or `path_<channel>`, plate, well, site, replicate, batch, compound,
    concentration, moa where known, quality_*.
    classes: labels of the scored images, sorted. channels: names, in the order of the images.
    image_root: folder that the paths are relative to. contrast: plate, channel, low, high (the
    intensities shown as black and white), threshold, ceiling. quarantine: file, row, reason of
    images left out. notes: what a reader of the results should know. truth: what was planted in
    synthetic images (see `Study.truth`); None for measured ones. intensities: the range that the
    user gave for files of other number types (`numbers.as_unsigned`). travels: the pictures are
    copied into the study, because they are nowhere else. features: names of measured features; the
    `images` are then these, (N, 1, 1, F) float32 with nan where missing, and what is said of
    channels, contrast and quarantine is of the pictures, if any. anchor, anchor_spread: see
    `datasets.features`.
    """

    folder: Path
    images: np.ndarray
    table: pd.DataFrame
    classes: list[str]
    channels: list[str]
    image_root: Path
    pixel_size_um: float | None
    contrast: pd.DataFrame
    quarantine: pd.DataFrame
    normalise: str
    notes: list[str]
    truth: pd.DataFrame | None = None
    intensities: list[float] | None = None
    travels: bool = False
    features: list[str] | None = None
    anchor: str | None = None
    anchor_spread: list[float] | None = None

    def targets(self) -> np.ndarray:
        """(N,) int64 class numbers; -1 for images that do not count (no label, controls)."""
        numbers = {name: number for number, name in enumerate(self.classes)}
        scored = self.table["role"] == "scored"
        return self.table["label"].where(scored).map(numbers).fillna(-1).to_numpy(np.int64)

    def pixels(self, rows: np.ndarray) -> np.ndarray:
        """(M, C, H, W) of rows of the table, copies damaged as the table says; only these are
        read."""
        stored = self._stored()[rows]
        images = self.images[stored]
        if CORRUPTION in self.table:
            kinds = self.table[CORRUPTION].to_numpy(dtype=object)[rows]
            for i in np.flatnonzero(pd.notna(kinds)):
                images[i] = corrupt(images[i], kinds[i], seed=int(stored[i]))
        return images

    def thumbnails(self) -> Iterator[bytes | None] | None:
        """WebP thumbnails in row order; None of features without pictures."""
        if self.features is not None and not (self.folder / "thumbnails.npy").is_file():
            return None
        return self._thumbnails()

    def _thumbnails(self) -> Iterator[bytes | None]:
        path, packed_path = self.folder / "thumbnails.npy", self.folder / "thumbnails.bin"
        offsets = read_array(path, "iu", PREPARE_AGAIN)
        with decoding(packed_path, PREPARE_AGAIN):
            demand_offsets(path, offsets, len(self.images), packed_path.stat().st_size)
        colours = channel_colours(self.channels)
        damaged = (
            self.table[CORRUPTION].notna().to_numpy()
            if CORRUPTION in self.table
            else np.zeros(len(self.table), dtype=bool)
        )
        with open(packed_path, "rb") as packed:
            for row, stored in enumerate(self._stored()):
                if damaged[row]:
                    yield thumbnail(self._as_shown(row), colours)
                else:
                    packed.seek(int(offsets[stored]))
                    yield packed.read(int(offsets[stored + 1] - offsets[stored])) or None

    def _as_shown(self, row: int) -> np.ndarray:
        """(C, H, W) in [0, 1]: the image as trained on, between the limits of its plate's pictures."""
        unit = self.pixels(np.array([row]))[0].astype(np.float32) / 255
        if self.normalise != "none":
            return unit
        plate = self.table["plate"].iat[row] if "plate" in self.table else None
        limits = self.contrast[self.contrast["plate"] == (plate if isinstance(plate, str) else "")]
        limits = limits.set_index("channel").loc[self.channels]
        shown = limits[shown_columns(limits)].to_numpy() / limits[["high"]].to_numpy()
        return stretch(unit, shown)

    def _stored(self) -> np.ndarray:
        """(N,) row in `images` of each row of the table."""
        if STORED in self.table:
            stored = self.table[STORED].fillna(-1).to_numpy(dtype=np.int64)
            if not ((stored >= 0) & (stored < len(self.images))).all():
                raise InputError(
                    f"the prepared images in {self.folder} are too few; {PREPARE_AGAIN}"
                )
            return stored
        return np.arange(len(self.table))

    def study_keys(self) -> dict[str, Any]:
        """Keys of study.json that say where the images come from and how they were scaled."""
        return {
            "channels": self.channels or None,
            "synthetic": self.truth is not None,
            "image_root": self._image_root(),
            "pixel_size_um": self.pixel_size_um,
            "normalise": self.normalise,
            "intensities": self.intensities,
            "training_size": list(self.images.shape[2:]),
            "quarantined": len(self.quarantine),
            "notes": self.notes,
        } | (
            {name: getattr(self, name) for name in ("features", "anchor", "anchor_spread")}
            if self.features
            else {}
        )

    def _image_root(self) -> str | None:
        if self.travels:
            return PICTURES
        return str(self.image_root) if self.channels else None

    def keep_quarantine(self, making: Path) -> None:
        """Write quarantine.csv: file, row and reason of each image that could not be used, with texts
        that no spreadsheet runs."""
        table = neutralised(self.quarantine)
        write_bytes(making / "quarantine.csv", table.to_csv(index=False).encode())

    def keep_with_study(self, making: Path) -> None:
        """Put contrast.parquet and quarantine.csv into a study's folder: the pages show them.

        Pictures that are nowhere else go there themselves, and the truth of synthetic ones and
        example decisions about them.
        """
        if self.channels:
            write_table(making / "contrast.parquet", self.contrast)
        self.keep_quarantine(making)
        if self.truth is not None:
            write_table(making / TRUTH_FILE, self.truth)
        if (self.folder / REVIEWS).is_dir():
            copy_folder(self.folder / REVIEWS, making / REVIEWS, _ELSEWHERE)
        if self.travels:
            copy_folder(self.image_root, making / PICTURES, _ELSEWHERE)


def open_source(folder: Path) -> PlateSource:
    """Open a prepared source. Raises InputError when it is not there or damaged."""
    folder = Path(folder)
    if not os.path.isfile(folder / SOURCE_FILE):
        raise InputError(f"no prepared images in {folder}; run the command that makes the study")
    meta = read_json(folder / SOURCE_FILE, Prepared)
    table = read_source_table(folder / "table.parquet")
    images = read_array(folder / "images.npy", "uf", PREPARE_AGAIN)
    features = meta.get("features")
    if features is None:
        shape: tuple[int | None, ...] = (len(table), len(meta["channels"]), None, None)
    else:
        shape = (len(table), 1, 1, len(features))
    demand_shape(folder / "images.npy", images, shape, "u" if features is None else "f")
    contrast = read_parquet(folder / "contrast.parquet", PREPARE_AGAIN)
    demand_columns(folder / "contrast.parquet", contrast, CONTRAST)
    return PlateSource(
        folder=folder,
        images=images,
        table=table,
        contrast=contrast,
        quarantine=read_parquet(folder / "quarantine.parquet", PREPARE_AGAIN),
        image_root=Path(meta["image_root"]),
        truth=read_parquet(folder / TRUTH_FILE, PREPARE_AGAIN)
        if (folder / TRUTH_FILE).is_file()
        else None,
        intensities=meta.get("intensities"),
        travels=meta.get("travels", False),
        features=features,
        anchor=meta.get("anchor"),
        anchor_spread=meta.get("anchor_spread"),
        classes=meta["classes"],
        channels=meta["channels"],
        pixel_size_um=meta["pixel_size_um"],
        normalise=meta["normalise"],
        notes=meta["notes"],
    )


def read_source_table(path: Path) -> pd.DataFrame:
    """The rows of a source. Raises InputError where the file is no such table."""
    table = read_parquet(path, PREPARE_AGAIN)
    numbers = dict.fromkeys((STORED,) if STORED in table else (), "number")
    demand_columns(
        path, table, dict.fromkeys(("image_id", "label", "role", "group"), "text") | numbers
    )
    return table


def source_key(folder: Path) -> str:
    """What the prepared images in `folder` were made from and how: 16 hex digits."""
    return read_json(folder / SOURCE_FILE, Prepared)["key"]


def inverse_frequency_weights(targets: np.ndarray, num_classes: int) -> np.ndarray:
    """Loss weights (num_classes,) float32 by inverse class frequency, mean 1 over the images.

    targets: (N,) class numbers of the training images, -1 (unlabelled) not counted. With K classes
    present and n_c images of class c the weight is N / (K n_c): every class weighs the same, and
    the sum of the losses keeps its size, so the KL term keeps its weight too. Classes without an
    image get 0.
    """
    counts = np.bincount(targets[targets >= 0], minlength=num_classes)
    present = counts > 0
    if not present.any():
        raise InputError("no labelled image to train on")
    weights = np.zeros(num_classes, dtype=np.float32)
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


def file_columns(channels: Sequence[str] | None, table: pd.DataFrame) -> list[str]:
    """The columns that hold an image's files: `path`, or `path_<channel>` in channel order."""
    return ["path"] if "path" in table else [f"path_{channel}" for channel in channels or ()]
