"""Reading the fields of one plate, by several threads: first their intensities, then the images.

The first pass counts intensities (the limits need every pixel of the plate), the second normalises,
shrinks and measures. A bad image gives a reason in place of a result.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np
import pandas as pd
from tqdm import tqdm

from bnn_core.base.array_files import write_arrays
from bnn_core.base.errors import InputError
from bnn_core.base.machine import processors
from bnn_core.images.channels import flat_channels, grey_as_colour
from bnn_core.images.contrast import (
    SHOWN_PERCENTILES,
    Histogram,
    fitted_size,
    shrunk,
)
from bnn_core.images.decoding import Decoded
from bnn_core.images.field_files import read_field_files
from bnn_core.images.quality import measure, quality_columns, working_size
from bnn_core.images.rendering import channel_colours, dna_channel, image_limits, thumbnail

#: More sizes than this in one set is no set of fields.
MOST_SHAPES = 16
_KEEP_BYTES = 400_000_000


@dataclass(frozen=True)
class PlateJob:
    """The fields of one plate: positions in the table, files per field (None where a table cell is
    empty); `key` names its results on disk."""

    plate: str
    positions: np.ndarray
    files: list[list[Path | None]]
    key: str


class Scan(NamedTuple):
    """First pass over a plate, per field: shape "C x H x W dtype" or reason why it is bad, hash of
    the files, remarks of the decoder, numbers of the channels with one single value. levels: per
    shape, see `scan_plate`."""

    shapes: list[str | None]
    reasons: list[str | None]
    hashes: list[str]
    remarks: list[list[str]]
    flat: list[list[int]]
    levels: dict[str, dict[str, list]]


class ScanFile(TypedDict):
    """A `Scan` as a file."""

    shapes: list[str | None]
    reasons: list[str | None]
    hashes: list[str]
    remarks: list[list[str]]
    flat: list[list[int]]
    levels: dict[str, dict[str, list[Any]]]


class Field(NamedTuple):
    """Second pass over one field: (C, H, W) uint8 at the training resolution, hash of its files,
    quality (`quality.measure`), WebP thumbnail."""

    small: np.ndarray
    digest: str
    quality: dict[str, float | np.ndarray]
    thumbnail: bytes


class PlateReader:
    """Reads the fields of a set; keeps the first ones in memory between the two passes."""

    def __init__(self, workers: int | None = None, intensities: tuple[float, float] | None = None):
        self.workers = workers or min(8, processors())
        self._intensities = intensities
        self._kept: dict[tuple[Path, ...], tuple[Decoded, str]] = {}
        self._room = _KEEP_BYTES
        self._lock = threading.Lock()

    def __reduce__(self):  # for another process: without what is kept in memory
        return PlateReader, (self.workers, self._intensities)

    def read(self, files: Sequence[Path]) -> tuple[Decoded, str]:
        """One field and the hash of its files' bytes (16 hex digits)."""
        if None in files:
            raise InputError("the table names no file" + (" for every channel" * (len(files) > 1)))
        with self._lock:
            kept = self._kept.pop(tuple(files), None)
            if kept is not None:
                self._room += kept[0].pixels.nbytes
                return kept
        return read_field_files(files, self._intensities)

    def keep(self, files: Sequence[Path], field: Decoded, digest: str) -> None:
        """Remember a field for the second pass while there is room."""
        with self._lock:
            if self._room >= field.pixels.nbytes:
                self._room -= field.pixels.nbytes
                self._kept[tuple(files)] = (field, digest)

    def over(
        self, function: Callable[[list[Path]], Any], items: Sequence[list[Path]], bar: tqdm
    ) -> Iterator[Any]:
        """`function` of each item by several threads, in order; an interrupt drops the rest."""
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for result in pool.map(function, items):
                    bar.update()
                    yield result
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def scan_plate(job: PlateJob, reader: PlateReader, counts: np.ndarray | None, bar: tqdm) -> Scan:
    """Count the intensities of a plate and find bad files.

    counts: (C, 65536) of the whole plate, in place of those of the files at hand, or None. The
    levels of a shape are lists over channels: "limits" (black and white points), "shown" (those of
    pictures if the images are trained on unscaled), "threshold" and "ceiling"
    (`contrast.Histogram`).
    """
    histograms: dict[str, Histogram] = {}
    lock = threading.Lock()

    def look(files: list[Path]) -> tuple[str | None, str | None, str, list[str], list[int]]:
        try:
            field, digest = reader.read(files)
        except InputError as error:
            return None, str(error), "", [], []
        image = field.pixels
        shape = f"{' x '.join(map(str, image.shape))} {image.dtype}"
        with lock:
            if len(histograms) <= MOST_SHAPES:
                histograms.setdefault(shape, Histogram(len(image))).add(image)
        reader.keep(files, field, digest)
        return shape, None, digest, [*field.remarks, *grey_as_colour(image)], flat_channels(image)

    fields = list(reader.over(look, job.files, bar))
    for histogram in histograms.values():
        if counts is not None and counts.shape == histogram.counts.shape:
            histogram.counts = counts
    levels = {
        shape: {
            "limits": h.limits().tolist(),
            "shown": h.limits(*SHOWN_PERCENTILES).tolist(),
            "threshold": h.foreground_thresholds().tolist(),
            "ceiling": h.ceilings().tolist(),
        }
        for shape, h in histograms.items()
    }
    shapes, reasons, hashes, remarks, flat = (list(v) for v in zip(*fields, strict=True))
    return Scan(shapes, reasons, hashes, remarks, flat, levels)


