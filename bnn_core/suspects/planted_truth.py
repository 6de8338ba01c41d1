"""The faults that were planted in a synthetic study: their ranks, and the images that have one.

No ranking uses the truth; it is read only to show afterwards how well the ranking worked, and to
judge networks on images that show what their label says.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.suspects.suspect import Suspect

#: Level of a planted fault -> level of the ranking in which it should appear.
RANKED_AT = {
    "compound": "compound",
    "treatment": "compound",
    "replicate": "well",
    "well": "well",
    "image": "image",
}
INACTIVE = "inactive dose"
#: Level of a planted fault -> columns that identify its images.
_KEYS = {
    "compound": ["compound"],
    "treatment": ["compound", "concentration"],
    "replicate": ["compound", "plate"],
    "well": ["plate", "well"],
    "image": ["image_id"],
}


def fault_ranks(truth: pd.DataFrame, rankings: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every planted fault with its rank, most suspect first within a level.

    truth: `Study.truth`. rankings: level -> `ranking.rank`, for "image" `ranking.rank_images`;
    faults of other levels are left out. A fault with several ranked rows has the best rank.

    Returns level, title, kind, given, true, note, rank, of (number of ranked rows), by_confidence
    (rank by low mean signed confidence alone) and faults (number of different titles at the level).
    """
    lines = []
    for fault in truth.to_dict("records"):
        level = RANKED_AT[fault["level"]]
        ranked = rankings.get(level)
        if ranked is None or ranked.empty:
            continue
        keys = [c for c in ("compound", "plate", "well", "image_id")
                if c in ranked and pd.notna(fault[c])]  # fmt: skip
        rows = (ranked[keys] == pd.Series({c: fault[c] for c in keys})).all(axis=1).to_numpy()
        if not rows.any():
            continue
        score = ranked[DEFAULT_SCORE if level == "image" else "mean_signed_confidence"]
        title = Suspect.of(ranked[rows].iloc[0], level).title
        lines.append({
            "level": level, "title": title, "kind": fault["kind"], "given": fault["given"],
            "true": fault["true"], "note": fault["note"], "rank": int(rows.argmax()) + 1,
            "of": len(ranked), "by_confidence": int(score.rank(method="min")[rows].min()),
        })  # fmt: skip
    columns = ["level", "title", "kind", "given", "true", "note", "rank", "of", "by_confidence"]
    table = pd.DataFrame(lines, columns=columns)
    table["faults"] = table.groupby("level")["title"].transform("nunique")
    order = {level: i for i, level in enumerate(dict.fromkeys(RANKED_AT.values()))}
    return table.sort_values(
        ["level", "rank"], key=lambda c: c.map(order) if c.name == "level" else c,
        kind="stable", ignore_index=True,
    )  # fmt: skip


def inactive_compound(truth: pd.DataFrame) -> str | None:
    """The compound whose labelled dose was planted without effect; None if there is none."""
    compounds = truth.loc[truth["kind"] == INACTIVE, "compound"]
    return None if compounds.empty else str(compounds.iat[0])


def faulty_rows(images: pd.DataFrame, truth: pd.DataFrame) -> np.ndarray:
    """(N,) bool: images with a planted fault, whatever their role.

    images: the study's images. truth: `Study.truth`. A fault of a compound is in all its images,
    one of a treatment in those of that dose.
    """
    faulty = np.zeros(len(images), bool)
    for level, faults in truth.groupby("level"):
        keys = _KEYS[str(level)]
        if set(keys) <= set(images):
            faulty |= pd.MultiIndex.from_frame(images[keys]).isin(
                pd.MultiIndex.from_frame(faults[keys].dropna())
            )
    return faulty
