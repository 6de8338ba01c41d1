"""Fetching BBBC021: metadata, then one archive per plate; only the needed files are kept.

A plate's archive (about 840 MB) is fetched resumably, every member's CRC is checked, the
intensities of *all* its images are counted (the percentiles are the whole plate's), and the wanted
files are unpacked. The archive is removed then. A plate whose wanted files are there is left alone.
"""

import hashlib
import os
import threading
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np
import pandas as pd
from tqdm import tqdm

from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, read_json, unwritable, write_json
from bnn_core.datasets import bbbc021
from bnn_core.datasets.downloading import (
    NotThereError,
    StoppedError,
    demand_network,
    download,
    remote_size,
)
from bnn_core.images.contrast import Histogram
from bnn_core.images.decoding import decode_image

BASE_URL = "https://data.broadinstitute.org/bbbc/BBBC021"
#: Name of an archive -> its SHA-256 when it was first fetched into this folder.
HASHES = "archives.json"
#: What was unpacked of a plate: file name -> bytes.
UNPACKED = "unpacked.json"
_METADATA = ("BBBC021_v1_image.csv", "BBBC021_v1_moa.csv")
_FIELD_BYTES = 3 * 1024 * 1280 * 2
_ARCHIVE_BYTES = 900_000_000
_recording = threading.Lock()


@dataclass(frozen=True)
class PlateWork:
    """One plate to fetch: its archive and the files to keep, by channel."""

    plate: str
    folder: Path
    archive: Path
    url: str
    wanted: frozenset[str]
    every: dict[str, int]


def download_bbbc021(
    root: Path,
    *,
    plates: Sequence[str] | None = None,
    labelled: bool = False,
    base_url: str = BASE_URL,
    connections: int = 4,
    keep_archives: bool = False,
    timeout: float = 30.0,
    pause: float = 1.0,
) -> str:
    """Fetch plates into `root` in the official layout; says what was done in one line.

    plates: names, or None for all 55. labelled: of each plate only DMSO and all doses of compounds
    that have a label at some dose (6,160 of 13,200 fields over all plates). base_url: the folder of
    the archives, for a mirror. connections: archives at a time.

    Raises InputError for an unknown plate, too little room, an archive that is missing or cannot be
    had whole, or lacks files that the metadata names; what is there by then stays.
    """
    root = Path(root)
    base_url = base_url.rstrip("/")
    missing = [name for name in _METADATA if not _has_metadata(root, name)]
    if missing:
        demand_network(f"{base_url}/{missing[0]}")
    for name in missing:
        download(f"{base_url}/{name}", root / name, timeout=timeout, pause=pause)
    fields = bbbc021.read_field_table(root)
    chosen = bbbc021.check_plates(plates, fields) if plates else sorted(fields["plate"].unique())
    kept = fields[bbbc021.needed(fields)] if labelled else fields
    works = [_work(root, plate, fields, kept, base_url) for plate in chosen]
    open_works = [work for work in works if not _is_there(work)]
    _demand_room(root, open_works, connections)
    if open_works and not missing:
        demand_network(open_works[0].url)
    problems = _fetch_all(open_works, connections, keep_archives, timeout, pause)
    count = sum(len(work.wanted) for work in works) // 3
    if problems:
        done = len(works) - len(problems)
        raise InputError(
            f"{done} of {len(works)} plates are in {root}; missing: "
            + "; ".join(f"{plate}: {why}" for plate, why in sorted(problems.items()))
            + ". Run the same command again to continue"
        )
    before = len(works) - len(open_works)
    return (
        f"{root}: {len(works)} plates, {count:,} fields"
        + (f", {before} of them there before" if before else "")
        + f". {bbbc021.CITATION}"
    )


def _has_metadata(root: Path, name: str) -> bool:
    return any((root / f"{name}{end}").is_file() for end in ("", ".gz"))


def _work(
    root: Path, plate: str, fields: pd.DataFrame, kept: pd.DataFrame, base_url: str
) -> PlateWork:
    def names(table: pd.DataFrame, channel: str) -> pd.Series:
        mine = table.loc[table["plate"] == plate, f"path_{channel}"]
        return mine.str.rsplit("/", n=1).str[-1]

    every = {
        name: c for c, channel in enumerate(bbbc021.CHANNELS) for name in names(fields, channel)
    }
    wanted = frozenset(name for channel in bbbc021.CHANNELS for name in names(kept, channel))
    archive = f"BBBC021_v1_images_{plate}.zip"
    folder = bbbc021.plate_folder(root, plate) or root / plate.split("_")[0] / plate
    return PlateWork(
        plate, folder, root / "archives" / archive, f"{base_url}/{archive}", wanted, every
    )


def _is_there(work: PlateWork) -> bool:
    """Whether all wanted files are unpacked, with the sizes written where those are known."""
    noted = work.folder / UNPACKED
    sizes = read_json(noted, dict[str, int]) if noted.is_file() else {}
    for name in work.wanted:
        try:
            size = (work.folder / name).stat().st_size
        except OSError:
            return False
        if size == 0 or size != sizes.get(name, size):
            return False
    return True


