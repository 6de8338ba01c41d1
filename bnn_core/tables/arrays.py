"""Predictions as arrays (.npy, .npz) with lists of labels and image names beside them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError, decoding
from bnn_core.base.reading import NUMBERS, read_array, read_arrays
from bnn_core.base.roots import readable
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.class_columns import is_one_hot
from bnn_core.tables.reading import TABLE_ENDINGS, TEXT_ENDINGS, read_table
from bnn_core.tables.text_files import SEPARATORS, read_lines

ARRAY_ENDINGS = (".npy", ".npz")
#: Names that arrays of an .npz go by.
_LABELS = (
    *("labels", "label", "y_true", "true_labels", "targets", "target", "y", "test_labels"),
    *("label_ids", "ground_truth", "gt"),
)
_IDS = ("image_id", "image_ids", "ids", "id", "names", "files", "filenames", "paths", "images")
_CLASSES = ("classes", "class_names", "label_names", "class_labels", "categories")
_PREDICTED = (
    "predictions",
    "predicted",
    "predicted_labels",
    "preds",
    "pred",
    "y_pred",
    "pred_labels",
)
#: The word before the number of a class column that is made of an array.
_COLUMN = {False: "prob", True: "logit"}


class ArrayTable(NamedTuple):
    """An array of predictions as a table: columns image_id and label where known, one per class.

    samples: the array (N, T, C) or (T, N, C) where there is one per sample; the table then has no
    class columns. classes: names in the order of the columns, () where the file has none.
    """

    table: pd.DataFrame
    samples: np.ndarray | None
    classes: tuple[str, ...]


def is_array_file(path: object) -> bool:
    """Whether a source is an .npy or .npz file."""
    return isinstance(path, str | Path) and str(path).lower().endswith(ARRAY_ENDINGS)


def read_array_table(
    path: Path, labels: Path | None, ids: Path | None, axes: str | None
) -> ArrayTable:
    """Predictions (N, C), (N,) or samples (N, T, C) from a file, with labels and image names.

    An .npz may hold lists called labels, ids and classes. labels, ids: files of one value per
    image in its order, instead (see `read_list`). axes: "NTC" or "TNC" of samples whose number of
    images nothing else tells. Raises InputError for arrays of other shapes and lists of other
    lengths.
    """
    arrays = {name: _labels_of(name, array) for name, array in load_arrays(path).items()}
    beside = [n for n, a in arrays.items() if a.ndim == 1 and plain_name(n) in _PREDICTED]
    beside = beside[:1] if any(a.ndim > 1 for a in arrays.values()) else []
    predicted = _listed(arrays.pop(beside[0])) if beside else None
    lists = {
        name: next(
            (
                arrays.pop(k)
                for k, a in list(arrays.items())
                if a.ndim == 1 and plain_name(k) in names
            ),
            None,
        )
        for name, names in (("labels", _LABELS), ("ids", _IDS), ("classes", _CLASSES))
    }
    numbers = {n: a for n, a in arrays.items() if a.dtype.kind in "fiu" and 1 <= a.ndim <= 3}
    if len(numbers) != 1:
        shapes = ", ".join(f"{name or 'array'} {a.shape}" for name, a in arrays.items())
        raise InputError(
            f"{path} holds {shapes or 'no array'}; it needs exactly one array of predictions, (images, "
            "classes) or (images, samples, classes)"
        )
    ((key, values),) = numbers.items()
    given = {
        "label": read_list(labels) if labels is not None else _listed(lists["labels"]),
        "image_id": read_list(ids) if ids is not None else _listed(lists["ids"]),
    }
    count = _images(values, given, axes, path)
    table = pd.DataFrame(
        {"image_id": [str(i) for i in range(count)]}, index=pd.RangeIndex(1, count + 1)
    )
    given["predicted"] = predicted
    for name, flag in (("image_id", ids), ("label", labels), ("predicted", None)):
        if given[name] is not None:
            if len(given[name]) != count:
                raise InputError(
                    f"{flag or path}: {len(given[name]):,} values of {name} for {count:,} images"
                )
            table[name] = given[name]
    names = _listed(lists["classes"]) or []
    classes = tuple(name for name in names if name is not None)
    if len(classes) < len(names):
        raise InputError(
            f"{path}: a class has no name; name all of them, in the order of the columns"
        )
    if values.ndim == 3:
        return ArrayTable(table, values, classes)
    if values.ndim == 1 or values.shape[1] == 1:
        return ArrayTable(table.assign(probability=values.reshape(count)), None, classes)
    word = _COLUMN["logit" in plain_name(key)]
    columns = [f"{word}_{k}" for k in range(values.shape[1])]
    numbered = pd.DataFrame(np.asarray(values), index=table.index, columns=columns)
    return ArrayTable(pd.concat([table, numbered], axis=1), None, classes)


def _labels_of(name: str, array: np.ndarray) -> np.ndarray:
    """Labels in a column (N, 1), or as 0 and 1 per class (N, C), as (N,); other arrays as they are."""
    if array.ndim != 2 or plain_name(name) not in _LABELS:
        return array
    if array.shape[1] == 1:
        return array[:, 0]
    if array.dtype.kind in "fiub" and is_one_hot(array.astype(np.float64)):
        return np.where(array.any(axis=1), array.argmax(axis=1), np.nan)
    return array


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz, or the one of an .npy under "". Raises InputError for other files."""
    file = readable(path)
    with decoding(path, "save it again"), open(file, "rb") as start:
        single = start.read(6) == b"\x93NUMPY"
    if single:
        return {"": read_array(file, kinds=f"{NUMBERS}US", remedy="save it again")}
    return read_arrays(file, "save it again")


