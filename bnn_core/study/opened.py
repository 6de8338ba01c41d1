"""A finished study, read lazily: every table and array is validated when it is first read."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from bnn_core.base import methods
from bnn_core.base.errors import RESTORE, InputError, decoding
from bnn_core.base.once import once
from bnn_core.base.reading import read_array, read_parquet
from bnn_core.base.roots import readable
from bnn_core.base.wording import did_you_mean
from bnn_core.measures.levels import available_levels
from bnn_core.measures.uncertainty import with_derived_scores
from bnn_core.study import checksums, derived, tables
from bnn_core.study.description import stamp_of

#: File of a synthetic study with what was planted in it.
TRUTH_FILE = "truth.parquet"
#: Folder of review lists that came with a study, to look at.
REVIEWS = "reviews"
_Read = TypeVar("_Read")


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

    def __reduce__(self):  # for another process: without what was read or mapped
        return Study, (self.path, self.meta, self.stamp)

    @property
    def noun(self) -> str:
        """What a row is in sentences: an image, or a row of measured features."""
        return "row" if self.meta.get("features") else "image"

    @property
    def about_rows(self) -> str:
        """What an image of pages and reports is, in a study without images; else nothing."""
        if not self.meta.get("features"):
            return ""
        return "Measured features: what is called an image here is one row of the table."

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
        """InputError where a file of the study is not as it was written, or may not be read.

        A file is looked at once, when it is first asked for: its length, and where it is short
        (`checksums.SMALL`) its checksum. Files that study.json does not list are let pass.
        """
        if name in self._intact:
            return
        path = readable(self.path / name)
        size = self.meta["files"].get(name)
        known = self.meta["checksums"].get(name)
        with decoding(path):
            intact = size is None or path.stat().st_size == size
            if intact and known and path.stat().st_size <= checksums.SMALL:
                intact = checksums.of_file(path) == known
        if not intact:
            raise InputError(f"{path} is damaged: it is not as it was written; {RESTORE}")
        self._intact.add(name)

    def _read(self, name: str, read: Callable[[Path], _Read]) -> _Read:
        """What `read` makes of a file; InputError where it is missing, damaged or another study's."""
        try:
            self.demand_intact(name)
            value = read(self.path / name)
        except InputError:
            self.demand_same()
            raise
        self.demand_same()  # after reading: the swap never goes back
        return value

    def _read_large(
        self, name: str, source: str, read: Callable[[Path], pd.DataFrame], *words: str
    ) -> pd.DataFrame:
        """`_read` of a table that a large study keeps in a quicker form too. words: of `derived.kept`."""

        def kept(path: Path) -> pd.DataFrame:
            return derived.kept(self.path, self.meta, name, [source], lambda: read(path), words)

        return self._read(source, kept)

    def _read_if_there(self, name: str, read: Callable[[Path], _Read]) -> _Read | None:
        if name not in self.meta["files"] and not os.path.isfile(self.path / name):
            self.demand_same()
            return None
        return self._read(name, read)

    def _rows_of(self, path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
        array = read_array(path)
        tables.demand_shape(path, array, (self.meta["rows"], *shape), "f")
        return array

    @once
    def images(self) -> pd.DataFrame:
        """images.parquet: what is known of each image."""

        def read(path: Path) -> pd.DataFrame:
            images = read_parquet(path)
            tables.demand_images(path, images, self.meta["rows"])
            return images

        return self._read_large("images", "images.parquet", read, "images")

    def summary(self, method: str) -> pd.DataFrame:
        """summary/<method>.parquet: what one method predicts for each image."""
        if method not in self.methods:
            raise InputError(
                f"study {self.name} has no method '{method}'{did_you_mean(method, self.methods)}; "
                f"it has {', '.join(self.methods)}"
            )

        def read(path: Path) -> pd.DataFrame:
            summary = read_parquet(path)
            tables.demand_summary(path, summary, self.classes, self.meta["rows"])
            return with_derived_scores(summary, self.classes)

        source = f"summary/{method}.parquet"
        return self._read_large(f"summary_{method}", source, read, "summary", method)

    def kept(
        self, name: str, method: str, make: Callable[[], pd.DataFrame], *words: str
    ) -> pd.DataFrame:
        """A table that `make` computes from `table(method)` alone, kept in a large study's folder.

        name: of this table, a plain file name. words: of `derived.kept`. Do not change the table.
        """
        sources = ("images.parquet", f"summary/{method}.parquet")
        return derived.kept(self.path, self.meta, f"{name}_{method}", sources, make, words)

    def table(self, method: str) -> pd.DataFrame:
        """images and summary side by side, RangeIndex = row number."""
        summary = self.summary(method).drop(columns="image_id")
        return pd.concat([self.images, summary], axis=1)

    def samples(self, method: str) -> np.ndarray | None:
        """Softmax samples (N, T, C) float16, memory-mapped; None where the study keeps none."""
        shape = (None, len(self.classes))
        return self._read_if_there(f"samples/{method}.npy", lambda path: self._rows_of(path, shape))

    @once
    def embedding(self) -> np.ndarray | None:
        """Penultimate layer at the posterior mean (N, D) float16, or None."""
        return self._read_if_there("embedding.npy", lambda path: self._rows_of(path, (None,)))

    @once
    def _thumbnail_offsets(self) -> np.ndarray | None:
        def read(path: Path) -> np.ndarray:
            offsets = read_array(path)
            packed = self.path / "thumbnails.bin"
            with decoding(packed):
                size = packed.stat().st_size
            tables.demand_offsets(path, offsets, self.meta["rows"], size)
            return offsets

        return self._read_if_there("thumbnails.npy", read)

    @once
    def _thumbnail_bytes(self) -> np.ndarray:
        def read(path: Path) -> np.ndarray:
            with decoding(path):
                return np.memmap(path, np.uint8, "r")

        return self._read("thumbnails.bin", read)

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

    @once
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
        return self._table_if_there("sample_size.parquet", tables.SAMPLE_SIZE)

    @once
    def truth(self) -> pd.DataFrame | None:
        """What was planted in a synthetic study (columns `tables.TRUTH_TYPES`), or None."""
        return self._table_if_there(TRUTH_FILE, tables.TRUTH_TYPES)

    @once
    def contrast(self) -> pd.DataFrame | None:
        """Black and white points by plate and channel (columns `tables.CONTRAST`), or None."""
        return self._table_if_there("contrast.parquet", tables.CONTRAST)

    def history(self, fold: int, method: str) -> pd.DataFrame | None:
        """history.csv of one fold's training (columns `tables.HISTORY`), or None."""
        return self._read_if_there(f"folds/{fold}/{method}/history.csv", tables.read_history)

    def _table_if_there(self, name: str, columns: dict[str, str]) -> pd.DataFrame | None:
        def read(path: Path) -> pd.DataFrame:
            table = read_parquet(path)
            tables.demand_columns(path, table, columns)
            return table

        return self._read_if_there(name, read)
