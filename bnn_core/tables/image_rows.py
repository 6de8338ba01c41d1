"""One row per image of an import: id, label, role, fold, group and the metadata that a study keeps."""

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import WARNING, be, count, have
from bnn_core.study.folder import ROLES
from bnn_core.tables.long_form import image_key
from bnn_core.tables.plate_map import odd_wells
from bnn_core.tables.reading import naming, rows_text
from bnn_core.tables.sources import ImportOptions, SourceTable
from bnn_core.tables.values import image_ids, none_where

#: Metadata columns that a study keeps.
KEPT = ("plate", "well", "site", "replicate", "batch", "compound", "concentration", "moa")


def image_rows(
    main: SourceTable,
    labels: pd.Series,
    new: pd.Series,
    controls: pd.Series,
    options: ImportOptions,
    notes: list[str],
) -> pd.DataFrame:
    """The columns of images.parquet, index = row numbers of the table.

    new: labels absent from training, None elsewhere.
    """
    known = main.mapped
    key = _demand_single(main)
    number = {role: i for i, role in enumerate(ROLES)}
    role = np.where(labels.notna(), number["scored"], number["unlabelled"])
    if "role" in known and known["role"].isin(ROLES).all():
        given = pd.Categorical(known["role"], ROLES).codes
        role = np.where((given == number["scored"]) & labels.isna(), number["unlabelled"], given)
    role[new.notna().to_numpy()] = number["new"]
    role[controls.to_numpy()] = number["control"]
    if key is not None and key.name is None:  # plate, well and site: nothing better is there
        ids = key
    else:
        with naming(main.path):
            ids = image_ids(known)
    images = pd.DataFrame(
        {
            "image_id": ids,
            "label": labels if new.isna().all() else _either(labels, new),
            "role": pd.Categorical.from_codes(role, ROLES),
            "fold": _folds(known, notes),
            "path": known.get("path"),
            "content_hash": None,
            "group": known.get("group", known.get("compound")),
        },
        index=known.index,
    )
    for column in (*KEPT, *(c for c in known if c.startswith("path_"))):
        if column in known:
            images[column] = known[column]
    lost = (images["role"] == "scored") & images["group"].isna()
    if lost.any() and options.group:
        raise InputError(
            f"{main.where}{rows_text(images.index[lost])}: no value of --group {options.group}"
        )
    if lost.any():
        if images["group"].notna().any():
            notes.append(
                f"{count(n := int(lost.sum()), 'scored row')} {have(n)} no compound: "
                "these images are treated as independent."
            )
        images["group"] = None
    notes += [WARNING + note for note in odd_wells(images)]
    return images


def _either(labels: pd.Series, new: pd.Series) -> pd.Series:
    """Labels as objects, of new kinds too."""
    return none_where(labels.astype(object).where(new.isna(), new), labels.isna() & new.isna())


def unscored_notes(images: pd.DataFrame, hint: str) -> list[str]:
    unscored = len(images) - int((images["role"] == "scored").sum())
    if not unscored:
        return []
    note = (
        f"{unscored:,} of {count(len(images), 'image')} {be(unscored)} not scored "
        "(no label, a control, or a new kind)"
    )
    return [f"WARNING: {note}; {hint}." if unscored == len(images) else f"{note}."]


def _demand_single(main: SourceTable) -> pd.Series | None:
    """`image_key` of the rows, or None; refuses rows that are the same image twice."""
    if "image_id" in main.mapped:
        return None  # image_ids checks those
    key = image_key(main.mapped)
    if key is not None and key.is_unique:
        return key
    double = (main.raw if key is None else key).duplicated(keep=False)
    if double.any():
        what = (
            "identical rows"
            if key is None
            else f"the same image occurs more than once ('{key[double].iloc[0]}')"
        )
        raise InputError(
            f"{main.where}{rows_text(double.index[double])}: {what}; remove the duplicates, or "
            "add a column image_id; an image has one row: average its samples or models, or give samples "
            "as an array with --samples"
        )
    return key


def _folds(known: pd.DataFrame, notes: list[str]) -> np.ndarray:
    if "fold" in known and known["fold"].str.fullmatch(r"-?\d{1,9}").eq(True).all():
        return known["fold"].astype(np.int64).to_numpy()
    if "fold" in known:
        notes.append("The fold column has values that are not whole numbers. It is ignored.")
    return np.zeros(len(known), np.int64)
