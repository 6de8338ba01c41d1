"""Measured features as a source for training: the same folder as of plate images, without pixels."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.array_files import write_array
from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.files import write_json
from bnn_core.base.wording import WARNING, count
from bnn_core.datasets.features import FeatureTable
from bnn_core.datasets.preparation import ImageOptions, prepare_source
from bnn_core.datasets.sources import (
    SOURCE_FILE,
    PlateSource,
    open_source,
    source_key,
)
from bnn_core.study.folder import content_hashes, pack_thumbnails, write_table

#: Pixels of the pictures that are only looked at.
_PICTURE_SIZE = 128
_NO_CONTRAST = pd.DataFrame(
    {"plate": pd.Series(dtype=object), "channel": pd.Series(dtype=object)}
    | {name: pd.Series(dtype=np.float64) for name in ("low", "high", "threshold", "ceiling")}
)
_NO_QUARANTINE = pd.DataFrame(dict.fromkeys(("file", "row", "reason"), pd.Series(dtype=object)))


def prepare_features(features: FeatureTable, folder: Path) -> PlateSource:
    """Write features into a source in `folder`, with the pictures of their rows where there are any.

    A source made from the same features is kept. Pictures that cannot be read are noted; their rows
    stay.
    """
    parts = (features.table.to_csv(), features.names, features.notes, features.anchor)
    key = short_digest(features.values, *(json.dumps(part).encode() for part in parts))
    if (folder / SOURCE_FILE).is_file():
        if source_key(folder) == key:
            return open_source(folder)
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    table = features.table.reset_index(drop=True)
    pictures, notes = _pictures(features, folder / "pictures")
    contrast, quarantine = _NO_CONTRAST, _NO_QUARANTINE
    channels: list[str] = []
    if pictures is not None:
        contrast, quarantine, channels = pictures.contrast, pictures.quarantine, pictures.channels
        pack_thumbnails(folder, _by_row(features, pictures))
    write_array(folder / "images.npy", features.values[:, None, None])
    write_table(
        folder / "table.parquet", table.assign(content_hash=content_hashes(features.values))
    )
    write_table(folder / "contrast.parquet", contrast)
    write_table(folder / "quarantine.parquet", quarantine)
    write_json(
        folder / SOURCE_FILE,
        {
            "key": key,
            "classes": features.classes,
            "channels": channels,
            "features": list(features.names),
            "anchor": features.anchor,
            "anchor_spread": features.spread,
            "image_root": str(features.root) if pictures is not None else "",
            "pixel_size_um": None,
            "normalise": pictures.normalise if pictures is not None else "none",
            "notes": [*features.notes, *notes],
        },
    )
    shutil.rmtree(folder / "pictures", ignore_errors=True)
    return open_source(folder)


def _pictures(features: FeatureTable, folder: Path) -> tuple[PlateSource | None, list[str]]:
    """The pictures of the rows, indexed by row, and what there is to say about them."""
    files = [c for c in features.table if c == "path" or c.startswith("path_")]
    shown = features.table[files].notna().all(axis=1) if files else pd.Series(dtype=bool)
    if not shown.any():
        return None, ["the rows have no pictures"]
    table = features.table[shown]
    notes = []
    if not shown.all():
        notes.append(f"{count(int((~shown).sum()), 'row')} without a picture")
    try:
        # Every row is "scored" here, so that a picture lost is a class lost for none.
        source = prepare_source(
            table.assign(role="scored", label="any"),
            ImageOptions(size=_PICTURE_SIZE),
            channels=features.channels,
            image_root=features.root,
            folder=folder,
            classes=["any"],
        )
    except InputError as error:
        return None, [f"{WARNING}the rows are shown without pictures: {error}"]
    if lost := len(table) - len(source.table):
        notes.append(f"{count(lost, 'picture')} could not be read; the rows are used without them")
    return replace(source, folder=folder), notes


def _by_row(features: FeatureTable, pictures: PlateSource) -> list[bytes | None]:
    """The thumbnail of every row, None without a picture."""
    thumbnails = pictures.thumbnails() or iter(())
    known = dict(zip(pictures.table["image_id"], thumbnails, strict=True))
    return [known.get(name) for name in features.table["image_id"]]