def read_fields(
    files: Sequence[list[Path]],
    level: Mapping[str, np.ndarray],
    reader: PlateReader,
    channels: Sequence[str],
    size: int | None,
    per_image: bool,
    bar: tqdm,
) -> Iterator[Field | str]:
    """Fields of one plate in their order, or the reason why one cannot be read any more.

    level: the plate's "limits", "shown", "threshold" and "ceiling". size: pixels of the shorter side.
    per_image: stretch to each image's own limits instead.
    """
    colours, dna = channel_colours(channels), dna_channel(channels)

    def look(one: list[Path]) -> Field | str:
        try:
            field, digest = reader.read(one)
        except InputError as error:
            return str(error)
        image, (limits, shown) = field.pixels, (level["limits"], level["shown"])
        if per_image:
            limits = shown = image_limits(image)
        small = shrunk(image, fitted_size(image.shape[1:], size), limits)
        quality = measure(image, level["threshold"], level["ceiling"], dna)
        picture = shrunk(image, working_size(image.shape[1:]), shown)
        return Field(
            (small * 255 + 0.5).astype(np.uint8), digest, quality, thumbnail(picture, colours)
        )

    return reader.over(look, files, bar)


def read_plate_images(path: Path, numbers: list[int], fields: Iterator[Field | str]) -> None:
    """Write the fields of one plate (`read_fields`) into the npz file `path`.

    numbers: each field's place in its job, kept as `rows`. The reasons of fields that could not be
    read are in `lost`.
    """
    results = list(fields)
    good = [(i, r) for i, r in zip(numbers, results, strict=True) if not isinstance(r, str)]
    lost = {str(i): r for i, r in zip(numbers, results, strict=True) if isinstance(r, str)}
    quality = quality_columns([r.quality for _, r in good]) if good else pd.DataFrame()
    pictures = [r.thumbnail for _, r in good]
    write_arrays(
        path,
        rows=np.array([i for i, _ in good], dtype=np.int64),
        images=np.stack([r.small for _, r in good]) if good else np.empty(0, np.uint8),
        hashes=np.array([r.digest for _, r in good], dtype="U16"),
        quality=quality.to_numpy(np.float64),
        quality_names=np.array(list(quality), dtype="U40"),
        thumbnails=np.frombuffer(b"".join(pictures), dtype=np.uint8),
        thumbnail_sizes=np.array([len(p) for p in pictures], dtype=np.int64),
        lost=np.array(json.dumps(lost)),
    )
