"""Class names within longer column names: SAS's P_lineA549, KNIME's P (line=A549) (RF), pr_A549."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from bnn_core.tables.label_values import ASKED
from bnn_core.tables.sources import ClassValues, SourceTable
from bnn_core.tables.values import NO_LABEL, as_text, name_key, name_keys

#: Cohen's kappa with the highest class from which a column of names may be the label.
LIKE_A_LABEL = 0.5
#: "1 0": the 0 of class 10 is no class.
_NUMBER_CUT = re.compile(r"\d \d")


def without_affixes(
    main: SourceTable,
    class_values: ClassValues,
    labels: pd.Series,
    predicted: str | None,
    called: Collection[str],
) -> tuple[ClassValues, list[str]]:
    """The class values, their names without what all begin or end with where what is left are the
    names in a column; and a note.

    labels: None where empty. predicted: the column of predicted classes, if there is one. called:
    columns called like either. The names in other columns must agree with the highest class beyond
    chance.
    """
    names = class_values.columns.names
    known = [labels] if predicted is None else [labels, as_text(main.raw[predicted])]
    for values in known:
        if _held(values) & set(map(name_key, names)):
            return class_values, []
    used = {*class_values.columns.columns}
    unused = [c for c in main.map.unused if c not in used]
    columns = [(values, True) for values in known]
    columns += [(as_text(main.raw[c]), c in called) for c in unused]
    for values, trusted in columns:
        bare = _bare(names, _held(values))
        if bare and (trusted or kappa(values, bare, class_values.values) >= LIKE_A_LABEL):
            renamed = replace(class_values.columns, names=bare)
            note = f"The class of column {renamed.columns[0]} is read as '{bare[0]}', and so on."
            return replace(class_values, columns=renamed), [note]
    return class_values, []


def kappa(values: pd.Series, names: Sequence[str], p: np.ndarray) -> float:
    """Cohen's kappa (1960) of the names in a column and the highest class of p (N, C): 0 by chance,
    1 where all agree. Rows without a class or a number are left out."""
    number = {name_key(name): k for k, name in enumerate(names)}
    held = name_keys(values).map(number)
    rows = held.notna().to_numpy() & ~np.isnan(p).any(axis=1)
    if not rows.any():
        return 0.0
    ours, highest = held[rows].to_numpy(np.int64), p[rows].argmax(axis=1)
    shares = [np.bincount(k, minlength=len(names)) / rows.sum() for k in (ours, highest)]
    chance = float(shares[0] @ shares[1])
    return 0.0 if chance == 1 else (float((ours == highest).mean()) - chance) / (1 - chance)


def _held(values: pd.Series) -> set[str]:
    return {name_key(name) for name in values.dropna().unique()} - set(NO_LABEL) - set(ASKED)


def _bare(names: Sequence[str], held: Collection[str]) -> tuple[str, ...] | None:
    """The names without what all begin and end with, so that they contain `held`; None where no such
    words are there. At least two names must be held."""
    if not 1 < len(held) <= len(names):
        return None
    longest = max(held, key=len)
    for name in names:
        at = name_key(name).find(longest)
        while at >= 0:
            head, tail = name[:at], name[at + len(longest) :]
            bare = [n[len(head) : len(n) - len(tail)] for n in names]
            whole = [
                head + b + tail == n and not _NUMBER_CUT.search(f"{head} {b} {tail}")
                for n, b in zip(names, bare, strict=True)
            ]
            keys = {name_key(b) for b in bare}
            distinct = all(bare) and len(keys) == len(names)
            if (head or tail) and all(whole) and distinct and set(held) <= keys:
                return tuple(bare)
            at = name_key(name).find(longest, at + 1)
    return None