def read_list(path: Path) -> list[str | None]:
    """One value per image from .npy, .npz (an array of labels), or a text of one per line.

    A table is read where it has one column, with or without a header. Raises InputError for others.
    """
    if is_array_file(path):
        arrays = {n: _labels_of(_LABELS[0], a) for n, a in load_arrays(path).items()}
        arrays = {n: a for n, a in arrays.items() if a.ndim == 1}
        named = [n for n in arrays if plain_name(n) in (*_LABELS, *_IDS)]
        if len(arrays) != 1 and len(named) != 1:
            raise InputError(
                f"{path} holds {', '.join(arrays) or 'no list'}; it needs exactly one array with one value "
                "per image"
            )
        return _listed(arrays[named[0] if named else next(iter(arrays))].reshape(-1)) or []
    if Path(path).name.lower().endswith(TEXT_ENDINGS):
        lines = read_lines(Path(path))
        if is_list_file(path):
            header = plain_name(lines[0]) in {*_LABELS, *_IDS, "image", "path", "file", "class"}
            return _listed(np.array(lines[int(header) :], dtype=object)) or []
    elif Path(path).name.lower().endswith(TABLE_ENDINGS):
        table = read_table(path)
        if table.shape[1] == 1:
            return _listed(table.iloc[:, 0].to_numpy(dtype=object)) or []
    if Path(path).name.lower().endswith(TABLE_ENDINGS):
        raise InputError(
            f"{path} has several columns and must be a list of one value per image; to join a table, "
            "use --metadata"
        )
    raise InputError(f"{path} is no list that can be read; give it as .npy, .npz, .txt or .csv")


def is_list_file(path: Path) -> bool:
    """Whether a file is a list of one value per line (or an array), and no table."""
    if is_array_file(path):
        return True
    if Path(path).name.lower().endswith(TEXT_ENDINGS):
        return not any(mark in read_lines(Path(path))[0] for mark in SEPARATORS)
    return read_table(path).shape[1] == 1


def _listed(values: np.ndarray | Sequence[object] | None) -> list[str | None] | None:
    """Values as text, None where there is none."""
    if values is None:
        return None
    out: list[str | None] = []
    for value in np.asarray(values).reshape(-1).tolist():
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if isinstance(value, float):
            value = None if np.isnan(value) else int(value) if value.is_integer() else value
        out.append(None if value is None or str(value).strip() == "" else str(value).strip())
    return out


def _images(
    values: np.ndarray, lists: Mapping[str, list | None], axes: str | None, path: Path
) -> int:
    """How many images an array is of."""
    if not values.size:
        raise InputError(f"{path}: an array of shape {values.shape} is empty")
    lengths = [len(given) for given in lists.values() if given is not None]
    if values.ndim < 3:
        if lengths and values.ndim == 2 and lengths[0] == values.shape[1] != values.shape[0]:
            raise InputError(
                f"{path} has the shape {values.shape} for {lengths[0]:,} images and must be (images, "
                "classes); transpose it"
            )
        return len(values)
    if axes is not None:
        return values.shape[axes.index("N")]
    fits = [n for n in lengths if n in values.shape[:2]]
    if fits:
        return fits[0]
    raise InputError(
        f"{path} has shape {values.shape}: images or samples may come first; give --axes NTC "
        "(images first) or TNC, or the labels with --labels"
    )
