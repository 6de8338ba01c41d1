"""New plates for a finished study: read as in training, predicted plate by plate, added to it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError, decoding
from bnn_core.base.files import copy_folder, read_json, write_bytes
from bnn_core.base.reading import read_parquet
from bnn_core.base.roots import goes_with_a_job
from bnn_core.base.wording import count, listed
from bnn_core.datasets.plates import PlateTable
from bnn_core.datasets.preparation import plate_jobs
from bnn_core.datasets.sources import PICTURES, file_columns
from bnn_core.images.plate_pixels import PlateReader
from bnn_core.networks.saved import read_config
from bnn_core.recipes.adding import (
    Addition,
    add_to_study,
    added_roles,
    demand_new,
    demand_set_name,
    image_shape,
    study_folds,
)
from bnn_core.recipes.adding_blocks import START_AGAIN
from bnn_core.recipes.deploying import train_deployed
from bnn_core.recipes.known_plates import changed_plates, digest_of, keys_of, plate_stamp, plates_of
from bnn_core.recipes.plate_anchor import PlateAnchor, plate_anchors
from bnn_core.recipes.plate_blocks import About, ImageScaling, Lost, PlateBlock
from bnn_core.recipes.workers import Cluster, run_once
from bnn_core.study.folder import Study, open_study, write_table


def predict_plates(
    path: Path,
    plates: PlateTable | None,
    name: str,
    *,
    out: Path | None = None,
    role: str | None = None,
    deploy: bool = False,
    anchor: str = "none",
    intensities: tuple[float, float] | None = None,
    device: str = "cpu",
    cluster: Cluster | None = None,
    force: bool = False,
    restart: bool = False,
    workers: int | None = None,
) -> Path:
    """Apply the study at `path` to the images of `plates` and add them to it as the set `name`.

    Images are scaled and shrunk exactly as the study's were. Plates of the set that the study has
    already, with the same files and rows, are passed over. plates: None with `deploy` alone.
    intensities: by default those of the study.
    deploy: train each method once more on all compounds first, where the study has no such
    networks. anchor: "controls" scales each new plate so that its untreated images are as bright as
    the study's (`plate_anchor`). role: of all images; by default "control" for compounds that are
    controls of the study, else by the label (see `add_images`).
    Returns the study's folder.

    Raises InputError as `add_images`; for a study that was not made from plate images; for channels
    that are not the study's; for a plate that the set has with other files or another anchor; and
    for an anchor where the study or a new plate has no untreated images.
    """
    known = open_study(path)
    keys: dict[str, str] = {}
    stamps: dict[str, str] = {}
    intensities = intensities or known.meta.get("intensities")
    fresh: list[str] = []
    if plates is not None:
        planned = plan_plates(
            known, plates, name, role=role, anchor=anchor, intensities=intensities
        )
        plates, fresh = planned.plates, planned.fresh
        keys, stamps = ({p: known[p] for p in fresh} for known in (planned.keys, planned.stamps))
    if not fresh and out is None and (not deploy or "deployed" in known.meta):
        return known.path

    def addition(study: Study) -> Addition:
        def before(making: Path) -> None:
            if deploy:
                where = cluster.device if cluster else device
                run_once(cluster, train_deployed, study, making, scaling_of(study), where)

        def finish(making: Path) -> dict[str, Any]:
            if plates is not None and goes_with_a_job(plates.root):
                pictures = making / PICTURES / _upload(plates.root, name)
                copy_folder(plates.root, pictures, "choose another folder")
            return _keys(study, making, blocks, name, {"plates": keys, "stamps": stamps}, anchor)

        blocks = (
            []
            if plates is None
            else _blocks(
                study, plates, fresh, name, role, out or study.path, intensities, workers, anchor
            )
        )
        return Addition(
            {
                "role": role,
                "sets": [f"{name} {digest_of(sorted((p, keys[p]) for p in fresh))}"],
                "deploy": deploy,
                "anchor": anchor,
            },
            blocks,
            looked_first=False,
            before=before,
            finish=finish,
        )

    return add_to_study(
        path,
        addition,
        out=out,
        device=device,
        cluster=cluster,
        force=force,
        restart=restart,
    )


@dataclass(frozen=True)
class PlannedPlates:
    """What a study would add of a table of plates; no image was opened.

    plates: with the study's channels. rows: of all plates, as they would be added. keys: plate ->
    16 hex digits over its files and rows. stamps: plate -> 16 hex digits that change with any write
    into its files. fresh: the plates that the study does not have yet.
    """

    plates: PlateTable
    rows: pd.DataFrame
    keys: dict[str, str]
    stamps: dict[str, str]
    fresh: list[str]

    def fresh_rows(self) -> pd.DataFrame:
        """The rows of the plates that would be added."""
        if "plate" not in self.rows:
            return self.rows[: len(self.rows) if self.fresh else 0]
        return self.rows[self.rows["plate"].fillna("").astype(str).isin(self.fresh)]


def plan_plates(
    study: Study,
    plates: PlateTable,
    name: str,
    *,
    role: str | None = None,
    anchor: str = "none",
    intensities: tuple[float, float] | None = None,
) -> PlannedPlates:
    """What `predict_plates` would add to the study as the set `name`; the errors are its own."""
    demand_set_name(name)
    scaling_of(study)
    plates = _with_channels(study, plates)
    rows = _rows(study, plates, name, role, study.path)
    have = plates_of(study, name, anchor)
    jobs = plate_jobs(plates.table, plates.channels, plates.root, intensities)
    keyed = keys_of(plates, jobs, intensities)
    stamps = {job.plate: plate_stamp(job) for job in jobs}
    changed = changed_plates(study, name, jobs, keyed, stamps, rows)
    if changed:
        raise InputError(
            f"the set {name} of study {study.name} has plate {changed[0] or '(without a name)'} "
            "with other files or rows; give the new ones another name: OTHER=TABLE"
        )
    keys = {plate: key for plate, (key, _) in keyed.items()}
    fresh = [plate for plate in keys if plate not in have]
    planned = PlannedPlates(plates, rows, keys, stamps, fresh)
    demand_new(study, planned.fresh_rows()["image_id"])
    return planned


def scaling_of(study: Study) -> ImageScaling:
    """How new plates are scaled for the study's networks.

    Raises InputError for a study without networks, and for one that was not made from plates.
    """
    config = read_config(study_folds(study)[0] / study.methods[0])
    return ImageScaling.of(study, image_shape(study), config.get("network", "mscnn"))


def _with_channels(study: Study, plates: PlateTable) -> PlateTable:
    """The table with its files under the study's channels, in their order.

    Raises InputError where the channels of the table are not the study's.
    """
    wanted = study.meta.get("channels") or []
    if "path" in plates.table:
        return replace(plates, channels=list(wanted))
    ours = {name.casefold(): name for name in plates.channels or []}
    if len(ours) != len(wanted) or not all(name.casefold() in ours for name in wanted):
        same = ",".join(f"{a}={b}" for a, b in zip(wanted, plates.channels or [], strict=False))
        raise InputError(
            f"the channels are {', '.join(plates.channels or [])}, those of study {study.name} "
            f"{', '.join(wanted)}: say which is which with --channels, such as {same}"
        )
    columns = {f"path_{ours[name.casefold()]}": f"path_{name}" for name in wanted}
    return replace(plates, table=plates.table.rename(columns=columns), channels=list(wanted))


def _blocks(
    study: Study,
    plates: PlateTable,
    fresh: Sequence[str],
    name: str,
    role: str | None,
    home: Path,
    intensities: tuple[float, float] | None,
    workers: int | None,
    anchor: str,
) -> list[PlateBlock]:
    scaling = scaling_of(study)
    rows = _rows(study, plates, name, role, home)
    jobs = [
        job
        for job in plate_jobs(plates.table, plates.channels, plates.root, intensities)
        if job.plate in fresh
    ]
    positions = np.concatenate([job.positions for job in jobs]) if jobs else np.empty(0, int)
    demand_new(study, rows["image_id"].iloc[positions])
    used_names = (
        frozenset(study.images["plate"].dropna()) if "plate" in study.images else frozenset()
    )
    reader = PlateReader(workers, intensities)
    anchors: dict[str, PlateAnchor] = {}
    if anchor == "controls":
        anchors = plate_anchors(study, jobs, _untreated(study, plates.table))
    return [
        PlateBlock(
            rows.iloc[job.positions],
            job,
            scaling,
            used_names,
            name,
            reader,
            f"{i:05d}",
            anchors.get(job.plate),
        )
        for i, job in enumerate(jobs)
    ]


def _rows(
    study: Study, plates: PlateTable, name: str, role: str | None, home: Path
) -> pd.DataFrame:
    """The rows of all plates as they are added to the study at `home`."""
    table, folder = plates.table, _pictures(study, plates.root, name, home)
    rows = table.assign(
        image_id=name + "/" + table["image_id"].astype(str).map(_without_folders),
        role=added_roles(study, table["label"], role),
        source=name,
    )
    for column in file_columns(plates.channels, table):
        rows[column] = table[column].map(lambda file: str(folder / file), "ignore")
    if role is None:
        rows.loc[_untreated(study, table), "role"] = "control"
    if "group" in rows:
        rows["group"] = rows["group"].astype(object)
    return rows


def _without_folders(image_id: str) -> str:
    """An id that is an absolute path: the last folder, a digest of all of them, and the file. It is the
    same whatever else the table names, and two files have two."""
    path = Path(image_id)
    if not path.is_absolute():
        return image_id
    return f"{path.parent.name}-{short_digest(str(path.parent).encode())[:8]}/{path.name}"


def _pictures(study: Study, root: Path, name: str, home: Path) -> Path:
    """Where the study at `home` finds the files of a set: it keeps those that were uploaded."""
    if not goes_with_a_job(root):
        return root
    travel = study.meta.get("image_root") == PICTURES
    upload = _upload(root, name)
    return upload if travel else home.absolute() / PICTURES / upload


def _upload(root: Path, name: str) -> Path:
    """The folder of kept pictures of one upload: the next one may have files of the same names."""
    return Path(name) / digest_of(str(root))


def _untreated(study: Study, table: pd.DataFrame) -> np.ndarray:
    """(N,) bool: controls of the table, and images without a label of a control of the study."""
    untreated = (table["role"] == "control").to_numpy(copy=True)
    if {"compound"} <= set(study.images) & set(table):
        controls = study.images["compound"][study.images["role"] == "control"].dropna()
        untreated |= (table["compound"].isin(controls) & table["label"].isna()).to_numpy()
    return untreated


def _keys(
    study: Study,
    making: Path,
    blocks: Sequence[PlateBlock],
    name: str,
    known: dict[str, dict[str, str]],
    anchor: str,
) -> dict[str, Any]:
    """Keys of study.json; contrast and quarantine of the new plates are written below the others.

    Raises InputError where no image of any plate can be used.
    """
    about = [block.about(making) for block in blocks]
    lost = [entry for one in about for entry in one["quarantine"]]
    images = sum(map(len, blocks)) - len(lost)
    if blocks and not images:
        if not (making / "deploy").is_dir():  # there is nothing to continue with
            shutil.rmtree(making)
        raise InputError(
            f"no image can be used ({len(lost):,} were read), the first: {lost[0]['reason']}"
        )
    _append(making, about, lost)
    notes = []
    if blocks:
        notes.append(
            f"{count(images, 'image')} of {count(len(blocks), 'new plate')} ({name}) added, not "
            "counted for accuracy"
            + ("; scaled by the untreated images of each plate" if anchor == "controls" else "")
        )
    plates = [block.job.plate or name for block in blocks]
    plates_of: dict[str, list[str]] = {}
    for plate, one in zip(plates, about, strict=True):
        for note in one["notes"]:
            plates_of.setdefault(note, []).append(plate)
    notes += [f"{note} (plates {listed(which)})" for note, which in plates_of.items()]
    if renamed := [
        one["plate"]
        for plate, one in zip(plates, about, strict=True)
        if one["plate"] not in (None, plate)
    ]:
        notes.append(
            f"the study already has plates with these names; the new plates are called {listed(renamed)}"
        )
    if lost:
        notes.append(
            f"{len(lost):,} images of {name} could not be used (quarantine.csv), the first: row "
            f"{lost[0]['row']}, {lost[0]['reason']}"
        )
    entry = {"name": name, "title": name, "images": images, **known}
    if anchor != "none":
        entry["anchor"] = anchor
    return {
        "notes": notes,
        "added": _merged(study.meta.get("added", []), entry)
        if blocks
        else study.meta.get("added", []),
        "quarantined": study.meta.get("quarantined", 0) + len(lost),
    } | (
        {"deployed": read_json(making / "deploy" / "about.json")}
        if (making / "deploy").is_dir()
        else {}
    )


def _merged(added: Sequence[dict[str, Any]], entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The list of added sets with one more, or a set of plates with more plates."""
    entries = [dict(e) for e in added]
    for known in entries:
        if known["name"] == entry["name"]:
            known["images"] += entry["images"]
            for key in ("plates", "stamps"):
                known[key] = known.get(key, {}) | entry[key]
            return entries
    return [*entries, entry]


def _append(making: Path, about: Sequence[About], lost: Sequence[Lost]) -> None:
    rows = [row for one in about for row in one["contrast"]]
    path = making / "contrast.parquet"
    if rows:
        table = read_parquet(path, START_AGAIN)
        names = {row["plate"] for row in rows}
        write_table(path, pd.concat([table[~table["plate"].isin(names)], pd.DataFrame(rows)]))
    path = making / "quarantine.csv"
    if lost:
        with decoding(path, START_AGAIN):
            table = pd.read_csv(path) if path.is_file() else pd.DataFrame()
        both = pd.concat([table, pd.DataFrame(lost)]).drop_duplicates()
        write_bytes(path, both.to_csv(index=False).encode())
