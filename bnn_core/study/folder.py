"""A study: one folder, the only contract between the engine and the pages.

`study.json` is written last and the whole folder is renamed into place, so a folder with a
`study.json` is complete. Before that its parts are in `<name>.making/`.
"""

import hashlib
import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnn_core.base import methods
from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path
from bnn_core.base.wording import did_you_mean
from bnn_core.measures.levels import available_levels
from bnn_core.study import checksums
from bnn_core.study.catalogue import read_meta, study_path
from bnn_core.study.checksums import CHECKSUMS
from bnn_core.study.lock import settle

#: File of a synthetic study with what was planted in it.
TRUTH = "truth.parquet"
ROLES = ("scored", "unlabelled", "control", "shifted", "new")


def open_study(name_or_path: str | os.PathLike, root: Path | None = None) -> "Study":
    """Open a study for reading, by its name under the cache root or by its folder.

    Raises InputError when there is none, it is unfinished, or a newer version of this program
    wrote it.
    """
    path = study_path(name_or_path, root)
    settle(path)
    stamp = stamp_of(path)
    return Study(path, read_meta(path), stamp)


class Study:
    """A finished study, read lazily. Row i is the same image in every table and array.

    What was read or mapped stays as it was when the study is made again or deleted. What is read
    for the first time after that is an InputError: it would be part of another study.
    """

    def __init__(self, path: Path, meta: dict[str, Any], stamp: tuple[int, ...] | None = None):
        self.path = Path(path)
        self.meta = meta
        self.stamp = stamp
        self._intact: set[str] = set()
        self.name = self.path.name
        self.classes: list[str] = meta["classes"]
        self.methods: list[str] = list(meta["methods"])
        self.fingerprint: str = meta["fingerprint"]

    @property
    def reading_method(self) -> str:
        """The method that counts where only one can (`methods.reading_method`)."""
        return methods.reading_method(self.methods)

    @property
    def bayes_method(self) -> str | None:
        """The method of several networks that counts first (`methods.bayes_method`), or None."""
        return methods.bayes_method(self.methods)

    @property
    def standard_method(self) -> str | None:
        """The standard network where the study has it, or None."""
        return methods.standard_method(self.methods)

    def demand_level(self, level: str) -> None:
        """InputError where the study has no such level (`levels.available_levels`)."""
        known = available_levels(self.images)
        if level not in known:
            raise InputError(
                f"study {self.name} has no level '{level}'{did_you_mean(level, known)}; it has "
                f"{', '.join(known)}"
            )

    def demand_same(self) -> None:
        """InputError where the study was made again, moved or deleted since it was opened."""
        if stamp_of(self.path) != self.stamp:
            raise InputError(
                f"study {self.name} was made again, moved or deleted while it was "
                "open; load the page again, or run the command again"
            )

    def demand_intact(self, name: str) -> None:
        """InputError where a file of the study is not as it was written.

        A file is looked at once, when it is first asked for: its length, and where it is short
        (`checksums.SMALL`) its checksum. Files that study.json does not list are let pass.
        """
        path = self.path / name
        if name in self._intact:
            return
        try:
            size = path.stat().st_size
            intact = size == self.meta.get("files", {}).get(name, size)
            known = self.meta.get(CHECKSUMS, {}).get(name)
            if intact and known and size <= checksums.SMALL:
                intact = checksums.of_file(path) == known
        except OSError:
            return  # whoever reads it next says why it cannot
        if not intact:
            self.demand_same()
            raise InputError(
                f"{path} is damaged: it is not as it was written; restore it or re-make the study"
            )
        self._intact.add(name)

    def _table(self, name: str) -> pd.DataFrame:
        self.demand_intact(name)
        try:
            table = _read_parquet(self.path / name)
        except InputError:
            self.demand_same()
            raise
        self.demand_same()  # after reading: the swap never goes back
        return table

    def _array(self, name: str) -> np.ndarray | None:
        self.demand_intact(name)
        try:
            array = _memory_map(self.path / name)
        except InputError:
            self.demand_same()
            raise
        self.demand_same()
        return array

    @cached_property
    def images(self) -> pd.DataFrame:
        """images.parquet: what is known of each image."""
        return self._table("images.parquet")

    def summary(self, method: str) -> pd.DataFrame:
        """summary/<method>.parquet: what one method says of each image."""
        if method not in self.methods:
            raise InputError(
                f"study {self.name} has no method '{method}'{did_you_mean(method, self.methods)}; "
                f"it has {', '.join(self.methods)}"
            )
        return self._table(f"summary/{method}.parquet")

    def table(self, method: str) -> pd.DataFrame:
        """images and summary side by side, RangeIndex = row number."""
        summary = self.summary(method).drop(columns="image_id")
        return pd.concat([self.images, summary], axis=1)

    def samples(self, method: str) -> np.ndarray | None:
        """Softmax samples (N, T, C) float16, memory-mapped; None where the study keeps none."""
        return self._array(f"samples/{method}.npy")

    @cached_property
    def embedding(self) -> np.ndarray | None:
        """Penultimate layer at the posterior mean (N, D) float16, or None."""
        return self._array("embedding.npy")

    @cached_property
    def _thumbnail_offsets(self) -> np.ndarray | None:
        return self._array("thumbnails.npy")

    @cached_property
    def _thumbnail_bytes(self) -> np.ndarray:
        path = self.path / "thumbnails.bin"
        self.demand_intact("thumbnails.bin")
        try:
            packed = np.memmap(path, np.uint8, "r")
        except (OSError, ValueError) as error:
            self.demand_same()
            raise InputError(
                f"{path} is missing or empty; re-make the study or restore it"
            ) from error
        self.demand_same()
        return packed

    def has_thumbnail(self, row: int) -> bool:
        """Whether one image has a thumbnail, without reading it."""
        offsets = self._thumbnail_offsets
        return offsets is not None and bool(offsets[row] != offsets[row + 1])

    def thumbnail(self, row: int) -> bytes | None:
        """WebP bytes of one image's thumbnail, or None where there is none."""
        offsets = self._thumbnail_offsets
        if offsets is None or offsets[row] == offsets[row + 1]:
            return None
        return self._thumbnail_bytes[int(offsets[row]) : int(offsets[row + 1])].tobytes()

    def image_file(self, row: int, channel: str | None = None) -> Path | None:
        """The original file of one image (of one channel), or None where the study knows none."""
        column = f"path_{channel}" if channel else "path"
        value = self.images[column].iat[row] if column in self.images else None
        if not isinstance(value, str) or not value:
            return None
        # A relative root is a folder of the study itself, where synthetic pictures travel with it.
        return self.path / (self.meta.get("image_root") or ".") / value

    @cached_property
    def _rows(self) -> dict[str, int]:
        return dict(zip(self.images["image_id"], range(len(self.images)), strict=True))

    def row_of(self, image_id: str) -> int:
        """Row number of an image; InputError when the study has no such image."""
        try:
            return self._rows[image_id]
        except KeyError:
            raise InputError(f"study {self.name} has no image '{image_id}'") from None

    def sample_size(self) -> pd.DataFrame | None:
        """Figure 6: accuracy of repeats at several numbers of samples, or None."""
        name = "sample_size.parquet"
        return self._table(name) if (self.path / name).is_file() else None

    @cached_property
    def truth(self) -> pd.DataFrame | None:
        """What was planted in a synthetic study (columns: `demo_faults.TRUTH_COLUMNS`), or None."""
        return self._table(TRUTH) if (self.path / TRUTH).is_file() else None

    def history(self, fold: int, method: str) -> pd.DataFrame | None:
        """history.csv of one fold's training (nll, kl, accuracy per epoch), or None."""
        name = f"folds/{fold}/{method}/history.csv"
        path = self.path / name
        self.demand_intact(name)
        return pd.read_csv(path) if path.is_file() else None


