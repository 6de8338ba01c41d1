"""Reading a plate set once: limits per plate, quality, thumbnails, and small images for training.

A finished plate is kept on disk, so an interrupted run continues with the next plate. A bad image is
put on the quarantine list and never stops the run, unless more than half are bad.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, read_json, write_json
from bnn_core.base.mapped import mapped_array
from bnn_core.base.reading import read_arrays
from bnn_core.datasets.source_notes import (
    copy_notes,
    flat_channel_notes,
    quarantine_notes,
    quarantine_table,
    remark_notes,
)
from bnn_core.datasets.sources import (
    PREPARE_AGAIN,
    SOURCE_FILE,
    PlateSource,
    file_columns,
    open_source,
    source_key,
)
from bnn_core.images.addresses import stamp
from bnn_core.images.plate_pixels import (
    MOST_SHAPES,
    PlateJob,
    PlateReader,
    Scan,
    ScanFile,
    read_fields,
    read_plate_images,
    scan_plate,
)
from bnn_core.images.rendering import default_channels
from bnn_core.study.folder import pack_thumbnails, write_table

NORMALISE = ("auto", "plate", "image", "none")


@dataclass(frozen=True)
class ImageOptions:
    """How images are prepared for training.

    size: pixels of the shorter side (None: as they are; never enlarged). normalise: "plate"
    stretches to the percentiles of plate and channel, "image" to the image's own, "none" to the full
    scale, "auto" is "plate" for 16 bit and "none" for 8 bit (commonly scaled already). intensities:
    values that become black and white (`bnn_core.images.numbers.as_unsigned`). pixel_size_um:
    micrometres per pixel of the originals.

    Raises InputError for values outside of these.
    """

    size: int | None = 128
    normalise: str = "auto"
    intensities: tuple[float, float] | None = None
    pixel_size_um: float | None = None

    def __post_init__(self):
        if self.normalise not in NORMALISE:
            raise InputError(
                f"--normalise {self.normalise} is unknown; choose one of {', '.join(NORMALISE)}"
            )
        if self.size is not None and self.size < 8:
            raise InputError(f"--size {self.size} is too small; give at least 8 pixels")


def prepare_source(
    table: pd.DataFrame,
    scaling: ImageOptions,
    *,
    channels: Sequence[str] | None,
    image_root: Path,
    folder: Path,
    classes: Sequence[str],
    notes: Sequence[str] = (),
    travels: bool = False,
    plate_counts: Callable[[str], np.ndarray | None] = lambda plate: None,
    workers: int | None = None,
) -> PlateSource:
    """Read all images of `table` into a source in `folder`; what is done already is kept.

    table: as `PlateSource.table` without hash and quality; its index is the row number to report.
    channels: their names; None, with one file per image, names them by what the images have.
    travels: the pictures are copied into the study (`PlateSource`).
    plate_counts: intensity counts (C, 65536) of a whole plate where more is known than the files.

    Raises InputError when more than half of the images are bad, they have too many sizes, another
    number of channels than named, or a class loses its last image.
    """
    size, normalise, intensities = scaling.size, scaling.normalise, scaling.intensities
    folder, image_root = Path(folder), Path(image_root).absolute()
    jobs = plate_jobs(table, channels, image_root, intensities)
    wanted = {
        "channels": channels and list(channels),
        "size": size,
        "normalise": normalise,
        "plates": [job.key for job in jobs],
        "table": short_digest(table.to_csv().encode()),
        "classes": list(classes),
        "pixel_size_um": scaling.pixel_size_um,
        "notes": list(notes),
        "image_root": str(image_root),
    }
    if intensities is not None:
        wanted["intensities"] = list(intensities)
    if travels:
        wanted["travels"] = True
    key = short_digest(json.dumps(wanted, sort_keys=True).encode())
    if (folder / SOURCE_FILE).is_file():
        if source_key(folder) == key:
            return open_source(folder)
        shutil.rmtree(folder)
    reader = PlateReader(workers, intensities)
    scans = _scan_all(jobs, folder, reader, plate_counts, len(table))
    shape = _common_shape(scans)
    channels = _channel_names(channels, int(shape.split()[0]))
    chosen = normalise
    if chosen == "auto":
        chosen = "plate" if shape.endswith("uint16") else "none"
    limits = _limits_by_plate(jobs, scans, shape, chosen)
    blocks = _read_all(
        jobs, scans, shape, limits, folder, reader, channels, size, per_image=chosen == "image"
    )
    return _assemble(
        table,
        jobs,
        scans,
        blocks,
        limits,
        folder,
        shape,
        wanted | {"channels": channels, "normalise": chosen, "key": key},
    )


def _channel_names(given: Sequence[str] | None, count: int) -> list[str]:
    if given is None:
        return default_channels(count)
    if len(given) != count:
        raise InputError(
            f"the channels are {len(given)} ({', '.join(given)}), but the images have {count}: name "
            "each once with --channels, and project files with pages in depth or time (ImageJ: Z Project)"
        )
    return list(given)


def plate_jobs(
    table: pd.DataFrame,
    channels: Sequence[str] | None,
    image_root: Path,
    intensities: tuple[float, float] | None,
) -> list[PlateJob]:
    """The fields of each plate, sorted by its name; keys change with the files."""
    columns = file_columns(channels, table)
    plates = table["plate"].fillna("") if "plate" in table else pd.Series("", index=table.index)
    paths = table[columns].astype(object).fillna("").to_numpy()
    jobs = []
    for plate, positions in sorted(_positions_by(plates.astype(str).to_numpy()).items()):
        files = [[image_root / path if path else None for path in paths[i]] for i in positions]
        stamps = [[str(path), *(stamp(path) if path else (0, 0))] for f in files for path in f]
        key = short_digest(json.dumps([plate, stamps, intensities]).encode())
        jobs.append(PlateJob(plate, positions, files, key))
    return jobs


def _positions_by(keys: np.ndarray) -> dict[str, np.ndarray]:
    return {str(key): np.flatnonzero(keys == key) for key in np.unique(keys)}


def _scan_all(
    jobs: list[PlateJob],
    folder: Path,
    reader: PlateReader,
    plate_counts: Callable[[str], np.ndarray | None],
    total: int,
) -> list[Scan]:
    scans = []
    with tqdm(total=total, desc="measure contrast", unit="image") as bar:
        for job in jobs:
            path = folder / f"look-{job.key}.json"
            if path.is_file():
                bar.update(len(job.files))
            else:
                scan = scan_plate(job, reader, plate_counts(job.plate), bar)
                write_json(path, scan._asdict())
            scans.append(Scan(**read_json(path, ScanFile)))
            _demand_few_shapes(scans)
    return scans


def _demand_few_shapes(scans: list[Scan]) -> None:
    shapes = {shape for scan in scans for shape in scan.shapes if shape}
    if len(shapes) > MOST_SHAPES:
        raise InputError(
            f"the images have more than {MOST_SHAPES} different sizes (such as "
            f"{', '.join(sorted(shapes)[:3])}); crop them to one size first"
        )


def _common_shape(scans: list[Scan]) -> str:
    reasons = [reason for scan in scans for reason in scan.reasons if reason]
    shapes = Counter(shape for scan in scans for shape in scan.shapes if shape)
    total = len(reasons) + shapes.total()
    if not shapes:
        missing = all(reason.endswith("does not exist") for reason in reasons)
        hint = "; --images names the folder that relative paths start from" if missing else ""
        raise InputError(f"no image can be read ({total:,} files), the first: {reasons[0]}{hint}")
    shape, count = shapes.most_common(1)[0]
    if 2 * count < total:
        others = ", ".join(f"{n:,} of {s}" for s, n in shapes.most_common(3))
        first = f"; first unreadable: {reasons[0]}" if reasons else ""
        raise InputError(
            f"more than half of the {total:,} images cannot be used: {len(reasons):,} unreadable, "
            f"sizes {others}{first}; give images of one size, number of channels and number type"
        )
    if min(map(int, shape.split()[2:5:2])) < 8:
        raise InputError(f"the images are {shape}; they need at least 8 x 8 pixels")
    return shape


def _limits_by_plate(
    jobs: list[PlateJob], scans: list[Scan], shape: str, normalise: str
) -> dict[str, dict[str, np.ndarray]]:
    """Black and white points of training and of pictures, threshold and ceiling (arrays over
    channels) of each plate."""
    limits = {
        job.plate: {name: np.array(values) for name, values in scan.levels[shape].items()}
        for job, scan in zip(jobs, scans, strict=True)
        if shape in scan.levels
    }
    if normalise == "none":
        # One full scale for all plates, or equal intensities would look different.
        top = max(level["ceiling"].max() for level in limits.values())
        for level in limits.values():
            level["limits"] = np.array([[0.0, top]] * len(level["limits"]))
        return limits
    for level in limits.values():
        level["shown"] = level["limits"]
    return limits


def _read_all(
    jobs: list[PlateJob],
    scans: list[Scan],
    shape: str,
    limits: Mapping[str, Mapping],
    folder: Path,
    reader: PlateReader,
    channels: Sequence[str],
    size: int | None,
    per_image: bool,
) -> list[Path]:
    blocks = []
    with tqdm(total=sum(len(job.files) for job in jobs), desc="read images", unit="image") as bar:
        for job, scan in zip(jobs, scans, strict=True):
            good = [i for i, file_shape in enumerate(scan.shapes) if file_shape == shape]
            level = limits.get(job.plate)
            stamp = json.dumps(
                [size, per_image, channels, shape]
                + [level and level[name].tolist() for name in ("limits", "shown")]
            )
            path = folder / f"block-{short_digest((job.key + stamp).encode())}.npz"
            bar.update(len(job.files) - len(good))
            if path.is_file():
                bar.update(len(good))
            else:
                files = [job.files[i] for i in good]
                fields = read_fields(files, level, reader, channels, size, per_image, bar)
                read_plate_images(path, good, fields)
            blocks.append(path)
    return blocks


def _assemble(
    table: pd.DataFrame,
    jobs: list[PlateJob],
    scans: list[Scan],
    blocks: list[Path],
    limits: Mapping[str, Mapping],
    folder: Path,
    shape: str,
    meta: dict[str, Any],
) -> PlateSource:
    """Put the plates together in the table's order; source.json comes last."""
    reasons: dict[int, str] = {}
    new_row = np.full(len(table), -1)
    for job, scan, block in zip(jobs, scans, blocks, strict=True):
        arrays = read_arrays(block, PREPARE_AGAIN, ("rows", "lost"), own=True)
        new_row[job.positions[arrays["rows"]]] = 0
        lost = json.loads(str(arrays["lost"]))
        for i, position in enumerate(job.positions):
            if new_row[position] < 0:
                reasons[int(position)] = (
                    scan.reasons[i]
                    or lost.get(str(i))
                    or (f"is {scan.shapes[i]}; most images of this set are {shape}")
                )
    kept = np.flatnonzero(new_row == 0)
    new_row[kept] = np.arange(len(kept))
    result = table.iloc[kept].reset_index(drop=True)
    quarantine = quarantine_table(table, reasons, meta["channels"])
    notes = meta["notes"] + quarantine_notes(table, result, quarantine, meta["classes"])
    remarks, flat = _by_row(jobs, scans, new_row, len(kept))
    notes += remark_notes(result["image_id"].tolist(), remarks)
    notes += flat_channel_notes(result["image_id"].tolist(), flat, meta["channels"])
    thumbnails: list[bytes] = [b""] * len(kept)
    hashes = np.empty(len(kept), dtype=object)
    quality: dict[str, np.ndarray] = {}
    images = None
    with atomic_path(path := folder / "images.npy") as temporary:
        for job, block in zip(jobs, blocks, strict=True):
            arrays = read_arrays(block, PREPARE_AGAIN, own=True)
            rows = new_row[job.positions[arrays["rows"]]]
            if not len(rows):
                continue
            if images is None:
                shape = (len(kept), *arrays["images"].shape[1:])
                images = mapped_array(temporary, np.uint8, shape, path)
            images[rows] = arrays["images"]
            hashes[rows] = arrays["hashes"]
            for name, values in zip(arrays["quality_names"], arrays["quality"].T, strict=True):
                quality.setdefault(str(name), np.full(len(kept), np.nan))[rows] = values
            ends = arrays["thumbnail_sizes"].cumsum()
            for row, data in zip(rows, np.split(arrays["thumbnails"], ends[:-1]), strict=True):
                thumbnails[row] = data.tobytes()
        images.flush()
        del images
    result["content_hash"] = hashes
    result = result.assign(**quality)
    notes += copy_notes(result)
    pack_thumbnails(folder, thumbnails)
    write_table(folder / "table.parquet", result)
    write_table(folder / "contrast.parquet", _contrast_table(limits, meta["channels"]))
    write_table(folder / "quarantine.parquet", quarantine)
    write_json(folder / SOURCE_FILE, meta | {"notes": notes})
    for path in [*blocks, *folder.glob("look-*.json"), *folder.glob("block-*.npz")]:
        path.unlink(missing_ok=True)
    return open_source(folder)


