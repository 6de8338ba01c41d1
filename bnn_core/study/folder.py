"""A study: one folder, the only contract between the engine and the pages.

`study.json` is written last and the whole folder is renamed into place, so a folder with a
`study.json` is complete. While a study is being made its pieces live in `<name>.making/`.
"""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnn_core.base import methods
from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, read_json
from bnn_core.study.lock import settle, settle_all

SCHEMA = 1
MAKING = ".making"
#: File of a synthetic study with what was planted in it.
TRUTH = "truth.parquet"
ROLES = ("scored", "unlabelled", "control", "shifted", "new")


def cache_root(flag: str | os.PathLike | None = None) -> Path:
    """Where studies live: `flag`, else $BNN_CACHE, else `cache/` beside app.py."""
    return Path(flag or os.environ.get("BNN_CACHE") or Path(__file__).parents[2] / "cache")


def study_path(name_or_path: str | os.PathLike, root: Path | None = None) -> Path:
    """A study's folder: a path when it has a separator or is a study, else under the root."""
    given = Path(name_or_path)
    if given.is_absolute() or len(given.parts) > 1 or (given / "study.json").is_file():
        return given
    return (root or cache_root()) / given


@dataclass(frozen=True)
class StudyEntry:
    """One line of the list of studies; `problem` says why it cannot be opened."""

    name: str
    path: Path
    title: str = ""
    kind: str = ""
    created: str = ""
    rows: int = 0
    problem: str | None = None


def list_studies(root: Path) -> list[StudyEntry]:
    """All studies under `root` by name; broken ones carry a problem, unfinished are left out."""
    entries = []
    settle_all(Path(root))
    for path in sorted(Path(root).iterdir()) if Path(root).is_dir() else []:
        if not (path / "study.json").is_file() or path.name.startswith("."):
            continue
        if path.name.endswith(MAKING):
            continue
        try:
            study = open_study(path)
            entries.append(
                StudyEntry(
                    path.name,
                    path,
                    study.meta["title"],
                    study.meta["kind"],
                    study.meta["created"],
                    study.meta["rows"],
                )
            )
        except InputError as error:
            entries.append(StudyEntry(path.name, path, problem=str(error)))
    return entries


def open_study(name_or_path: str | os.PathLike, root: Path | None = None) -> "Study":
    """Open a study for reading.

    Raises InputError when there is none, it is unfinished, or a newer version of this program
    wrote it.
    """
    path = study_path(name_or_path, root)
    settle(path)
    if not (path / "study.json").is_file():
        if path.with_name(path.name + MAKING).is_dir():
            raise InputError(
                f"study {path} is not finished: run the command that makes it again "
                "and it goes on where it stopped"
            )
        known = ", ".join(entry.name for entry in list_studies(path.parent)) or "none"
        raise InputError(
            f"no study at {path}; studies there: {known} (see 'bnn list', 'bnn study')"
        )
    stamp = _stamp(path)
    meta = read_json(path / "study.json")
    schema = meta.get("schema") if isinstance(meta, dict) else None
    if not isinstance(schema, int):
        raise InputError(f"{path / 'study.json'} is not a study description: no 'schema' number")
    if schema > SCHEMA:
        raise InputError(
            f"study {path} has schema {schema}, this program reads up to {SCHEMA}: "
            "update the program"
        )
    missing = [
        key
        for key in ("title", "kind", "classes", "methods", "fingerprint", "created", "rows")
        if key not in meta
    ]
    if missing:
        raise InputError(f"{path / 'study.json'} lacks {', '.join(missing)}; re-make the study")
    return Study(path, meta, stamp)


class Study:
    """A finished study, read lazily. Row i is the same image in every table and array.

    What was read or mapped stays as it was when the study is made again or deleted. What is read
    for the first time after that is an InputError: it would be part of another study.
    """

    def __init__(self, path: Path, meta: dict[str, Any], stamp: tuple[int, ...] | None = None):
        self.path = Path(path)
        self.meta = meta
        self._stamp = stamp
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

    def demand_same(self) -> None:
        """InputError where the study was made again, moved or deleted since it was opened."""
        if _stamp(self.path) != self._stamp:
            raise InputError(
                f"study {self.name} was made again, moved or deleted while it was "
                "open; load the page again, or run the command again"
            )

    def _table(self, name: str) -> pd.DataFrame:
        try:
            table = _read_parquet(self.path / name)
        except InputError:
            self.demand_same()
            raise
        self.demand_same()  # after reading: the swap never goes back
        return table

    def _array(self, name: str) -> np.ndarray | None:
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
                f"study {self.name} has no method '{method}'; it has {', '.join(self.methods)}"
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
        path = self.path / "folds" / str(fold) / method / "history.csv"
        return pd.read_csv(path) if path.is_file() else None


def _stamp(path: Path) -> tuple[int, ...] | None:
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
