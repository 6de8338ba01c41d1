"""From decisions to a corrected label table, and from that to the labels of a new study."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.measures.levels import original_images
from bnn_core.review.importing import read_review_table
from bnn_core.review.log import DECISIONS, ReviewLog
from bnn_core.study.folder import Study
from bnn_core.tables.reading import rows_text
from bnn_core.tables.values import spelt_as

#: Column of images.parquet: the first label, where a study was trained on corrected ones.
LABEL_GIVEN = "label_given"


@dataclass(frozen=True)
class Corrections:
    """Images to leave out of training and scoring, and images with another label."""

    exclude: frozenset[str]
    relabel: dict[str, str]


def corrected_labels(study: Study, log: ReviewLog) -> pd.DataFrame:
    """The label table after review: image_id, label, corrected_label, excluded ("yes" or "no").

    One row per image of the study (without added images) that has a label, and per image with a
    decision, in the study's order, then images that are no longer in the study. `label` is the
    first label, also where the study was trained on corrected ones; `corrected_label` is the same
    unless a decision changed it, now or before the study was made. "keep" and "unsure" change
    nothing.
    """
    images = study.images
    now = images["label"].astype(object)
    table = pd.DataFrame({"image_id": images["image_id"], "label": now, "corrected_label": now})
    state = log.state(study)
    relabel = state[state["decision"] == "relabel"]
    table.loc[relabel.index, "label"] = relabel["label_then"]
    table.loc[relabel.index, "corrected_label"] = relabel["new_label"]
    if LABEL_GIVEN in images:
        table["label"] = images[LABEL_GIVEN].astype(object)
    excluded = np.zeros(len(table), dtype=bool)
    excluded[state.index[state["decision"] == "exclude"]] = True
    table["excluded"] = np.where(excluded, "yes", "no")
    gone = log.absent(study)
    renamed = gone["decision"] == "relabel"
    absent = pd.DataFrame(
        {
            "image_id": gone["image_id"],
            "label": gone["label_then"],
            "corrected_label": gone["new_label"].where(renamed, gone["label_then"]),
            "excluded": np.where(gone["decision"] == "exclude", "yes", "no"),
        }
    )
    table = pd.concat([table, absent], ignore_index=True)
    # Copies and added images are not part of the labelled set, unless somebody decided on them.
    kept = original_images(images)
    kept[state.index] = True
    wanted = np.concatenate([kept, np.ones(len(absent), bool)])
    return table[
        wanted
        & (table[["label", "corrected_label"]].notna().any(axis=1) | (table["excluded"] == "yes"))
    ].reset_index(drop=True)


def read_corrections(
    file: Path, image_ids: Collection[str] | None = None, classes: Collection[str] | None = None
) -> Corrections:
    """Read the file of `bnn study --exclude/--relabel`: a flagged list or a corrected label table.

    A flagged list has the columns image_id, decision and new_label; a corrected label table has
    image_id, label, corrected_label and excluded. CSV or Parquet. image_ids (a set, for speed) and
    classes: if given, an id or label that is not among them is an error. Raises InputError naming
    file and row, also for an image with two different decisions.
    """
    file = Path(file)
    rows = read_review_table(file, ("image_id",))
    columns = next(iter(rows.values())).keys()
    if {"corrected_label", "label", "excluded"} <= columns:
        read = _from_label_table
    elif {"decision", "new_label"} <= columns:
        read = _from_flagged_list
    else:
        raise InputError(
            f"{file} needs the columns decision and new_label (a flagged list) or label, "
            f"corrected_label and excluded (a corrected label table); it has {', '.join(columns)}"
        )
    exclude, relabel, seen = set(), {}, {}
    for number, row in rows.items():
        image_id = row["image_id"]
        out, label, problem = read(row)
        if not problem and not out and label is None:
            continue
        if not problem and image_ids is not None and image_id not in image_ids:
            problem = f"image '{image_id}' is not in the data"
        if label is not None and classes is not None:
            label = spelt_as(label, list(classes))
        if not problem and label is not None and classes is not None and label not in classes:
            problem = f"new label '{label}' is not a class; the classes are {', '.join(classes)}"
        first = seen.setdefault(image_id, (number, out, label))
        if not problem and first[1:] != (out, label):
            problem = f"image '{image_id}' has another decision in row {first[0]}; keep one row"
        if problem:
            raise InputError(f"{file} {rows_text([number])}: {problem}")
        if out:
            exclude.add(image_id)
        elif label is not None:
            relabel[image_id] = label
    return Corrections(frozenset(exclude), relabel)


def apply_corrections(
    images: pd.DataFrame, exclude: Collection[str], relabel: dict[str, str]
) -> pd.DataFrame:
    """A copy of the images with corrected `label`, `role` and `label_given`, ready for training.

    exclude: image ids. relabel: image id -> new label. An excluded image keeps its row, loses its
    label and becomes "unlabelled": it is predicted and shown with its review, but not trained on or
    counted. An image without a label that gets one becomes "scored".
    """
    images = images.copy()
    given = LABEL_GIVEN if LABEL_GIVEN in images else "label"
    images[LABEL_GIVEN] = images[given]
    label = images["label"].astype(object)
    new = images["image_id"].map(relabel)
    images["label"] = label.where(new.isna(), new)
    out = images["image_id"].isin(set(exclude))
    role = images["role"].astype(object)
    role = role.mask(new.notna() & (role == "unlabelled"), "scored")
    images["role"] = role.mask(out & (role == "scored"), "unlabelled")
    images["label"] = images["label"].mask(out, None)
    return images


def corrected_rows(
    images: pd.DataFrame,
    classes: Collection[str],
    exclude: str | os.PathLike | None,
    relabel: str | os.PathLike | None,
) -> pd.DataFrame:
    """`apply_corrections` with what reviewed lists exclude and relabel; `images` itself without any.

    Raises InputError as `read_corrections`, for images and labels that are not known.
    """
    if not exclude and not relabel:
        return images
    ids = set(images["image_id"])
    left_out = read_corrections(Path(exclude), ids, classes).exclude if exclude else frozenset()
    renamed = read_corrections(Path(relabel), ids, classes).relabel if relabel else {}
    return apply_corrections(images, left_out, renamed) if left_out or renamed else images


def _from_flagged_list(row: dict[str, str]) -> tuple[bool, str | None, str | None]:
    """(excluded, new label or None, problem or None)"""
    decision = spelt_as(row["decision"], DECISIONS)
    if decision and decision not in DECISIONS:
        return False, None, f"decision '{decision}' is not one of {', '.join(DECISIONS)}"
    if decision == "relabel" and not row["new_label"]:
        return False, None, "the decision is relabel but new_label is empty; give a class"
    return decision == "exclude", row["new_label"] if decision == "relabel" else None, None


def _from_label_table(row: dict[str, str]) -> tuple[bool, str | None, str | None]:
    if row["excluded"] not in ("yes", "no", ""):
        return False, None, f"excluded is '{row['excluded']}'; write yes or no"
    corrected = row["corrected_label"]
    changed = corrected if corrected and corrected != row["label"] else None
    out = row["excluded"] == "yes"
    return out, None if out else changed, None
