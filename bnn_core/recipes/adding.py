"""Add images to a finished study: its networks predict them, and the study is written with them.

The images are read and predicted block by block, and every block is kept on disk. So memory depends
on the size of a block, and an interrupted run continues. All numbers of the study's earlier images
stay the same, bit by bit.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, read_json
from bnn_core.base.wording import be, count
from bnn_core.datasets.emnist import open_any
from bnn_core.datasets.image_sets import ImageSet
from bnn_core.measures.uncertainty import summarise
from bnn_core.recipes.adding_blocks import (
    Block,
    average_distance,
    average_moments,
    block_file,
    blocks_of,
    embedding_method,
    predict_blocks,
    read_blocks,
)
from bnn_core.study.checking import demand_networks
from bnn_core.study.folder import ROLES, Study, open_study
from bnn_core.study.lock import study_lock
from bnn_core.study.working_folder import ADDING, open_making
from bnn_core.study.writing import finish_study

#: Samples of one method above this many bytes are not kept.
MOST_SAMPLE_BYTES = 2 << 30
#: Keys of study.json that are written again for a study with more rows.
_REWRITTEN = (
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
#: Files of a study with one row per image.
_BY_ROW = (
    "study.json",
    "images.parquet",
    "summary",
    "samples",
    "embedding.npy",
    "thumbnails.bin",
    "thumbnails.npy",
)


def add_images(
    path: Path,
    sets: Sequence[ImageSet],
    *,
    out: Path | None = None,
    role: str | None = None,
    device: str = "cpu",
    force: bool = False,
    restart: bool = False,
    most_sample_bytes: int = MOST_SAMPLE_BYTES,
) -> Path:
    """Apply the networks of the study at `path` to more images; returns the folder of the result.

    out: the new study; None: the study at `path`, replaced at the end. role: role of all added
    images; None: "shifted" for a class of the study, "new" for another label, "unlabelled" without
    one. The networks of every fold predict the images, and the folds are averaged.

    Raises InputError for a study without networks (imported), for a set of a name that the study
    has, and where samples would grow above the limit and be lost; TakenError while another process
    makes the study of that name.
    """
    out = open_study(path).path if out is None else Path(out)
    with study_lock(out):
        return _add(open_study(path), sets, out, role, device, force, restart, most_sample_bytes)


def add_named_images(
    path: Path,
    names: Sequence[str],
    data: Path,
    *,
    out: Path | None = None,
    role: str | None = None,
    device: str = "cpu",
    force: bool = False,
    restart: bool = False,
) -> Path:
    """`add_images` with sets by their names (`emnist.open_any`); data: folder of data sets."""
    open_study(path)  # refuses other folders before a folder is made beside it
    # Beside the studies: unpacked images may be larger than the system's folder for such files.
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=path.parent) as scratch:
        return add_images(
            path,
            [open_any(name, data, Path(scratch)) for name in names],
            out=out,
            role=role,
            device=device,
            force=force,
            restart=restart,
        )


def _add(
    study: Study,
    sets: Sequence[ImageSet],
    out: Path,
    role: str | None,
    device: str,
    force: bool,
    restart: bool,
    most_sample_bytes: int,
) -> Path:
    folds = _folds(study)
    demand_networks(study)
    images, total = _added_rows(study, sets, role), sum(len(s) for s in sets)
    kept = [
        m
        for m in study.methods
        if study.samples(m) is not None and _sample_bytes(study, m, total) <= most_sample_bytes
    ]
    lost = [m for m in study.methods if study.samples(m) is not None and m not in kept]
    if lost and out == study.path:
        raise InputError(
            f"with {total:,} more images the samples of {lost[0]} would need "
            f"{_sample_bytes(study, lost[0], total) / 1e9:.1f} GB and be left out; give --out "
            "NAME, so that this study keeps its samples"
        )
    making = open_making(
        out,
        {
            "adds_to": study.fingerprint,
            "made": study.meta["created"],
            "role": role,
            "sets": [f"{s.name} {len(s)} {_digest(s)}" for s in sets],
        },
        force=force or out == study.path,
        restart=restart,
    )
    _copy_rest(study, making)
    blocks = list(blocks_of(sets))
    shape = tuple(read_json(folds[0] / study.methods[0] / "config.json")["image_shape"])
    try:
        read_blocks(making, blocks, shape, study.meta.get("channels"), "image_root" in study.meta)
    except InputError:  # images that do not fit: there is nothing to resume
        shutil.rmtree(making)
        raise
    for method in study.methods:
        predict_blocks(study, making, method, folds, blocks, shape, method in kept, device)
    return _finish(study, making, images, blocks, len(folds), sets, lost)


def adding_to(out: Path) -> bool:
    """Whether `out` is a finished study to which an interrupted run was adding images."""
    making = out.with_name(out.name + ".making")
    begun = making / "settings.json"
    return (out / "study.json").is_file() and begun.is_file() and "adds_to" in read_json(begun)


def _digest(images: ImageSet) -> str:
    """16 hex digits over identities, labels and files of a set; a run resumes the same set only."""
    digest = hashlib.sha256()
    for column in (images.ids, images.labels, () if images.files is None else images.files):
        digest.update("\x1f".join(map(str, column)).encode() + b"\x1e")
    return digest.hexdigest()[:16]


def _folds(study: Study) -> list[Path]:
    if study.meta.get("weights_kept") is False:
        raise InputError(
            f"study {study.name} was made without its networks, so it cannot predict "
            "more images; make it again with --keep-weights"
        )
    numbered = sorted(
        (int(p.name), p) for p in (study.path / "folds").glob("*") if p.name.isdigit()
    )
    folds = [path for _, path in numbered]
    for method in study.methods:
        if not folds or not all((f / method / "config.json").is_file() for f in folds):
            raise InputError(
                f"study {study.name} keeps no networks of the method {method}, so it "
                "cannot predict more images; 'bnn study' makes studies that can"
            )
    return folds


def _added_rows(study: Study, sets: Sequence[ImageSet], role: str | None) -> pd.DataFrame:
    if role is not None and role not in ROLES[1:]:
        raise InputError(f"--role {role}: one of {', '.join(ROLES[1:])} expected")
    parts = []
    for images in sets:
        labels = pd.Series(images.labels, dtype=object)
        known = labels.isin(study.classes)
        roles = np.where(labels.isna(), "unlabelled", np.where(known, "shifted", "new"))
        parts.append(
            pd.DataFrame(
                {
                    "image_id": images.name + "/" + pd.Series(images.ids, dtype=object),
                    "label": labels,
                    "role": role or roles,
                    "fold": -1 if _many(study) else 0,
                    "path": images.files,
                    "source": images.name,
                }
            )
        )
    added = pd.concat(parts, ignore_index=True)
    known = added["image_id"][added["image_id"].isin(study.images["image_id"])]
    double = added["image_id"][added["image_id"].duplicated()]
    if len(known) or len(double):
        name = (known if len(known) else double).iat[0].split("/")[0]
        raise InputError(
            f"study {study.name} would hold the images of '{name}' twice; give them "
            f"another name: OTHER=PATH in place of PATH"
        )
    return added


def _many(study: Study) -> bool:
    return study.images["fold"].nunique() > 1


def _sample_bytes(study: Study, method: str, more: int) -> int:
    samples = study.samples(method)
    return (len(samples) + more) * samples.shape[1] * samples.shape[2] * 2


def _copy_rest(study: Study, making: Path) -> None:
    """All files of the study but those with a row per image."""
    if (making / ADDING / "copied").is_file():
        return
    for source in study.path.iterdir():
        if source.name in _BY_ROW:
            continue
        if source.is_dir():
            shutil.copytree(source, making / source.name, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, making / source.name)
    (making / ADDING).mkdir(exist_ok=True)
    (making / ADDING / "copied").touch()


def _finish(
    study: Study,
    making: Path,
    added: pd.DataFrame,
    blocks: Sequence[Block],
    folds: int,
    sets: Sequence[ImageSet],
    lost: Sequence[str],
) -> Path:
    hashes = [np.load(block_file(making, "images", b))["hashes"] for b in blocks]
    added["content_hash"] = np.concatenate(hashes).astype(object)
    images = _below(study.images, added)
    numbers = sorted(int(p.name) for p in (making / "folds").glob("*") if p.name.isdigit())
    summaries = {}
    for method in study.methods:
        parts = [
            summarise(
                average_moments(making, method, numbers, block),
                study.classes,
                distance=average_distance(making, method, numbers, block),
            )
            for block in blocks
        ]
        ids = pd.DataFrame({"image_id": added["image_id"]})
        summaries[method] = _below(
            study.summary(method),
            pd.concat([ids, pd.concat(parts, ignore_index=True)], axis=1),
        )
    if study.embedding is not None:
        _write_embedding(study, making, numbers, blocks)
    notes = [
        *study.meta.get("notes", []),
        *(
            f"{count(len(s), 'image')} of {s.title} added: the study's networks predict them, and no "
            "accuracy counts them"
            for s in sets
        ),
        *(note for s in sets for note in s.notes),
    ]
    if known := int(added["content_hash"].isin(study.images["content_hash"]).sum()):
        notes.append(
            f"{known:,} of them {be(known)} in the study already, and networks of other folds were "
            "trained on them"
        )
    if study.meta.get("normalise") in ("plate", "image"):
        notes.append(
            f"the study's images were scaled by {study.meta['normalise']}; the added images were "
            "not scaled"
        )
    if lost:
        notes.append(f"no samples are kept: with {len(images):,} images they would be too large")
    study.demand_same()  # otherwise parts of two studies would be mixed
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
        extra={k: v for k, v in study.meta.items() if k not in _REWRITTEN}
        | {
            "notes": notes,
            "added": [
                *study.meta.get("added", []),
                *({"name": s.name, "title": s.title, "images": len(s)} for s in sets),
            ],
        },
    )


def _write_embedding(
    study: Study, making: Path, folds: Sequence[int], blocks: Sequence[Block]
) -> None:
    before = study.embedding
    shape = (len(before) + sum(map(len, blocks)), before.shape[1])
    with atomic_path(making / "embedding.npy") as temporary:
        array = np.lib.format.open_memmap(temporary, "w+", np.float16, shape)
        array[: len(before)] = before
        for block in blocks:
            parts = [
                np.load(block_file(making, f"{embedding_method(study)}-{fold}", block))["embedding"]
                for fold in folds
            ]
            rows = slice(len(before) + block.first, len(before) + block.first + len(block))
            array[rows] = np.mean(np.asarray(parts, np.float32), axis=0)
        array.flush()
        del array


def _thumbnails(study: Study, making: Path, blocks: Sequence[Block]) -> Iterator[bytes | None]:
    yield from (study.thumbnail(row) for row in range(len(study.images)))
    for block in blocks:
        with np.load(block_file(making, "images", block)) as arrays:
            packed, ends = arrays["packed"].tobytes(), np.cumsum(arrays["lengths"])
        yield from (
            packed[end - n : end] for end, n in zip(ends, np.diff(ends, prepend=0), strict=True)
        )


def _below(before: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
    """Two tables one below the other: the columns of the first, then those only in the second."""
    columns = [*before.columns, *(c for c in added if c not in before)]
    out = {}
    for column in columns:
        if column in before and column in added and before[column].dtype == added[column].dtype:
            out[column] = pd.concat([before[column], added[column]], ignore_index=True)
        else:
            out[column] = [
                *(before[column] if column in before else [None] * len(before)),
                *(added[column] if column in added else [None] * len(added)),
            ]
    return pd.DataFrame(out)
