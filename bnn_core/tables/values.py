"""What a cell of a table means: text, class names, image ids; in which order people read them."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bnn_core.base.errors import InputError
from bnn_core.base.limits import LONGEST_NAME
from bnn_core.tables.reading import rows_text

#: Cells that mean "no label", besides empty ones.
NO_LABEL = ("", "na", "n/a", "nan", "<na>")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_WHOLE = re.compile(r"([+-]?[0-9]+)\.0+")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+(\.0+)?")


def name_key(name: object) -> str:
    """What the spellings of one class name share: all but case and outer blanks.

    The typographic minus counts as "-", and "1.0" as "1" (pandas writes whole numbers so where some
    are missing). Every other sign counts: "GON+", "GON-" and "GON" are three names.
    """
    text = unicodedata.normalize("NFC", str(name)).replace("\N{MINUS SIGN}", "-").strip().casefold()
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def like_a_class(name: str, classes: Sequence[str]) -> str:
    """What to say of a name that a reader cannot tell from a class: the sign that differs; or "".

    Names from Word and web pages hold no-break blanks and long dashes.
    """
    for known in classes:
        if name != known and _as_seen(name) == _as_seen(known):
            strange = [sign for sign in name if sign not in known] or [
                sign for sign in known if sign not in name
            ]
            signs = sorted({unicodedata.name(s, f"U+{ord(s):04X}").lower() for s in strange})
            what = f"has another sign ({', '.join(signs)})" if signs else "has other blanks"
            return f": '{name}' looks like '{known}' but {what}"
    return ""


def _as_seen(name: str) -> str:
    """A name with all blanks, all dashes and all apostrophes alike."""
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf")  # no width
    text = "".join("-" if unicodedata.category(sign) == "Pd" else sign for sign in text)
    text = re.sub(
        "[\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}\N{PRIME}`\xb4]", "'", text
    )
    return " ".join(text.replace("\N{MINUS SIGN}", "-").split())


def each_once(values: pd.Series, meaning: Callable[[Any], object]) -> pd.Series:
    """`meaning` of each value, None where there is none: most columns have few values, and each
    distinct one is looked at once, in the order of the rows. Categories for categories, else objects."""
    codes, distinct = pd.factorize(values)
    return _spread(codes, [meaning(value) for value in distinct], values, is_of_kinds(values))


def is_of_kinds(values: pd.Series) -> bool:
    """Whether a column holds categories (`as_text` with `kinds`)."""
    return isinstance(values.dtype, pd.CategoricalDtype)


def _spread(codes: np.ndarray, distinct: list, like: pd.Series, kinds: bool) -> pd.Series:
    """The distinct values, of which some may be None, by their codes; None for code -1.

    kinds: as categories where values repeat. What asks for missing, equal or distinct ones looks at
    numbers then, not at Python objects, and is many times as fast.
    """
    objects = np.empty(len(distinct) + 1, dtype=object)
    objects[:-1] = distinct
    if kinds and 2 * len(distinct) < len(codes):
        numbers, names = pd.factorize(objects)
        of_names = pd.CategoricalDtype(pd.Index(names, dtype=object))
        values = pd.Categorical.from_codes(numbers[codes], dtype=of_names)
        return pd.Series(values, index=like.index, name=like.name)
    return pd.Series(objects[codes], index=like.index, name=like.name, dtype=object)


def name_keys(names: pd.Series) -> pd.Series:
    """`name_key` of each name, None where there is none."""
    return each_once(names, name_key).rename(None)


def match_names(names: pd.Series, classes: Sequence[str], where: str = "") -> pd.Series:
    """Names as the classes spell them: exact, else by `name_key`; other names as they are.

    Raises InputError naming the rows of a name that fits two classes and is spelt as neither.
    """
    spellings: dict[str, list[str]] = {}
    for name in classes:
        spellings.setdefault(name_key(name), []).append(name)

    def spelt(name: str) -> str:
        fits = [name] if name in classes else spellings.get(name_key(name), [name])
        if len(fits) > 1:
            raise InputError(
                f"{where}{rows_text(names.index[(names == name).to_numpy()])}: '{name}' matches "
                f"two classes, '{fits[0]}' and '{fits[1]}'; spell it as one of them"
            )
        return fits[0]

    return each_once(names, spelt)


def demand_short(classes: Sequence[str], where: str) -> None:
    """InputError for a class with a name too long to be shown. where: begins the message."""
    for name in classes:
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"{where}the name of the class '{name[:30]}…' has {len(name):,} letters, at most "
                f"{LONGEST_NAME} are possible: rename it"
            )


def spelt_as(name: str, names: Sequence[str]) -> str:
    """The one of `names` that a name is but for case and outer blanks; itself where none or two are."""
    fits = [known for known in names if name_key(known) == name_key(name)]
    return fits[0] if len(fits) == 1 and name not in names else name


def as_text(values: pd.Series, kinds: bool = False) -> pd.Series:
    """Text, None where empty; whole numbers lose a trailing .0 that a float column gave them.

    In a column of text they lose it where every filled cell is a whole number. Objects, or where
    `kinds`, and for categories, categories, where values repeat.
    """
    if pd.api.types.is_float_dtype(values):
        whole = values.dropna()
        if len(whole) and (whole == whole.round()).all() and (whole.abs() < 2**63).all():
            values = values.astype("Int64")
    if values.dtype == object:  # 1 and True are equal, and different texts
        values = values.map(str, na_action="ignore")
    # Each distinct value once: most columns have few.
    codes, distinct = pd.factorize(values)
    texts = [str(value).strip() for value in distinct]
    filled = [text for text in texts if text]
    if any(map(_WHOLE.fullmatch, filled)) and all(map(_WHOLE_NUMBER.fullmatch, filled)):
        texts = [name_key(text) for text in texts]
    texts = [text or None for text in texts]
    return _spread(codes, texts, values, kinds or is_of_kinds(values))


def row_counts(values: pd.Series) -> dict[str, int]:
    """Number of rows of each value that occurs, in the order of the rows."""
    counts = values.value_counts(sort=False)
    return {name: int(counts[name]) for name in values.dropna().unique()}


def reading_order(value: object) -> tuple:
    """A key to sort by as people read: numbers by size, then texts, their numbers by size too.

    0.3, 10, "P2", "P10", "Week9_1", "Week10_1"; upper and lower case are alike. Texts that Python
    reads as numbers and people as names ("nan", "1e5", "1_0") are texts.
    """
    if _NUMBER.fullmatch(text := str(value)) or (isinstance(value, Real) and value == value):
        return (0, float(value), ())  # type: ignore[arg-type]
    parts = re.split(r"([0-9]+)", text.casefold())
    # Of two numbers without leading zeros the longer is larger, however many digits they have.
    return (
        1,
        0.0,
        tuple(
            (len(number := part.lstrip("0")), number) if i % 2 else (-1, part)
            for i, part in enumerate(parts)
        ),
    )


def none_where(values: pd.Series, missing: pd.Series) -> pd.Series:
    """`values`, None where `missing`: categories as they are, all else as Python objects (in which
    pandas itself would put nan)."""
    if is_of_kinds(values):
        codes = np.where(missing.to_numpy(dtype=bool), -1, values.cat.codes)
        kept = pd.Categorical.from_codes(codes, dtype=values.dtype)
        return pd.Series(kept, index=values.index, name=values.name)
    out = values.astype(object).to_numpy(copy=True)
    out[missing.to_numpy(dtype=bool)] = None
    return pd.Series(out, index=values.index, name=values.name, dtype=object)


def texts_together(parts: Sequence[pd.Series]) -> pd.Series:
    """Texts without missing values, row by row, with "/" between them."""
    texts = [pa.array(part).cast(pa.large_string()) for part in parts]
    text = pc.binary_join_element_wise(*texts, pa.scalar("/", pa.large_string()))
    return text.to_pandas().set_axis(parts[0].index)


def image_ids(images: pd.DataFrame) -> pd.Series:
    """The id of each image: `image_id` where given, else plate/well/site where that is unique, else
    `path` where that is, else the row's position from 0. Always text, in the order of the rows.

    Raises InputError where an `image_id` column was given and an id is missing or occurs twice.
    """
    if "image_id" in images and images["image_id"].notna().any():
        ids = images["image_id"]
        missing = ids.isna()
        if missing.any():
            raise InputError(
                f"{rows_text(ids.index[missing])}: the image id is empty; every image needs one"
            )
        double = ids.duplicated(keep=False)
        if double.any():
            raise InputError(
                f"{rows_text(ids.index[double])}: the same image id occurs more than once "
                f"('{ids[double].iloc[0]}'); every image needs a different id"
            )
        return ids.astype(object)
    columns = ("plate", "well", "site")
    if all(c in images and images[c].notna().all() for c in columns):
        ids = texts_together([images[c] for c in columns])
        if ids.is_unique:
            return ids
    if "path" in images and images["path"].notna().all() and images["path"].is_unique:
        return images["path"].astype(object)
    return pd.Series([str(i) for i in range(len(images))], index=images.index, dtype=object)
