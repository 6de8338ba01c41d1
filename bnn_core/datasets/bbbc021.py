"""BBBC021v1: human MCF-7 cells under 113 compounds, 12 mechanisms of action, 55 plates.

Images: Caie et al., Molecular Cancer Therapeutics 2010; Broad Bioimage Benchmark Collection, Ljosa
et al., Nature Methods 2012. The official layout: `BBBC021_v1_image.csv`, `BBBC021_v1_moa.csv` and a
folder per plate (`Week1/Week1_22123/`) of 16-bit TIFFs, one per channel.

Rules: DMSO is a control. Of the 1,428 labelled fields of microtubule stabilizers 1,332 are taxol at
0.3 µM, a positive control on every plate; the class is cut to the median class size by drawing from
them (Deodato, Ball & Zhang 2020 kept 24 of them and left out taxol at 1 and 3 µM). All other fields
of taxol are predicted, neither trained on nor scored.
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING
from bnn_core.datasets.preparation import ImageOptions, prepare_source
from bnn_core.datasets.sources import PlateSource
from bnn_core.tables.columns import ColumnMap, map_columns
from bnn_core.tables.reading import read_table, rows_text
from bnn_core.tables.values import none_where

CHANNELS = ("DAPI", "Tubulin", "Actin")
CITATION = (
    "We used image set BBBC021v1 [Caie et al., Molecular Cancer Therapeutics, 2010], "
    "available from the Broad Bioimage Benchmark Collection [Ljosa et al., Nature Methods, "
    "2012]."
)
DMSO = "DMSO"
#: Counts of all intensities of a plate, kept beside a part of its images.
INTENSITIES_FILE = "intensities.npz"
FILE_NAME = re.compile(
    r"^(.*?)_?([A-H]\d{2})_s([1-4])_w([124])"
    r"([0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})\.tif$"
)
_CHANNEL_DIGIT = dict(zip(CHANNELS, "124", strict=True))
_STABILIZERS, _DRAWN = "Microtubule stabilizers", ("taxol", 0.3)


class Chosen(NamedTuple):
    """Fields of the plates on disk, files relative to `root`, and notes on them."""

    root: Path
    table: pd.DataFrame
    folders: dict[str, Path]
    notes: list[str]


def read_bbbc021(
    root: Path, *, plates: Sequence[str] | None = None, everything: bool = False, seed: int = 0
) -> Chosen:
    """What to read of the plates under `root` (or `root`/bbbc021), without reading an image.

    plates: names such as "Week1_22123"; all that are on disk by default. everything: also fields of
    compounds without any label. seed: which taxol fields are scored.

    Raises InputError when the metadata or a named plate is missing (with the command that fetches
    it), and when the metadata does not fit together.
    """
    root = find_root(root)
    fields = read_field_table(root)
    folders = {
        plate: folder
        for plate in fields["plate"].unique()
        if (folder := plate_folder(root, plate)) is not None
    }
    chosen = list(folders) if plates is None else check_plates(plates, fields)
    absent = [plate for plate in chosen if plate not in folders]
    if absent or not chosen:
        some = ",".join(absent[:3]) or "Week1_22123"
        raise InputError(
            f"no images of {', '.join(absent[:5]) or 'any plate'} in {root}; fetch "
            f"them: bnn data bbbc021 --plates {some}"
        )
    fields = fields[fields["plate"].isin(chosen)]
    if not everything:
        fields = fields[needed(fields)]
    table = assign_roles(fields, seed)
    for channel in CHANNELS:
        names = table[f"path_{channel}"].str.rsplit("/", n=1).str[-1]
        table[f"path_{channel}"] = (
            table["plate"].map(
                {plate: path.relative_to(root).as_posix() for plate, path in folders.items()}
            )
            + "/"
            + names
        )
    return Chosen(
        root, table, folders, [*_role_notes(table), *_plate_notes(chosen, folders, fields)]
    )


def load_bbbc021(
    chosen: Chosen,
    folder: Path,
    scaling: ImageOptions,
    *,
    workers: int | None = None,
) -> PlateSource:
    """Read the images of `read_bbbc021` into a source, prepared in `folder`.

    scaling: intensities are those of plates and channels; the set's metadata do not give the size of
    a pixel. Raises InputError as `prepare_source`.
    """
    table = chosen.table
    return prepare_source(
        table,
        replace(scaling, normalise="plate"),
        channels=CHANNELS,
        image_root=chosen.root,
        folder=folder,
        classes=sorted(table["label"].dropna().unique()),
        notes=chosen.notes,
        plate_counts=lambda plate: _counts(chosen.folders[plate]),
        workers=workers,
    )


def find_root(root: Path) -> Path:
    """The folder with the metadata: `root` or its bbbc021/. InputError when neither has it."""
    root = Path(root)
    for folder in (root, root / "bbbc021"):
        if _metadata_file(folder, "image"):
            return folder.resolve()
    raise InputError(
        f"no BBBC021_v1_image.csv in {root} or its bbbc021/; fetch it with the images "
        "(bnn data bbbc021 --plates Week1_22123) or name its folder with --data"
    )


def read_field_table(root: Path) -> pd.DataFrame:
    """All fields of the official metadata, one row per field; index = row number in image.csv.

    Columns: image_id (plate/well/site), plate, well, site, replicate, batch (the week), compound,
    concentration (µM), moa (None where not labelled), path_DAPI, path_Tubulin, path_Actin
    (relative, as the metadata has them).

    Raises InputError naming file and row for file names of other sets, channels of one
    row that belong to different fields, a field that occurs twice, and mechanisms that match no
    image.
    """
    image_file, moa_file = _metadata_file(root, "image"), _metadata_file(root, "moa")
    if image_file is None or moa_file is None:
        raise InputError(
            f"{root} lacks BBBC021_v1_image.csv or BBBC021_v1_moa.csv; fetch them: bnn data bbbc021 "
            "--plates Week1_22123"
        )
    fields, column_map = map_columns(read_table(image_file))
    _demand_clean(column_map, image_file)
    wanted = [
        "plate",
        "well",
        "replicate",
        "batch",
        "compound",
        "concentration",
        *[f"path_{channel}" for channel in CHANNELS],
    ]
    _demand_columns(fields, wanted, image_file, column_map.describe())
    parts = pd.concat(
        {
            channel: fields[f"path_{channel}"].str.rsplit("/", n=1).str[-1].str.extract(FILE_NAME)
            for channel in CHANNELS
        },
        axis=1,
    )
    _demand(parts.notna().all(axis=1), fields, image_file, "file names of another set")
    fits = pd.Series(True, index=fields.index)
    for channel in CHANNELS:
        fits &= parts[channel, 1] == fields["well"]
        fits &= parts[channel, 2] == parts[CHANNELS[0], 2]
        fits &= parts[channel, 3] == _CHANNEL_DIGIT[channel]
    _demand(
        fits, fields, image_file, "the well, site or channel of a file differs from that of the row"
    )
    fields["site"] = parts[CHANNELS[0], 2]
    key = ["plate", "well", "site"]
    _demand(~fields.duplicated(key, keep=False), fields, image_file, "the same plate, well, site")
    fields["image_id"] = fields["plate"].str.cat([fields["well"], fields["site"]], sep="/")
    fields["moa"] = _mechanisms(fields, moa_file, image_file)
    return fields[["image_id", *key, *wanted[2:6], "moa", *wanted[6:]]]


def check_plates(plates: Sequence[str], fields: pd.DataFrame) -> list[str]:
    """The names given, each once; InputError for one that is no plate of the set."""
    known = list(fields["plate"].unique())
    for plate in plates:
        if plate not in known:
            close = difflib.get_close_matches(plate, known, 1, 0.6)
            hint = f"did you mean {close[0]}? " if close else ""
            raise InputError(
                f"no plate '{plate}' in BBBC021; {hint}there are {len(known)}, such "
                f"as {', '.join(sorted(known)[:3])}"
            )
    return list(dict.fromkeys(plates))


def plate_folder(root: Path, plate: str) -> Path | None:
    """Folder of a plate's images: Week1/Week1_22123, or Week1_22123 unpacked by hand, or None."""
    week = plate.split("_")[0]
    return next((path for path in (root / week / plate, root / plate) if path.is_dir()), None)


