"""Rows of a study that show an image a second time: as an unseen kind, or damaged on purpose.

A copy names its image by the column `stored`, the image's number among the prepared ones, and is
predicted like any other row. It never has the role "scored", so no accuracy counts it.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

STORED, CORRUPTION = "stored", "corruption"
#: Name of a group if its images represent a class absent from the training of the fold.
UNSEEN = " (unseen)"


def unseen_copies(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """The table, and each scored image of these labels once more with the role "new".

    The copies keep their label, which is a class that the fold predicting them does not know, and
    form separate groups.
    """
    rows = _scored(table)
    copies = rows[rows["label"].isin(list(labels))]
    return _joined(
        table,
        copies.assign(
            image_id=copies["image_id"] + "~unseen",
            role="new",
            group=copies["group"].astype(str) + UNSEEN,
        ),
    )


def corrupted_copies(
    table: pd.DataFrame, kinds: Sequence[str], among: np.ndarray | None = None
) -> pd.DataFrame:
    """The table, and each scored image once more with the role "shifted", damaged in one way.

    among: (N,) bool, the rows to copy if scored; all where it is not given.

    Each way spoils as many images as any other, dealt at random from a fixed seed, so that no site
    or well goes with one way. A copy stays in the group of its image, so it is predicted
    by the fold that never saw its compound. It has no file and no measured quality: what it
    shows is not on disk.
    """
    rows = _scored(table)
    if among is not None:
        rows = rows[among[rows.index]]
    kind = np.asarray(list(kinds), dtype=object)[
        np.random.default_rng(0).permutation(np.arange(len(rows)) % len(kinds))
    ]
    files = {c: None for c in rows if c == "path" or c.startswith("path_")}
    files |= {c: np.nan for c in rows if c.startswith("quality_")}
    copies = rows.assign(
        image_id=rows["image_id"] + "~" + kind,
        role="shifted",
        corruption=kind,
        content_hash=rows["content_hash"] + "~" + kind,
        **files,
    )
    return _joined(table, copies)


def _scored(table: pd.DataFrame) -> pd.DataFrame:
    stored = table[STORED] if STORED in table else np.arange(len(table))
    rows = table.assign(**{STORED: stored})
    return rows[(rows["role"] == "scored").to_numpy()]


def _joined(table: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    if STORED not in table:
        table = table.assign(**{STORED: np.arange(len(table))})
    columns = [*table.columns, *(c for c in copies if c not in table)]
    joined = {c: [*(table[c] if c in table else [None] * len(table)), *copies[c]] for c in columns}
    rows = pd.DataFrame(joined)
    return rows.astype({c: table[c].dtype for c in table if c in rows})
