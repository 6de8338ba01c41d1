"""Which plates of a table a study has already: by their rows, and by what their files hold."""

import json
from collections.abc import Sequence

import pandas as pd
from tqdm import tqdm

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.datasets.plates import PlateTable
from bnn_core.images.addresses import content_digest, file_marks
from bnn_core.images.field_files import field_digest
from bnn_core.images.plate_pixels import PlateJob
from bnn_core.study.folder import Study


def digest_of(value: object) -> str:
    """16 hex digits over what JSON can write."""
    return short_digest(json.dumps(value).encode())


def keys_of(
    plates: PlateTable, jobs: Sequence[PlateJob], intensities: tuple[float, float] | None
) -> dict[str, tuple[str, str]]:
    """Plate -> 16 hex digits over its rows and the ends of its files, the same for a copy in another
    folder; and the key of earlier versions, which changed with the folder."""
    keys = {}
    for job in jobs:
        rows = plates.table.iloc[job.positions].to_csv(index=False)
        files = [content_digest(path) if path else "" for field in job.files for path in field]
        keys[job.plate] = (digest_of([files, intensities, rows]), digest_of([job.key, rows]))
    return keys


def plate_stamp(job: PlateJob) -> str:
    """16 hex digits that change with any write into the plate's files, and with a copy."""
    return digest_of([file_marks(path) for field in job.files for path in field if path])


def plates_of(study: Study, name: str, anchor: str) -> dict[str, str]:
    """The plates of a set that was added before, and their keys. InputError for another set, and
    for one that was scaled otherwise."""
    entries = _entries(study, name)
    if any("plates" not in entry for entry in entries):
        raise InputError(
            f"study {study.name} has a set called '{name}'; give the plates another name: "
            "OTHER=TABLE"
        )
    if other := [a for entry in entries if (a := entry.get("anchor", "none")) != anchor]:
        raise InputError(
            f"the set {name} of study {study.name} was added with --anchor {other[0]}; give the same "
            "--anchor, or the plates another name: OTHER=TABLE"
        )
    return {plate: key for entry in entries for plate, key in entry["plates"].items()}


def changed_plates(
    study: Study,
    name: str,
    jobs: Sequence[PlateJob],
    keys: dict[str, tuple[str, str]],
    stamps: dict[str, str],
    rows: pd.DataFrame,
) -> list[str]:
    """Plates that the set has with other rows or files. Where a stamp differs, all files are read.

    keys, stamps: of `keys_of`, `plate_stamp`. rows: as they would be added, in the table's order.
    """
    entries = _entries(study, name)
    have = {plate: key for entry in entries for plate, key in entry["plates"].items()}
    stamped = {plate: s for entry in entries for plate, s in entry.get("stamps", {}).items()}
    changed = []
    for job in jobs:
        plate = job.plate
        if plate in have and (
            have[plate] not in keys[plate]
            or (stamped.get(plate) != stamps[plate] and not _same_files(study, job, rows))
        ):
            changed.append(plate)
    return changed


def _same_files(study: Study, job: PlateJob, rows: pd.DataFrame) -> bool:
    """Whether the fields of a plate that the study has hold what they held."""
    hashes = dict(zip(study.images["image_id"], study.images["content_hash"], strict=True))
    ids = rows["image_id"].iloc[job.positions]
    fields = [(i, f) for i, f in zip(ids, job.files, strict=True) if hashes.get(i) and all(f)]
    return all(
        field_digest(files) == hashes[image]
        for image, files in tqdm(fields, desc=f"compare {job.plate}", unit="image", leave=False)
    )


def _entries(study: Study, name: str) -> list[dict]:
    return [entry for entry in study.meta.get("added", []) if entry["name"] == name]
