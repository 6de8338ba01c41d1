"""The ranks of the faults that were planted in a synthetic study.

No ranking uses the truth; it is read only to show afterwards how well the ranking worked.
"""

from collections.abc import Mapping

import pandas as pd

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


def fault_ranks(truth: pd.DataFrame, rankings: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every planted fault with its rank, most suspect first within a level.

    truth: `Study.truth`. rankings: level -> `ranking.rank`, for "image" `ranking.rank_images`;
    faults of other levels are left out. A fault with several ranked rows has the best rank.

    Returns level, title, kind, given, true, note, rank, of (number of ranked rows), by_confidence
    (rank by low mean confidence alone) and faults (number of different titles at the level).
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
        score = ranked["confidence" if level == "image" else "mean_confidence"]
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
