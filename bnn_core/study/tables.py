"""What must hold of a study's tables and arrays before anything else looks at them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api import types

from bnn_core.base.errors import RESTORE, InputError, decoding
from bnn_core.base.limits import MOST_TEXT_BYTES, demand_size
from bnn_core.base.scores import SCORES

ROLES = ("scored", "unlabelled", "control", "shifted", "new")
#: Columns of images.parquet by kind, those that every study has first.
_IMAGE_TEXTS = ("image_id", "label", "role")
_IMAGE_NUMBERS = ("fold",)
_MORE_TEXTS = ("plate", "well", "compound", "moa", "batch", "group", "content_hash", "path")
_MORE_NUMBERS = ("concentration",)
CONTRAST = {"plate": "text", "channel": "text", "low": "number", "high": "number"}
#: Black and white points of a plate and channel, in training and in pictures.
TRAINED_LIMITS, SHOWN_LIMITS = ["low", "high"], ["shown_low", "shown_high"]
TRUTH_TYPES = {"kind": "text", "level": "text", "compound": "text", "concentration": "number"} | (
    dict.fromkeys(("plate", "well", "image_id", "given", "true", "note"), "text")
)
SAMPLE_SIZE = dict.fromkeys(("num_samples", "repeat", "accuracy", "n_images", "pool"), "number")
_VALIDATION = ("validation_accuracy", "validation_nll")
HISTORY = dict.fromkeys(("epoch", "nll", "kl", "accuracy"), "number")


def demand_columns(path: Path, table: pd.DataFrame, columns: dict[str, str]) -> None:
    """InputError where a table lacks a column, or one is of another kind ("text" or "number").

    A column without any value is of either kind.
    """
    missing = [name for name in columns if name not in table]
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; {RESTORE}")
    for name, kind in columns.items():
        if not _is_of(table[name], kind):
            raise InputError(
                f"{path}: column '{name}' holds {table[name].dtype} values in place of {kind}s; "
                f"{RESTORE}"
            )


def shown_columns(contrast: pd.DataFrame) -> list[str]:
    """The columns of contrast.parquet with the limits of pictures; older studies have one pair."""
    return SHOWN_LIMITS if set(SHOWN_LIMITS) <= set(contrast) else TRAINED_LIMITS


def demand_images(path: Path, images: pd.DataFrame, rows: int) -> None:
    """InputError where images.parquet is not the table of `rows` images of a study."""
    texts = [c for c in images if c in _MORE_TEXTS or str(c).startswith("path_")]
    demand_columns(
        path,
        images,
        dict.fromkeys((*_IMAGE_TEXTS, *texts), "text")
        | dict.fromkeys((*_IMAGE_NUMBERS, *(c for c in _MORE_NUMBERS if c in images)), "number"),
    )
    _demand_rows(path, len(images), rows)
    ids = images["image_id"]
    if ids.isna().any() or not ids.is_unique:
        raise InputError(f"{path}: the ids of its images are not distinct; {RESTORE}")
    unknown = sorted(set(images["role"].fillna("").unique()) - set(ROLES))
    if unknown:
        raise InputError(f"{path}: the role '{unknown[0]}' is unknown; {RESTORE}")


def demand_summary(path: Path, summary: pd.DataFrame, classes: Sequence[str], rows: int) -> None:
    """InputError where a summary does not say of `rows` images how probable each class is."""
    probabilities = [f"p_{name}" for name in classes]
    scores = [name for name in ("p_label", *SCORES) if name in summary]
    demand_columns(
        path,
        summary,
        {"image_id": "text", "predicted": "text"}
        | dict.fromkeys(("correct", "confidence", *probabilities, *scores), "number"),
    )
    _demand_rows(path, len(summary), rows)
    if not np.isfinite(summary[probabilities].to_numpy(np.float32, na_value=np.nan)).all():
        raise InputError(f"{path}: a probability is missing or infinite; {RESTORE}")
    if not summary["predicted"].isin(classes).all():
        raise InputError(f"{path}: a predicted class is not one of the study's classes; {RESTORE}")


def demand_shape(path: Path, array: np.ndarray, shape: Sequence[int | None], kinds: str) -> None:
    """InputError where an array has another shape (None: any length) or kind of numbers."""
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype.kind not in kinds:
        wanted = ", ".join("any" if length is None else str(length) for length in shape)
        raise InputError(
            f"{path} has shape {array.shape} and type {array.dtype} and must be ({wanted}); {RESTORE}"
        )


def demand_offsets(path: Path, offsets: np.ndarray, rows: int, size: int) -> None:
    """InputError where thumbnails.npy does not cut `size` bytes into the pictures of `rows`."""
    demand_shape(path, offsets, (rows + 1,), "iu")
    if offsets[0] != 0 or offsets[-1] != size or (np.diff(offsets.astype(np.int64)) < 0).any():
        raise InputError(f"{path} does not fit thumbnails.bin; {RESTORE}")


def read_history(path: Path) -> pd.DataFrame:
    """history.csv of one network's training: columns HISTORY, one row per epoch."""
    with decoding(path):
        demand_size(path, MOST_TEXT_BYTES, RESTORE)
        table = pd.read_csv(path, encoding="utf-8")
    demand_columns(path, table, HISTORY | {name: "number" for name in _VALIDATION if name in table})
    return table


def _demand_rows(path: Path, count: int, rows: int) -> None:
    if count != rows:
        raise InputError(f"{path} has {count:,} rows, study.json has {rows:,}; {RESTORE}")


def _is_of(values: pd.Series, kind: str) -> bool:
    if values.isna().all():
        return True
    if kind == "number":
        return types.is_numeric_dtype(values) or types.is_bool_dtype(values)
    if types.is_object_dtype(values):
        return types.infer_dtype(values, skipna=True) == "string"
    return types.is_string_dtype(values)
