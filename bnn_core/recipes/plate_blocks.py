"""A new plate as a block of images: read, scaled as in training, shrunk to the training resolution.

Scaling is that of the study: to the percentiles of the plate and channel, to the image's own, or to
the study's full scale; or, if asked, so that the untreated images are as bright as the study's
(`plate_anchor`). A plate of the study itself (a file of it is known by its content) has the limits
that it had in training, however many of its fields come again.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
from tqdm import tqdm

from bnn_core.base.array_files import ArrayWriter
from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, read_json, write_json
from bnn_core.base.reading import read_array
from bnn_core.datasets.preparation import contrast_rows
from bnn_core.images.contrast import fitted_size
from bnn_core.images.plate_pixels import (
    Field,
    PlateJob,
    PlateReader,
    Scan,
    read_fields,
    scan_plate,
)
from bnn_core.images.quality import quality_columns
from bnn_core.recipes.adding_blocks import START_AGAIN, block_file, is_looked_at, keep_rows
from bnn_core.recipes.plate_anchor import PlateAnchor
from bnn_core.study.folder import Study
from bnn_core.study.tables import TRAINED_LIMITS, shown_columns

#: Intensities of 8-bit images end here.
_EIGHT_BIT = 255


@dataclass(frozen=True)
class ImageScaling:
    """How the study's images were scaled, and what its networks take.

    normalise: "plate", "image" or "none". top: full scale where it is "none". size: pixels of the
    shorter side. shape: (channels, H, W) in training. any_size: whether the networks take images of
    another H and W. contrast: of the study's plates. plate_of: content hash -> plate.
    """

    normalise: str
    top: float
    size: int
    shape: tuple[int, int, int]
    any_size: bool
    channels: list[str]
    contrast: pd.DataFrame
    plate_of: dict[str, str]

    @classmethod
    def of(cls, study: Study, shape: tuple[int, int, int], network: str) -> "ImageScaling":
        """The scaling of a study. Raises InputError for one that was not made from plate images."""
        meta, contrast = study.meta, study.contrast
        if "training_size" not in meta or contrast is None:
            raise InputError(
                f"study {study.name} was not trained on images of plates; give it a folder of "
                "images, an .npz or an idx file"
            )
        images = study.images
        plates = images["plate"].fillna("") if "plate" in images else pd.Series("", images.index)
        return cls(
            meta["normalise"],
            float(contrast["high"].max()),
            min(meta["training_size"]),
            shape,
            network == "mscnn",
            meta["channels"],
            contrast,
            dict(zip(images["content_hash"], plates, strict=True)),
        )


class Lost(TypedDict):
    """One image that cannot be used: its file, its row of the table, why."""

    file: str
    row: int
    reason: str


class About(TypedDict):
    """What is known of a plate that was looked at. contrast: its rows of contrast.parquet; places:
    of the rows among the pixels."""

    plate: str | None
    notes: list[str]
    quarantine: list[Lost]
    contrast: list[dict[str, Any]]
    places: list[int]


@dataclass(frozen=True)
class PlateBlock:
    """The fields of one plate.

    rows: as `keep_rows`, without hash and quality; index = row numbers of the table. job: their
    files. used_names: plate names that the study or another set has. anchor: how the
    plate is scaled to its untreated images, if it is.
    """

    rows: pd.DataFrame
    job: PlateJob
    scaling: ImageScaling
    used_names: frozenset[str]
    source: str
    reader: PlateReader
    key: str
    anchor: PlateAnchor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def look(self, making: Path) -> None:
        """Rows with hash and quality, thumbnails, pixels, and notes about the plate."""
        if is_looked_at(making, self):
            return
        name = self.job.plate or self.source
        with tqdm(total=2 * len(self), desc=f"read {name}", unit="image", leave=False) as bar:
            scan = scan_plate(self.job, self.reader, None, bar)
            shape, reasons, notes = self._usable(scan)
            good = [i for i in range(len(self)) if i not in reasons]
            bar.update(len(reasons))
            plate, level, of_study = self._level(scan, shape, bar)
            fields = self._read(making, good, shape, level, bar) if good else []
        for i, field in zip(good, fields, strict=True):
            if isinstance(field, str):
                reasons[i] = field
        readable = [i for i, f in enumerate(fields) if not isinstance(f, str)]
        kept = [(good[i], fields[i]) for i in readable]
        rows = self.rows.iloc[[i for i, _ in kept]].copy()
        if plate is not None:
            rows["plate"] = plate
        rows["content_hash"] = [f.digest for _, f in kept]
        if kept:
            quality = quality_columns([f.quality for _, f in kept])
            rows = rows.assign(**{c: quality[c].to_numpy() for c in quality})
        write_json(
            self._about(making),
            {
                "plate": plate,
                "notes": notes,
                "quarantine": [
                    {
                        "file": " ".join(str(f) for f in self.job.files[i] if f),
                        "row": int(self.rows.index[i]),
                        "reason": reason,
                    }
                    for i, reason in sorted(reasons.items())
                ],
                "contrast": []
                if of_study or level is None
                else contrast_rows(plate or "", level, self.scaling.channels),
                "places": readable,
            },
        )
        keep_rows(making, self, rows.reset_index(drop=True), [f.thumbnail for _, f in kept])

    def pixels(self, making: Path, rows: np.ndarray) -> np.ndarray:
        """(n, channels, H, W) uint8."""
        stored = np.array(self.about(making)["places"], dtype=np.int64)
        return read_array(block_file(making, "pixels", self, "npy"), "u", START_AGAIN)[stored[rows]]

    def done(self, making: Path) -> None:
        """Remove the pixels: they are read again from the files if ever needed."""
        block_file(making, "pixels", self, "npy").unlink(missing_ok=True)

    def about(self, making: Path) -> "About":
        """What is known of a plate that was looked at."""
        return read_json(self._about(making), About)

    def _about(self, making: Path) -> Path:
        return block_file(making, "about", self, "json")

    def _usable(self, scan: Scan) -> tuple[str | None, dict[int, str], list[str]]:
        """The plate's common shape, why other fields cannot be used, and notes."""
        channels, *sides = self.scaling.shape
        reasons: dict[int, str] = {}
        for i, (shape, reason) in enumerate(zip(scan.shapes, scan.reasons, strict=True)):
            if shape is None:
                reasons[i] = reason or "cannot be read"
            elif shape.split()[0] != str(channels):
                reasons[i] = f"is {shape}; the study's images have {channels} channels"
            elif not self.scaling.any_size and self._small(shape) != tuple(sides):
                reasons[i] = f"is {shape}; the study's networks take {sides[0]} x {sides[1]} pixels"
        counted = Counter(s for i, s in enumerate(scan.shapes) if i not in reasons)
        if not counted:
            return None, reasons, []
        shape, _ = counted.most_common(1)[0]
        for i, other in enumerate(scan.shapes):
            if i not in reasons and other != shape:
                reasons[i] = f"is {other}; most images of this plate are {shape}"
        notes = sorted(
            {r for i, remarks in enumerate(scan.remarks) if i not in reasons for r in remarks}
        )
        if self._small(shape) != tuple(sides):
            small = self._small(shape)
            notes.append(
                f"WARNING: the images become {small[0]} x {small[1]} pixels, the study's are "
                f"{sides[0]} x {sides[1]}: cells may appear at another size"
            )
        return shape, reasons, notes

    def _small(self, shape: str) -> tuple[int, int]:
        _, _, height, _, width, _ = shape.split()
        return fitted_size((int(height), int(width)), self.scaling.size)

    def _level(
        self, scan: Scan, shape: str | None, bar: tqdm
    ) -> tuple[str | None, dict[str, np.ndarray] | None, bool]:
        """The plate's name in the study, limits, threshold and ceiling, and whether it is one of
        the study's own plates."""
        name = self.job.plate
        known = {self.scaling.plate_of[h] for h in scan.hashes if h in self.scaling.plate_of}
        of_study = name in known
        if not of_study and (not name or name in self.used_names):
            name = f"{self.source}: {name}" if name else self.source
        if shape is None:
            return name or None, None, of_study
        level = {key: np.array(values) for key, values in scan.levels[shape].items()}
        if of_study:
            table = self.scaling.contrast
            rows = table[table["plate"] == name].set_index("channel").loc[self.scaling.channels]
            level = {
                "limits": rows[["low", "high"]].to_numpy(),
                "shown": rows[shown_columns(rows)].to_numpy(),
                "threshold": rows["threshold"].to_numpy(),
                "ceiling": rows["ceiling"].to_numpy(),
            }
        elif self.anchor is not None:
            level["limits"] = self.anchor.limits(self.job, shape, self.reader, bar)
        elif self.scaling.normalise == "none":
            self._demand_scale(level, shape)
            level["limits"] = np.array([[0.0, self.scaling.top]] * len(level["limits"]))
        # Pictures of one study look alike: an older one shows what it was trained on.
        if (
            self.scaling.normalise != "none"
            or shown_columns(self.scaling.contrast) == TRAINED_LIMITS
        ):
            level["shown"] = level["limits"]
        return name or None, level, of_study

    def _demand_scale(self, level: dict[str, np.ndarray], shape: str) -> None:
        """Without scaling by plate, 8 and 16 bit cannot be compared."""
        eight = shape.endswith("uint8")
        if eight != (self.scaling.top <= _EIGHT_BIT) and level["ceiling"].max() != self.scaling.top:
            raise InputError(
                f"plate {self.job.plate or self.source}: images are {shape}, and the study's "
                f"images were used unscaled, with {self.scaling.top:g} as white; save the images "
                "like those of the study's"
            )

    def _read(
        self, making: Path, good: Sequence[int], shape: str, level: dict[str, np.ndarray], bar: tqdm
    ) -> list[Field | str]:
        """The fields of the plate; their pixels go to disk, one place per field of `good`."""
        size = (len(self.scaling.channels), *self._small(shape))
        fields: list[Field | str] = []
        path = block_file(making, "pixels", self, "npy")
        with atomic_path(path, lambda: len(good) * math.prod(size)) as temporary:
            writer = ArrayWriter(temporary, (len(good), *size), np.uint8)
            for field in read_fields(
                [self.job.files[i] for i in good],
                level,
                self.reader,
                self.scaling.channels,
                self.scaling.size,
                self.scaling.normalise == "image",
                bar,
            ):
                lost = isinstance(field, str)
                writer.append(np.zeros((1, *size), np.uint8) if lost else field.small[None])
                fields.append(field if lost else field._replace(small=np.empty(0, np.uint8)))
            writer.close()
        return fields
