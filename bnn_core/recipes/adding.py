"""More images for a finished study: its networks predict them, and the study is written again with them.

The images are read and predicted block by block and every block is kept on disk, so memory depends
on the block, not on their number, and an interrupted run continues. What the study records about its
images stays as it is, bit by bit.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.files import folder_bytes, read_json, unwritable
from bnn_core.base.limits import LONGEST_NAME
from bnn_core.base.wording import count
from bnn_core.datasets.emnist import open_any
from bnn_core.datasets.image_sets import ImageSet
from bnn_core.networks.saved import read_config
from bnn_core.recipes import image_map
from bnn_core.recipes.adding_blocks import Block, network_sets
from bnn_core.recipes.adding_prediction import look_at_blocks, predict_beside, predict_blocks
from bnn_core.recipes.adding_result import finish_addition
from bnn_core.recipes.image_set_blocks import image_set_blocks
from bnn_core.recipes.workers import Cluster
from bnn_core.study.checking import demand_networks
from bnn_core.study.folder import ROLES, Study, open_study
from bnn_core.study.lock import study_lock
from bnn_core.study.working_folder import ADDING, begun_settings, open_making

#: Samples of one method above this many bytes are not kept.
MOST_SAMPLE_BYTES = 2 << 30
#: Files of a study that hold a row per image.
_BY_ROW = (
    "study.json",
    "images.parquet",
    "summary",
    "samples",
    "embedding.npy",
    "thumbnails.bin",
    "thumbnails.npy",
)


@dataclass(frozen=True)
class Addition:
    """What is added to a study.

    settings: what tells this addition from another in the same working folder. blocks: the images,
    made when the working folder is there. looked_first: whether all images are read before the
    first is predicted. before: called with the working folder before the first prediction.
    finish: called with the working folder when all is predicted; returns keys of study.json, with
    "notes" to be added to the study's.
    """

    settings: dict[str, Any]
    blocks: Sequence[Block]
    looked_first: bool
    finish: Callable[[Path], dict[str, Any]] = field(default=lambda making: {})
    before: Callable[[Path], None] = field(default=lambda making: None)


def add_images(
    path: Path,
    sets: Sequence[ImageSet],
    *,
    out: Path | None = None,
    role: str | None = None,
    device: str = "cpu",
    cluster: Cluster | None = None,
    force: bool = False,
    restart: bool = False,
    most_sample_bytes: int = MOST_SAMPLE_BYTES,
) -> Path:
    """Apply the networks of the study at `path` to more images; returns the folder of the result.

    out: the new study; None re-makes `path` itself, swapped in when all is done. role: of all added
    images; None: "shifted" where the label is a class of the study, "new" where it is another,
    "unlabelled" without one. cluster: predicts blocks of images beside one another. Images are
    predicted by the networks that were trained on all compounds where there are any, else by those
    of every fold, averaged; images of the study itself as in the study.

    Raises InputError when the study keeps no networks (it was imported), holds a set of that name
    already, or when its samples would grow above the limit and be lost; TakenError while another
    process makes the study of that name.
    """

    def addition(study: Study) -> Addition:
        rows = _set_rows(study, sets, role)
        shape = image_shape(study)
        blocks = [
            block
            for number, (images, part) in enumerate(zip(sets, rows, strict=True))
            for block in image_set_blocks(
                images,
                part,
                shape,
                study.meta.get("channels"),
                "image_root" in study.meta,
                number,
            )
        ]
        return Addition(
            {"role": role, "sets": [f"{s.name} {len(s)} {_digest(s)}" for s in sets]},
            blocks,
            looked_first=True,
            finish=lambda making: _set_keys(study, sets),
        )

    return add_to_study(
        path,
        addition,
        out=out,
        device=device,
        cluster=cluster,
        force=force,
        restart=restart,
        most_sample_bytes=most_sample_bytes,
    )


def add_named_images(
    path: Path,
    names: Sequence[str],
    data: Path,
    *,
    out: Path | None = None,
    role: str | None = None,
    device: str = "cpu",
    cluster: Cluster | None = None,
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
            cluster=cluster,
            force=force,
            restart=restart,
        )


def add_to_study(
    path: Path,
    addition: Callable[[Study], Addition],
    *,
    out: Path | None = None,
    device: str = "cpu",
    cluster: Cluster | None = None,
    force: bool = False,
    restart: bool = False,
    most_sample_bytes: int = MOST_SAMPLE_BYTES,
) -> Path:
    """Predict what `addition` gives for the study at `path` and make the study again with it.

    The other arguments and errors are those of `add_images`.
    """
    out = open_study(path).path if out is None else Path(out)
    with study_lock(out):
        study = open_study(path)
        folds = study_folds(study)
        demand_networks(study)
        new = addition(study)
        kept, lost = _kept_samples(study, sum(map(len, new.blocks)), most_sample_bytes)
        if lost and out == study.path:
            raise InputError(
                f"with {sum(map(len, new.blocks)):,} more images the samples of {lost[0]} would "
                f"be larger than {most_sample_bytes / 1e9:.1f} GB and be left out; give --out "
                "NAME to keep the samples of this study"
            )
        making = open_making(
            out,
            {"adds_to": study.fingerprint, "made": study.meta["created"], **new.settings},
            force=force or out == study.path,
            restart=restart,
        )
        _copy_rest(study, making)
        new.before(making)
        sets = network_sets(study, folds, making)
        if new.looked_first:
            look_at_blocks(making, new.blocks, cluster)
        if cluster is None:
            predict_blocks(study, making, new.blocks, sets, kept, device)
        else:
            predict_beside(study, making, new.blocks, sets, kept, cluster)
        keys = new.finish(making)
        return finish_addition(study, making, new.blocks, keys, sets, kept, lost)


def adding_to(out: Path) -> bool:
    """Whether `out` is a finished study to which an interrupted run was adding images."""
    begun = begun_settings(out)
    if not (out / "study.json").is_file() or not begun.is_file():
        return False
    return "adds_to" in read_json(begun, dict[str, Any])


def image_shape(study: Study) -> tuple[int, int, int]:
    """(channels, H, W) of the images that the study's networks were trained on."""
    config = read_config(study_folds(study)[0] / study.methods[0])
    channels, height, width = config["image_shape"]
    return channels, height, width


