"""A second opinion on the same compounds: logistic regression on a table of measured features.

It is simple and independent of the networks: standardised features, a linear model, each compound
predicted by a model that was trained without it. If it predicts the same wrong class, the network
is not the only cause.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.files import write_bytes
from bnn_core.base.reading import read_parquet, read_parquet_note
from bnn_core.measures.levels import scored_rows
from bnn_core.measures.regression import fitted_regression
from bnn_core.measures.uncertainty import Moments, summarise
from bnn_core.study.checking import record_file
from bnn_core.study.folder import Study
from bnn_core.study.lock import study_lock
from bnn_core.study.tables import demand_columns
from bnn_core.suspects.phenotype import strength
from bnn_core.tables.class_columns import find_class_columns
from bnn_core.tables.columns import map_columns
from bnn_core.tables.feature_columns import NOT_FEATURES
from bnn_core.tables.reading import looks_numeric, read_table, to_numbers

#: Inverse strength of the ridge penalty: small, because features are many and wells few.
OPINION_PENALTY_C = 0.05
OPINION_FILE = "second_opinion.parquet"
OPINION_REMEDY = "run 'bnn second-opinion' again"
_CARRIED = (
    "plate",
    "well",
    "site",
    "replicate",
    "batch",
    "compound",
    "concentration",
    "moa",
    "label",
)


@dataclass(frozen=True)
class Profiles:
    """Rows (wells, images or means over cells) with metadata and measured features.

    rows: (N) metadata under the names of a study. values: (N, F) finite float64. names: (F,).
    dropped: names of feature columns left out for empty cells. source: file name and content hash.
    notes: sentences on metadata that a reader should check (`ColumnMap.notes`).
    """

    rows: pd.DataFrame
    values: np.ndarray
    names: tuple[str, ...]
    dropped: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()


def read_profiles(path: Path, overrides: Mapping[str, str] | None = None) -> Profiles:
    """A feature table from .csv, .tsv or .parquet; metadata columns as `columns.map_columns`.

    Every other numeric column is a feature, except CellProfiler's bookkeeping; a column with empty
    or infinite cells is left out. `label` is the mechanism of action if there is no label column.
    Raises InputError if compounds, labels or features are missing.
    """
    path = Path(path)
    table = read_table(path)
    rows, mapped = map_columns(table, overrides)
    if "label" not in rows and "moa" in rows:
        rows["label"] = rows["moa"]
    for column, flag in (("compound", "compound"), ("label", "moa")):
        if column not in rows:
            raise InputError(
                f"{path} has no {column} column (columns recognised: {mapped.describe()}); "
                f"name it with --map {flag}=COLUMN"
            )
    metadata = set(mapped.columns.values())
    candidates = [
        c
        for c in mapped.unused
        if c not in metadata and looks_numeric(table[c]) and not c.lower().startswith(NOT_FEATURES)
    ]
    values = to_numbers(table, candidates, path)
    guessed = find_class_columns(table, candidates, set(rows["label"].dropna().astype(str)))
    if guessed and np.allclose(
        values[:, [candidates.index(c) for c in guessed.columns]].sum(axis=1), 1, atol=1e-3
    ):
        raise InputError(
            f"{path}: {guessed.columns[0]}, {guessed.columns[1]}, ... are class probabilities, "
            "not measured features; import them as a study with 'bnn import' and choose that "
            "study as the second opinion"
        )
    # Larger numbers have no finite variance.
    finite = (np.abs(values) < 1e100).all(axis=0)
    names = tuple(c for c, ok in zip(candidates, finite, strict=True) if ok)
    if len(names) < 2:
        raise InputError(
            f"{path} has {len(names)} complete numeric columns besides the metadata; "
            "at least 2 measured features are needed, one row per well or image"
        )
    digest = short_digest(values)
    kept = [c for c in _CARRIED if c in rows]
    return Profiles(
        rows[kept].reset_index(drop=True),
        values[:, finite],
        names,
        tuple(c for c, ok in zip(candidates, finite, strict=True) if not ok),
        f"{path.name} ({digest})",
        mapped.notes,
    )


def opinion(
    features: Profiles, classes: Sequence[str], control: str | None = "DMSO"
) -> pd.DataFrame:
    """Predict every row by a regression that was fitted without its compound.

    classes: class names of the study; rows with other labels are neither trained on nor scored.
    control: compound (or label) of the untreated rows. They are predicted by a fit to all compounds
    and are the reference of `strength` (`phenotype.strength`).

    Returns one row per row of `features` in the format of `Study.table`: metadata, role (scored,
    unlabelled, control), unpredictable (the compound is the only one of its label), the columns of
    a summary, and strength. Raises InputError with fewer than two classes or compounds.
    """
    classes = list(classes)
    rows = features.rows.copy()
    untreated = np.zeros(len(rows), bool)
    if control:
        for column in ("compound", "label"):
            untreated |= (rows[column].astype(str).str.casefold() == control.casefold()).to_numpy()
    rows["label"] = rows["label"].where(rows["label"].isin(classes) & ~untreated, None)
    labelled = (rows["label"].notna() & rows["compound"].notna()).to_numpy()
    rows["role"] = np.where(untreated, "control", np.where(labelled, "scored", "unlabelled"))
    compound = rows["compound"].astype(object).where(rows["compound"].notna(), None).to_numpy()
    label = rows["label"].to_numpy(dtype=object)
    if len(set(label[labelled])) < 2 or len(set(compound[labelled])) < 2:
        raise InputError(
            f"{features.source} has {len(set(compound[labelled]))} compounds in "
            f"{len(set(label[labelled]))} of the study's classes; at least 2 of each are needed, "
            "with labels spelled as in the study"
        )
    p = np.zeros((len(rows), len(classes)))
    trained_on = set(compound[labelled])
    # Rows whose compound is in no training set share one fit to everything.
    fold = np.array([c if c in trained_on else None for c in compound], dtype=object)
    for left_out in [*sorted(trained_on), None]:
        held = np.array([c == left_out for c in fold])
        train = labelled & ~held
        if held.any():
            p[held] = _fit_predict(features.values, label, train, held, classes)
    summary = summarise(Moments(p), classes, label)
    rows["unpredictable"] = _lonely_labels(rows, labelled)
    rows = pd.concat([rows, summary], axis=1)
    rows["strength"] = np.nan
    if untreated.any() and "plate" in rows and rows["plate"].notna().all():
        rows["strength"] = strength(features.values, rows["plate"].to_numpy(), untreated)
    return rows


class SavedOpinion(NamedTuple):
    """Where a second opinion was saved, and how good it is on the rows that count.

    right, rows: counts of rows. shared: compounds of the study among them, of `compounds`.
    """

    path: Path
    right: int
    rows: int
    shared: int
    compounds: int


def save_opinion(study: Study, features: Profiles, control: str | None) -> SavedOpinion:
    """Make and save the second opinion of a table of features on the compounds of a study.

    control: compound of untreated rows. Raises InputError as `opinion`, and when the table and the
    study have no compound in common.
    """
    table = opinion(features, study.classes, control)
    counted = table[scored_rows(table)]
    known = set(study.images["compound"].dropna()) if "compound" in study.images else set()
    shared = known & set(counted["compound"])
    if not shared:
        raise InputError(
            f"{features.source} and study {study.name} have no compound in common; both need a "
            "column of compounds with the same names"
        )
    with study_lock(study.path):
        path = write_opinion(study.path, table, features.source)
        record_file(study.path, OPINION_FILE)
    return SavedOpinion(path, int(counted["correct"].sum()), len(counted), len(shared), len(known))


def write_opinion(study: Path, table: pd.DataFrame, source: str) -> Path:
    """Save a second opinion in the study's folder; it replaces an earlier one.

    It is no part of the study's fingerprint. Raises TakenError while another process makes the study
    again.
    """
    path = Path(study) / OPINION_FILE
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    about = {
        "source": source,
        "model": f"logistic regression, C = {OPINION_PENALTY_C}, balanced classes, "
        "standardised features, leave-one-compound-out",
    }
    arrow = arrow.replace_schema_metadata(
        {**(arrow.schema.metadata or {}), b"second_opinion": json.dumps(about).encode()}
    )
    content = pa.BufferOutputStream()
    pq.write_table(arrow, content)
    with study_lock(path.parent):
        write_bytes(path, content.getvalue().to_pybytes())
    return path


def read_opinion(study: Path) -> tuple[pd.DataFrame, dict[str, str]] | None:
    """A study's second opinion and its origin (source, model); None without one."""
    path = Path(study) / OPINION_FILE
    if not path.is_file():
        return None
    table = read_parquet(path, OPINION_REMEDY)
    demand_columns(
        path,
        table,
        dict.fromkeys(("compound", "label", "role", "predicted"), "text")
        | dict.fromkeys(("correct", "confidence", "strength"), "number"),
    )
    return table, read_parquet_note(path, "second_opinion", OPINION_REMEDY)


def _fit_predict(
    values: np.ndarray, label: np.ndarray, train: np.ndarray, held: np.ndarray, classes: list[str]
) -> np.ndarray:
    present = sorted(set(label[train]))
    p = np.zeros((int(held.sum()), len(classes)))
    if len(present) == 1:
        p[:, classes.index(present[0])] = 1.0
        return p
    model = fitted_regression(values[train], label[train].astype(str), OPINION_PENALTY_C)
    columns = [classes.index(name) for name in model[-1].classes_]
    p[:, columns] = model.predict_proba(values[held])
    return p


def _lonely_labels(rows: pd.DataFrame, labelled: np.ndarray) -> np.ndarray:
    """(N,) bool: labelled rows whose compound is the only one of its label."""
    known = rows[labelled]
    compounds = known.groupby("label")["compound"].nunique()
    return labelled & rows["label"].map(compounds).eq(1).to_numpy()