def _demand_room(root: Path, works: list[PlateWork], connections: int) -> None:
    free = disk_usage(root).free
    images = sum(len(work.wanted) for work in works) // 3 * _FIELD_BYTES
    least = images + min(connections, len(works)) * _ARCHIVE_BYTES
    if least > free:
        raise InputError(
            f"{root} has {free / 1e9:.1f} GB free, about {least / 1e9:.1f} GB are "
            f"needed for {len(works)} plates; choose another folder with --data, "
            "fewer plates with --plates, or --labelled"
        )


def _fetch_all(
    works: list[PlateWork], connections: int, keep_archives: bool, timeout: float, pause: float
) -> dict[str, str]:
    """Fetch and unpack all plates; returns plate -> what went wrong."""
    problems: dict[str, str] = {}
    stopped = threading.Event()
    if not works:
        return problems
    with (
        ThreadPoolExecutor(connections) as pool,
        tqdm(total=_total(works, pool, timeout), desc="fetch", unit="B", unit_scale=True) as bar,
    ):
        running = {
            pool.submit(_fetch_plate, work, bar, stopped, keep_archives, timeout, pause): work
            for work in works
        }
        try:
            for done in as_completed(running):
                try:
                    done.result()
                except InputError as error:
                    problems[running[done].plate] = str(error)
        except BaseException:
            # Transfers in progress notice within a moment and keep what arrived.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return problems


def _total(works: list[PlateWork], pool: ThreadPoolExecutor, timeout: float) -> int | None:
    """Bytes of all archives, for the time left; None as soon as one length is not known."""
    sizes = list(pool.map(lambda work: remote_size(work.url, timeout), works))
    return None if None in sizes else sum(sizes)


def _fetch_plate(
    work: PlateWork,
    bar: tqdm,
    stopped: threading.Event,
    keep_archives: bool,
    timeout: float,
    pause: float,
) -> None:
    try:
        if work.archive.is_file():
            try:
                _demand_sound(work.archive)
            except InputError as error:
                raise InputError(f"{error}; delete {work.archive}") from error
            bar.update(work.archive.stat().st_size)
        else:
            download(
                work.url,
                work.archive,
                check=lambda path: _demand_same(work.archive, path),
                progress=bar.update,
                stop=stopped.is_set,
                timeout=timeout,
                pause=pause,
            )
        _unpack(work, stopped)
    except NotThereError as error:
        raise InputError(f"the server has no archive of it ({error})") from error
    except StoppedError:
        return
    if not keep_archives:
        work.archive.unlink()


def _demand_sound(path: Path) -> None:
    """Read the whole archive: InputError when it is no zip or a member's CRC is wrong."""
    try:
        with zipfile.ZipFile(path) as archive:
            bad = archive.testzip()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise InputError(f"{path.name} is a damaged zip archive: {error}") from error
    if bad is not None:
        raise InputError(f"{path.name}: wrong checksum of {bad}")


def _demand_same(archive: Path, path: Path) -> None:
    """`_demand_sound`, and the same file as when the archive was first fetched, which is recorded.

    The publisher gives no hashes. A file that differs from an earlier one is refused.
    """
    _demand_sound(path)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    recorded = archive.parents[1] / HASHES
    with _recording:
        hashes = read_json(recorded, dict[str, str]) if recorded.is_file() else {}
        if hashes.setdefault(archive.name, digest) != digest:
            raise InputError(
                f"{archive.name} is another file than when it was first fetched; if the publisher "
                f"replaced it, remove its line from {recorded}"
            )
        write_json(recorded, hashes)


def _unpack(work: PlateWork, stopped: threading.Event) -> None:
    """Count the intensities of all images, write the wanted ones; InputError names absent ones."""
    histogram = Histogram(len(bbbc021.CHANNELS))
    sizes: dict[str, int] = {}
    written = set()
    work.folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(work.archive) as archive:
        for member in archive.infolist():
            # Only names of this plate's metadata are written, so no member can be written elsewhere.
            name = member.filename.rsplit("/", 1)[-1]
            channel = work.every.get(name)
            if channel is None:
                continue
            if stopped.is_set():
                raise StoppedError
            data = archive.read(member)
            written.add(name)
            # An image that was damaged before it was packed is for the quarantine list of a study.
            with suppress(InputError):
                image = decode_image(data, name).pixels
                histogram.counts[channel] += np.bincount(image.ravel(), minlength=65536)
            if name in work.wanted:
                sizes[name] = len(data)
                _write(work.folder / name, data)
    absent = sorted(work.wanted - written)
    if absent:
        raise InputError(
            f"the archive lacks {len(absent):,} of {len(work.wanted):,} files: "
            f"{', '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}"
        )
    with (
        atomic_path(work.folder / bbbc021.INTENSITIES_FILE) as temporary,
        open(temporary, "wb") as file,
    ):
        np.savez_compressed(file, counts=histogram.counts)
    write_json(work.folder / UNPACKED, sizes)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        choose = "choose another folder with --data"
        raise unwritable(error, path, choose, size=lambda: len(data)) from error
