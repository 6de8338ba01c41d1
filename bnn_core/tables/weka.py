"""Weka's predictions: classes as "2:dog", and a distribution whose highest value has a star."""

import re

import pandas as pd

_CLASS = r"\s*(\d+):(.+?)\s*"
_HEADS = ["actual", "predicted", "distribution"]


def read_weka(table: pd.DataFrame) -> pd.DataFrame:
    """The table with plain class names and a column prob_<class> each; other tables as they are.

    table: cells of text. A class that is nowhere actual or predicted is called by its number.
    """
    columns = list(table.columns)
    if not set(_HEADS) <= set(columns):
        return table
    classes = table[["actual", "predicted"]]
    filled = classes.to_numpy().ravel()
    matches = [re.fullmatch(_CLASS, cell) for cell in filled if cell not in ("", "?", "1:?")]
    first = columns.index("distribution")
    if not matches or not all(matches):
        return table
    name_of = {int(match[1]): match[2] for match in matches}
    shares = table[columns[first:]].apply(lambda cells: cells.str.strip().str.lstrip("*"))
    shares.columns = [f"prob_{name_of.get(k + 1, k + 1)}" for k in range(shares.shape[1])]
    bare = classes.apply(lambda cells: cells.str.replace(r"^\s*\d+:", "", regex=True))
    return pd.concat([table[columns[:first]].assign(**bare), shares], axis=1)
