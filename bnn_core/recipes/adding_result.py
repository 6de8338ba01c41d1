"""A study with more rows: the added blocks below its own rows, in every table and array."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.array_files import ArrayWriter
from bnn_core.base.files import atomic_path
from bnn_core.base.reading import read_array
from bnn_core.base.scores import NOVELTY
from bnn_core.base.wording import be, count
from bnn_core.measures.levels import known_images
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.measures.unlikeness import with_unlikeness
from bnn_core.recipes.adding_blocks import (
    ALL_FOLDS,
    DEPLOYED,
    Block,
    NetworkSet,
    block_mean,
    block_moments,
    block_rows,
    block_samples,
    block_thumbnails,
    embedding_method,
    which_networks,
)
from bnn_core.recipes.image_map import MAP_FILE, write_map
from bnn_core.study.folder import Study
from bnn_core.study.writing import finish_study

#: Keys of study.json that a study with more rows has new values of.
_MADE_ANEW = (
    "schema",
    "rows",
    "roles",
    "levels",
    "metrics",
    "versions",
    "created",
    "fingerprint",
    "files",
    "checksums",
    "title",
    "kind",
    "classes",
    "methods",
    "settings",
    "notes",
)


def finish_addition(
    study: Study,
    making: Path,
    blocks: Sequence[Block],
    keys: dict[str, Any],
    sets: Sequence[NetworkSet],
    kept: Sequence[str],
    lost: Sequence[str],
) -> Path:
    """Put what the blocks hold below the study's own rows, and the result in the study's place.

    keys: of study.json; "notes" are added to the study's. kept, lost: methods with and without
    samples.
    """
    added = pd.concat(
        [
            pd.DataFrame({"image_id": [], "content_hash": []}, dtype=object),
            *(block_rows(making, b) for b in blocks),
        ],
        ignore_index=True,
    )
    which = which_networks(study, added["content_hash"], _has_deployed(sets))
    several = study.images["fold"].nunique() > 1
    added["fold"] = np.where(which >= 0, which, -1 if several else 0)
    images = _below(study.images, added)
    moments = {}
    for method in study.methods:
        if method in kept:
            moments[method] = _write_samples(study, making, blocks, sets, method, len(added))
        else:
            moments[method] = [block_moments(making, block, method, sets) for block in blocks]
    summaries = {
        method: _summary(study, making, blocks, sets, method, added, moments[method])
        for method in study.methods
    }
    embedding, method = None, embedding_method(study)
    if study.embedding is not None:
        _write_array(
            making / "embedding.npy",
            study.embedding,
            (block_mean(making, b, method, sets, "embedding") for b in blocks),
            len(added),
        )
        embedding = read_array(making / "embedding.npy")
    if (study.path / MAP_FILE).is_file():
        write_map(making, images, study.classes, summaries[method], embedding)
    notes = [
        *study.meta.get("notes", []),
        *keys.get("notes", []),
        *_prediction_notes(study, which, sum(s.number != DEPLOYED for s in sets)),
    ]
    if lost:
        notes.append(
            f"no samples are kept: with {len(images):,} {study.noun}s they would be too large"
        )
    study.demand_same()  # part of what was copied would be another study's
    return finish_study(
        making,
        title=study.meta["title"],
        kind=study.meta["kind"],
        classes=study.classes,
        images=images,
        summaries=summaries,
        thumbnails=_thumbnails(study, making, blocks),
        methods=study.meta["methods"],
        settings=study.meta.get("settings"),
        extra={k: v for k, v in study.meta.items() if k not in _MADE_ANEW}
        | keys
        | {"notes": notes},
    )


def _has_deployed(sets: Sequence[NetworkSet]) -> bool:
    return sets[-1].number == DEPLOYED


def _write_samples(
    study: Study,
    making: Path,
    blocks: Sequence[Block],
    sets: Sequence[NetworkSet],
    method: str,
    rows: int,
) -> list[Moments]:
    """Write the samples of a method, those of the blocks below the study's; the blocks' moments."""
    known_samples, moments = study.samples(method), []

    def samples_of_blocks() -> Iterator[np.ndarray]:
        for block in blocks:
            samples, of_block = block_samples(making, block, method, sets, known_samples.shape[1:])
            moments.append(of_block)
            yield samples

    (making / "samples").mkdir(exist_ok=True)
    _write_array(making / "samples" / f"{method}.npy", known_samples, samples_of_blocks(), rows)
    return moments


def _summary(
    study: Study,
    making: Path,
    blocks: Sequence[Block],
    sets: Sequence[NetworkSet],
    method: str,
    added: pd.DataFrame,
    moments: Sequence[Moments],
) -> pd.DataFrame:
    """moments: of each block."""
    earlier = study.summary(method)
    parts = [
        summarise(
            of_block,
            study.classes,
            novelty={
                score: part
                for score in NOVELTY
                if (part := block_mean(making, block, method, sets, score)) is not None
            },
        )
        for block, of_block in zip(blocks, moments, strict=True)
        if len(block_rows(making, block))
    ]
    if not parts:
        return earlier
    ids = pd.DataFrame({"image_id": added["image_id"]})
    both = _below(earlier, pd.concat([ids, pd.concat(parts, ignore_index=True)], axis=1))
    known = np.zeros(len(both), dtype=bool)
    known[: len(earlier)] = known_images(study.table(method))
    return with_unlikeness(both, known)


def _prediction_notes(study: Study, which: np.ndarray, folds: int) -> list[str]:
    """Which networks predicted the added images."""
    notes = []
    if n := int((which == DEPLOYED).sum()):
        notes.append(
            f"{count(n, f'added {study.noun}')} {be(n)} predicted by the networks that were trained on all "
            "compounds of the study"
        )
    if folds > 1 and (n := int((which == ALL_FOLDS).sum())):
        notes.append(
            f"{count(n, f'added {study.noun}')} {be(n)} predicted by the mean over the networks of "
            f"{folds} folds; --deploy trains one network on all compounds for new {study.noun}s"
        )
    if n := int((which >= 0).sum()):
        notes.append(
            f"{count(n, f'added {study.noun}')} {be(n)} also in the study, predicted as in the study by the "
            "networks that were not trained on them"
        )
    return notes


def _write_array(path: Path, present: np.ndarray, parts: Iterator[np.ndarray], more: int) -> None:
    """An array of the study with the rows of the blocks below its own."""
    shape = (len(present) + more, *present.shape[1:])
    with atomic_path(path, lambda: math.prod(shape) * present.itemsize) as temporary:
        writer = ArrayWriter(temporary, shape, present.dtype)
        for start in range(0, len(present), 2000):
            writer.append(present[start : start + 2000])
        for part in parts:
            writer.append(part.astype(present.dtype))
        writer.close()


def _thumbnails(study: Study, making: Path, blocks: Sequence[Block]) -> Iterator[bytes | None]:
    yield from (study.thumbnail(row) for row in range(len(study.images)))
    for block in blocks:
        yield from block_thumbnails(making, block)


def _below(present: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """Two tables one below the other: the columns of the first, then those only in the second."""
    columns = [*present.columns, *(c for c in added if c not in present)]
    out = {}
    for column in columns:
        if column in present and column in added and present[column].dtype == added[column].dtype:
            out[column] = pd.concat([present[column], added[column]], ignore_index=True)
        else:
            out[column] = [
                *(present[column] if column in present else [None] * len(present)),
                *(added[column] if column in added else [None] * len(added)),
            ]
    return pd.DataFrame(out)