def stamp_of(path: Path) -> tuple[int, ...] | None:
    """Tells one making of a study from another; None where there is none."""
    try:
        found = os.stat(path / "study.json")
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def fingerprint(images: pd.DataFrame) -> str:
    """Which data these are: 16 hex digits over identities, contents and labels, in row order."""
    columns = [c for c in ("image_id", "content_hash", "label", "role") if c in images]
    digest = hashlib.sha256()
    for column in columns:
        digest.update("\x1f".join(images[column].fillna("").astype(str)).encode())
        digest.update(b"\x1e")
    return digest.hexdigest()[:16]


def content_hashes(images: np.ndarray) -> list[str]:
    """16 hex digits per image over its pixel values."""
    return [
        hashlib.sha256(np.ascontiguousarray(image).tobytes()).hexdigest()[:16] for image in images
    ]


def pack_thumbnails(folder: Path, thumbnails: Iterable[bytes | None]) -> None:
    """Write thumbnails.bin and its offsets, thumbnails.npy (N + 1 int64)."""
    offsets = [0]
    with open(folder / "thumbnails.bin", "wb") as packed:
        for data in thumbnails:
            offsets.append(offsets[-1] + packed.write(data or b""))
    np.save(folder / "thumbnails.npy", np.asarray(offsets, dtype=np.int64))


def file_sizes(folder: Path) -> dict[str, int]:
    """Relative path -> bytes of every file of a study but study.json."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "study.json"
    }


def write_table(path: Path, table: pd.DataFrame) -> None:
    """One Parquet file, zstd-compressed, written whole or not at all."""
    with atomic_path(path) as temporary:
        table.reset_index(drop=True).to_parquet(temporary, compression="zstd", index=False)


def _memory_map(path: Path) -> np.ndarray | None:
    if not path.is_file():
        return None
    try:
        return np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path} is damaged ({error}); re-make the study or restore it") from error


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pq.read_table(path).to_pandas()
    except FileNotFoundError as error:
        raise InputError(
            f"{path} is missing: the study is incomplete; re-make or restore it"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{path} is damaged ({str(error).splitlines()[0]}); re-make the study or restore it"
        ) from error