def study_folds(study: Study) -> list[Path]:
    """The folders of the folds, by number. Raises InputError where networks are missing."""
    if study.meta.get("weights_kept") is False:
        raise InputError(
            f"study {study.name} was made without its networks, so it cannot predict more images; "
            "make it again with --keep-weights"
        )
    numbered = sorted(
        (int(p.name), p) for p in (study.path / "folds").glob("*") if p.name.isdigit()
    )
    folds = [path for _, path in numbered]
    for method in study.methods:
        if not folds or not all((f / method / "config.json").is_file() for f in folds):
            raise InputError(
                f"study {study.name} keeps no networks of the method {method}, so it "
                "cannot predict more images; make a study with 'bnn study'"
            )
    return folds


def added_roles(study: Study, labels: pd.Series, role: str | None = None) -> np.ndarray | str:
    """Role of each added image: as asked, else by what its label is to the study."""
    if role is not None:
        if role not in ROLES[1:]:
            raise InputError(f"--role {role} is unknown; choose one of {', '.join(ROLES[1:])}")
        return role
    known = labels.isin(study.classes)
    return np.where(labels.isna(), "unlabelled", np.where(known, "shifted", "new"))


def demand_set_name(name: str) -> None:
    """InputError for the name of a set that cannot be the name of a folder."""
    if not name.strip(". ") or not name.isprintable() or any(c in name for c in "/\\"):
        raise InputError(f"a set cannot have the name {name[:60]!a}; give it another: OTHER=TABLE")
    if (length := len(os.fsencode(name))) > LONGEST_NAME:
        raise InputError(
            f"the name '{name[:30]}…' of the set has {length} bytes, and at most {LONGEST_NAME} are "
            "possible; give it a shorter name: OTHER=TABLE"
        )


def demand_new(study: Study, ids: pd.Series) -> None:
    """InputError where the study would hold an image twice."""
    double = ids[ids.isin(study.images["image_id"]) | ids.duplicated()]
    if len(double):
        raise InputError(
            f"study {study.name} would hold the images of '{double.iat[0].split('/')[0]}' twice; "
            "give them another name: OTHER=PATH in place of PATH"
        )


def _set_rows(study: Study, sets: Sequence[ImageSet], role: str | None) -> list[pd.DataFrame]:
    """The rows of each set, without fold and hash."""
    parts = []
    for images in sets:
        labels = pd.Series(images.labels, dtype=object)
        parts.append(
            pd.DataFrame(
                {
                    "image_id": images.name + "/" + pd.Series(images.ids, dtype=object),
                    "label": labels,
                    "role": added_roles(study, labels, role),
                    "path": images.files,
                    "source": images.name,
                }
            )
        )
    demand_new(study, pd.concat([part["image_id"] for part in parts], ignore_index=True))
    return parts


def _digest(images: ImageSet) -> str:
    """16 hex digits over identities, labels and files of a set: another set is not resumed."""
    columns = (images.ids, images.labels, () if images.files is None else images.files)
    return short_digest(*("\x1f".join(map(str, c)).encode() + b"\x1e" for c in columns))


def _set_keys(study: Study, sets: Sequence[ImageSet]) -> dict[str, Any]:
    notes = [
        *(f"{count(len(s), 'image')} of {s.title} added, not counted for accuracy" for s in sets),
        *(note for s in sets for note in s.notes),
    ]
    if study.meta.get("normalise") in ("plate", "image"):
        notes.append(
            f"the study's images were scaled by {study.meta['normalise']}; the added images were "
            "used without scaling"
        )
    added = [{"name": s.name, "title": s.title, "images": len(s)} for s in sets]
    return {"notes": notes, "added": [*study.meta.get("added", []), *added]}


def _kept_samples(study: Study, more: int, most: int) -> tuple[list[str], list[str]]:
    """The methods whose samples are kept, and those whose samples would be too large."""
    kept, lost = [], []
    for method in study.methods:
        samples = study.samples(method)
        if samples is not None:
            size = (len(samples) + more) * samples.shape[1] * samples.shape[2] * 2
            (kept if size <= most else lost).append(method)
    return kept, lost


def _copy_rest(study: Study, making: Path) -> None:
    """All files of the study but those with a row per image. On a full disk an InputError, and no
    working folder."""
    if (making / ADDING / "copied").is_file():
        return
    try:
        _copy_files(study, making)
    except OSError as error:
        shutil.rmtree(making, ignore_errors=True)  # it holds nothing else yet
        size = partial(folder_bytes, study.path)
        raise unwritable(error, making, "choose another folder", size=size) from error


def _copy_files(study: Study, making: Path) -> None:
    for source in study.path.iterdir():
        if source.name in _BY_ROW:
            continue
        if source.is_dir():
            # The map of images has a row per image too.
            without = shutil.ignore_patterns(image_map.MAP_FILE.name)
            shutil.copytree(source, making / source.name, ignore=without, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, making / source.name)
    (making / ADDING).mkdir(exist_ok=True)
    (making / ADDING / "copied").touch()
