"""Small tables of sure predictions, and what came of reading one."""

from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.tables.predictions import Predictions, read_predictions
from bnn_core.tables.sources import ImportOptions


def read_sure_table(
    folder: Path, columns: list[str], tops: list[int], more: dict, **options
) -> Predictions:
    """Write a table where column `tops[i]` of row i is 0.8, with the columns `more`; read it."""
    p = np.full((len(tops), len(columns)), 0.2 / max(1, len(columns) - 1))
    p[np.arange(len(tops)), tops] = 0.8
    table = pd.DataFrame(p, columns=columns).assign(id=range(len(tops)), **more)
    table.to_csv(folder / "t.csv", index=False)
    return read_predictions(folder / "t.csv", ImportOptions(**options))


def outcome(found: Predictions) -> tuple[int, int]:
    """(images predicted right, scored images)."""
    scored = found.images["role"] == "scored"
    top = found.moments["vi"].mean_p.argmax(axis=1)
    given = pd.Index(found.classes).get_indexer(found.images["label"])
    return int((scored & (top == given)).sum()), int(scored.sum())