def _by_row(
    jobs: list[PlateJob], scans: list[Scan], new_row: np.ndarray, rows: int
) -> tuple[list[list[str]], list[list[int]]]:
    """Remarks and flat channels of each image that is kept. place: row of each position, or -1."""
    remarks: list[list[str]] = [[] for _ in range(rows)]
    flat: list[list[int]] = [[] for _ in range(rows)]
    for job, scan in zip(jobs, scans, strict=True):
        for i, position in enumerate(job.positions):
            if new_row[position] >= 0:
                remarks[new_row[position]] = scan.remarks[i]
                flat[new_row[position]] = scan.flat[i]
    return remarks, flat


def _contrast_table(limits: Mapping[str, Mapping], channels: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [row for plate, level in limits.items() for row in contrast_rows(plate, level, channels)]
    )


def contrast_rows(
    plate: str, level: Mapping[str, np.ndarray], channels: Sequence[str]
) -> list[dict[str, Any]]:
    """The rows of one plate in a table of contrast: what is black, white, background and full scale."""
    return [
        {
            "plate": plate,
            "channel": channel,
            "low": float(level["limits"][c, 0]),
            "high": float(level["limits"][c, 1]),
            "shown_low": float(level["shown"][c, 0]),
            "shown_high": float(level["shown"][c, 1]),
            "threshold": float(level["threshold"][c]),
            "ceiling": float(level["ceiling"][c]),
        }
        for c, channel in enumerate(channels)
    ]
