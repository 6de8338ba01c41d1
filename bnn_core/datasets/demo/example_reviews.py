"""Decisions of two invented reviewers about the demo's planted faults, to look at on request."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from bnn_core.base.files import write_bytes
from bnn_core.study.folder import REVIEWS

ADA, BEN = "Ada (example)", "Ben (example)"
#: A decision: reviewer, reason, decision, whether the true label is the new one, note.
_Decision = tuple[str, str, str, bool, str]
_OF_KIND: dict[str, list[_Decision]] = {
    "inactive dose": [
        (ADA, "inactive dose", "exclude", False, "looks like DMSO; the higher doses do not"),
        (BEN, "inactive dose", "exclude", False, "no effect on any plate"),
    ],
    "wrong mechanism": [
        (ADA, "label suspect", "relabel", True, "all wells look like the other mechanism"),
        (BEN, "label suspect", "unsure", False, "check the supplier's sheet first"),
    ],
    "mixed": [(BEN, "wrong compound", "unsure", False, "two kinds of cells in one well")],
    "out of focus": [
        (ADA, "corrupted", "exclude", False, "out of focus"),
        (BEN, "corrupted", "keep", False, "the outlines can still be seen"),
    ],
    "empty": [
        (ADA, "corrupted", "exclude", False, "no cells"),
        (BEN, "corrupted", "exclude", False, "no cells"),
    ],
}


def write_reviews(folder: Path, table: pd.DataFrame, truth: pd.DataFrame) -> None:
    """Write one list per reviewer into `folder`/REVIEWS, in the form that `bnn review` takes.

    table: the rows of the prepared images, with content_hash. Of each kind of fault the first
    compound, or the first three images, are decided.
    """
    rows = pd.DataFrame(_decided(table, truth))
    (folder / REVIEWS).mkdir(exist_ok=True)
    for reviewer in (ADA, BEN):
        mine = rows[rows["reviewer"] == reviewer] if len(rows) else rows
        path = folder / REVIEWS / f"{reviewer.split()[0].lower()}.csv"
        write_bytes(path, mine.to_csv(index=False).encode())


def _decided(table: pd.DataFrame, truth: pd.DataFrame) -> Iterator[dict[str, object]]:
    minutes = 0
    for kind, decisions in _OF_KIND.items():
        faults = truth[truth["kind"] == kind]
        if faults.empty:
            continue
        if faults["level"].iat[0] == "image":
            ids = list(faults["image_id"].iloc[:3])
            chosen = table["image_id"].isin(ids)
        else:
            chosen = table["compound"] == faults["compound"].iat[0]
        images = table[(chosen & (table["role"] == "scored")).to_numpy()]
        for reviewer, reason, decision, relabels, note in decisions:
            minutes += 7
            time = np.datetime64("2026-11-02T09:00") + np.timedelta64(minutes, "m")
            for image in images.itertuples():
                yield {
                    "image_id": image.image_id,
                    "reason": reason,
                    "decision": decision,
                    "new_label": faults["true"].iat[0] if relabels else "",
                    "note": note,
                    "reviewer": reviewer,
                    "time": f"{time}:00.000Z",
                    "content_hash": image.content_hash,
                    "label_when_decided": image.label,
                }