def needed(fields: pd.DataFrame) -> pd.Series:
    """Fields that a study uses: DMSO and every dose of a compound that has a label at some dose."""
    compounds = set(fields.loc[fields["moa"].notna(), "compound"]) | {DMSO}
    return fields["compound"].isin(compounds)


def assign_roles(fields: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Columns label, role and group for the fields of a study (see the rules above).

    The stabilizers drawn are spread over the plates: no plate gives a second field before every
    plate has given one. The same seed and fields give the same draw.
    """
    table = fields.copy()
    is_taxol = table["compound"] == _DRAWN[0]
    scored = table["moa"].notna()
    pool = table[is_taxol & scored & (table["concentration"] == _DRAWN[1])]
    sizes = table.loc[scored, "moa"].value_counts()
    others = sizes.drop(_STABILIZERS, errors="ignore")
    if len(others) and sizes.get(_STABILIZERS, 0) > others.median():
        rest = (scored & ~is_taxol & (table["moa"] == _STABILIZERS)).sum()
        quota = max(0, int(others.median()) - rest)
        scored &= ~is_taxol | table.index.isin(_spread_draw(pool, quota, seed))
    role = pd.Series("unlabelled", index=table.index).mask(scored, "scored")
    table["role"] = role.mask(table["compound"] == DMSO, "control")
    table.insert(1, "label", none_where(table["moa"], ~scored))
    table["group"] = table["compound"]
    return table


def _spread_draw(pool: pd.DataFrame, count: int, seed: int) -> pd.Index:
    """`count` rows of `pool`, as evenly over its plates as can be, drawn by `seed`."""
    rng = np.random.default_rng(seed)
    shuffled = pool.sort_values("image_id").iloc[rng.permutation(len(pool))]
    turn = shuffled.groupby("plate").cumcount()
    return shuffled.index[np.argsort(turn.to_numpy(), kind="stable")][:count]


def _metadata_file(folder: Path, name: str) -> Path | None:
    plain = folder / f"BBBC021_v1_{name}.csv"
    return next((path for path in (plain, plain.with_suffix(".csv.gz")) if path.is_file()), None)


def _mechanisms(fields: pd.DataFrame, moa_file: Path, image_file: Path) -> pd.Series:
    """The mechanism of each field by compound and concentration, equal as decimals; else None."""
    moas, column_map = map_columns(read_table(moa_file))
    _demand_clean(column_map, moa_file)
    _demand_columns(moas, ["compound", "concentration", "moa"], moa_file, column_map.describe())
    moas = moas[moas["compound"] != DMSO]
    key = ["compound", "concentration"]
    double = moas.drop_duplicates([*key, "moa"]).duplicated(key, keep=False)
    if double.any():
        raise InputError(
            f"{moa_file} {rows_text(double.index[double])}: two mechanisms for one compound and "
            "concentration"
        )
    known = pd.MultiIndex.from_frame(fields[key])
    lost = ~pd.MultiIndex.from_frame(moas[key]).isin(known)
    if lost.any():
        first = moas[lost].iloc[0]
        raise InputError(
            f"{moa_file} {rows_text(moas.index[lost])}: no image in {image_file.name} has "
            f"{first['compound']} at {first['concentration']:g} µM; the two files must be from "
            "one release: fetch both again"
        )
    moa_of = moas.drop_duplicates(key).set_index(key)["moa"]
    values = pd.Series(moa_of.reindex(known).to_numpy(), index=fields.index)
    return none_where(values, values.isna())


def _demand_columns(table: pd.DataFrame, wanted: list[str], path: Path, columns: str) -> None:
    missing = [c for c in wanted if c not in table]
    if missing:
        raise InputError(
            f"{path} has no column for {', '.join(missing)} (found: {columns}); fetch "
            "it again: bnn data bbbc021 --plates Week1_22123"
        )


def _demand_clean(column_map: ColumnMap, path: Path) -> None:
    """The official tables hold nothing that a reader would have to check."""
    if column_map.notes:
        note = column_map.notes[0].removeprefix(WARNING)
        raise InputError(f"{path} {note}; fetch it again: bnn data bbbc021 --plates Week1_22123")


def _demand(good: pd.Series, fields: pd.DataFrame, path: Path, what: str) -> None:
    if not good.all():
        bad = fields[~good].iloc[0]
        raise InputError(
            f"{path} {rows_text(good.index[~good])}: {what} (plate {bad['plate']}, "
            f"well {bad['well']}, {bad['path_DAPI']})"
        )


def _counts(folder: Path) -> np.ndarray | None:
    """All intensities of a plate (3, 65536), counted when its archive was unpacked, or None."""
    path = folder / INTENSITIES_FILE
    if not path.is_file():
        return None
    try:
        with np.load(path) as arrays:
            return arrays["counts"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path} is damaged ({error}); fetch the plate again: bnn data bbbc021 --plates "
            f"{folder.name}"
        ) from error


def _role_notes(table: pd.DataFrame) -> list[str]:
    taxol = int(((table["compound"] == _DRAWN[0]) & (table["role"] == "scored")).sum())
    rest = int(((table["compound"] == _DRAWN[0]) & (table["role"] != "scored")).sum())
    controls = int((table["role"] == "control").sum())
    others = int((table["role"] == "unlabelled").sum()) - rest
    return [
        f"DMSO: {controls:,} fields, predicted but not counted",
        f"taxol: {taxol:,} fields at 0.3 µM scored, drawn over the plates so that its class has "
        f"the median size; the other {rest:,} predicted as a positive control, neither trained on "
        "nor scored",
        f"other doses and compounds without a label: {others:,} fields, predicted but not counted",
        CITATION,
    ]


def _plate_notes(chosen: list[str], folders: dict[str, Path], fields: pd.DataFrame) -> list[str]:
    part = [plate for plate in chosen if not (folders[plate] / INTENSITIES_FILE).is_file()]
    notes = [
        "intensities run from the 0.03 to the 99.97 percentile of all pixels of a plate and "
        "channel; no label enters, so wells held out of training take part in them"
    ]
    if part and len(fields) < 240 * len(chosen):
        notes.append(
            f"on {len(part)} plates these percentiles are over the fields of this study, "
            "not all 240 fields of the plate"
        )
    if len(chosen) < 55:
        notes.append(f"{len(chosen)} of 55 plates")
    return notes
