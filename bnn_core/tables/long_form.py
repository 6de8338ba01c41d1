"""Tables with one row per image and class, turned into one row per image."""

from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.tables.aliases import plain_name
from bnn_core.tables.reading import looks_numeric, rows_text, to_numbers
from bnn_core.tables.values import name_key, texts_together

CLASS = ("class", "class_name", "category", "class_label", "tag_name", "tagname")
VALUE = ("probability", "prob", "proba", "p", "softmax", "mean_softmax", "logit", "score")


def long_columns(table: pd.DataFrame) -> tuple[str, str] | None:
    """The columns of class name and probability of a long table; None when it is none."""
    plain = {plain_name(c): c for c in table.columns}
    values = [plain[n] for n in (*VALUE, "value") if n in plain and looks_numeric(table[plain[n]])]
    names = [plain[n] for n in CLASS if n in plain]
    # As pandas and tidyr melt a table; a column "name" beside a score may name the images instead.
    melted = [plain[n] for n in ("variable", "name") if n in plain and "value" in plain]
    names += [name for name in melted if table[name].duplicated().any()]
    return (names[0], values[0]) if names and values else None


def image_key(mapped: pd.DataFrame) -> pd.Series | None:
    """What tells images apart in canonical columns: id, path, or plate, well and site together."""
    for column in ("image_id", "path"):
        if column in mapped and mapped[column].notna().all():
            return mapped[column]
    parts = [mapped[c] for c in ("plate", "well", "site") if c in mapped]
    if len(parts) == 3 and all(part.notna().all() for part in parts):
        return texts_together(parts)
    return None


def pivot_long(
    table: pd.DataFrame, mapped: pd.DataFrame, columns: tuple[str, str], path: Path
) -> tuple[pd.Index, list[str], np.ndarray]:
    """One row per image from one row per image and class.

    mapped: the canonical columns of `table`. Returns the index label of each image's first row, the
    class names (numbers by size, else alphabetical), and the values (N, C).
    Raises InputError when nothing tells images apart, on doubles, on images that lack a class, and
    when a metadata column differs between the rows of one image.
    """
    key = image_key(mapped)
    if key is None:
        raise InputError(
            f"{path}: a long table (columns {columns[0]}, {columns[1]}) needs a column that "
            "identifies the image: image_id, path, or plate, well and site"
        )
    names = _one_spelling(table[columns[0]].astype(str).str.strip().fillna(""), key)
    empty = names == ""
    if empty.any():
        raise InputError(f"{path} {rows_text(table.index[empty])}: no class name in '{columns[0]}'")
    classes = sorted(names.unique(), key=lambda n: (0, int(n), n) if n.isdecimal() else (1, 0, n))
    image, images = pd.factorize(key)
    position = pd.Index(classes).get_indexer(names)
    double = pd.Series(image * len(classes) + position, index=table.index).duplicated(keep=False)
    if double.any():
        raise InputError(
            f"{path} {rows_text(table.index[double])}: the same image and class occurs more than once"
        )
    short = np.bincount(image) < len(classes)
    if short.any():
        first = image[:, None] == np.flatnonzero(short)[:1]
        absent = sorted(set(classes) - set(names[first[:, 0]]))
        raise InputError(
            f"{path}: image '{images[short][0]}' has no row for class '{absent[0]}' "
            f"({count(int(short.sum()), 'image')} without one)"
        )
    values = np.empty((len(images), len(classes)))
    values[image, position] = to_numbers(table, [columns[1]], path)[:, 0]
    first = np.unique(image, return_index=True)[1]
    for column in mapped:
        codes = pd.factorize(mapped[column])[0]
        differs = codes != codes[first][image]
        if differs.any():
            raise InputError(
                f"{path} {rows_text(table.index[differs])}: '{column}' differs "
                "between the rows of one image"
            )
    return table.index[first], classes, values


def _one_spelling(names: pd.Series, images: pd.Series) -> pd.Series:
    """Class names, the first spelling of each for all, unless one image has two of them."""
    spelt = {name_key(name): name for name in reversed(names.unique())}
    alike = names.map(lambda name: spelt[name_key(name)])
    rows = pd.DataFrame({"image": images, "exact": names, "alike": alike})
    distinct = rows.drop_duplicates(["image", "exact"])
    return names if distinct.duplicated(["image", "alike"]).any() else alike
