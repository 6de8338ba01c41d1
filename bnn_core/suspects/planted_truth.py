"""Where the rankings put the faults that were planted in a synthetic study.

Nothing here takes part in a ranking: the truth is only read to say afterwards what was found.
"""

from collections.abc import Mapping

import pandas as pd

from bnn_core.suspects.explanations import Suspect

#: Level at which a fault of each level of the truth (`demo_faults.plant_in_wells`) is looked for.
RANKED_AT = {
    "compound": "compound",
    "treatment": "compound",
    "replicate": "well",
    "well": "well",
    "image": "image",
}
INACTIVE = "inactive dose"


def places(truth: pd.DataFrame, rankings: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Every planted fault with its place in the rankings, most suspect first within a level.

    truth: `Study.truth`. rankings: level -> `suspects.rank`, for "image" `suspects.rank_images`;
    faults of other levels are left out. A fault of several ranked rows has the place of the best.

    Returns level, title, kind, given, true, note; rank, of (how many are ranked), faults (how many
    different titles the level has), by_confidence, the rank by low mean confidence alone.
    """
    found = []
    for fault in truth.to_dict("records"):
        level = RANKED_AT[fault["level"]]
        ranked = rankings.get(level)
        if ranked is None or ranked.empty:
            continue
        keys = [c for c in ("compound", "plate", "well", "image_id")
                if c in ranked and pd.notna(fault[c])]  # fmt: skip
        own = (ranked[keys] == pd.Series({c: fault[c] for c in keys})).all(axis=1).to_numpy()
        if not own.any():
            continue
        score = ranked["confidence" if level == "image" else "mean_confidence"]
        title = Suspect.of(ranked[own].iloc[0], level).title
        found.append({
            "level": level, "title": title, "kind": fault["kind"], "given": fault["given"],
            "true": fault["true"], "note": fault["note"], "rank": int(own.argmax()) + 1,
            "of": len(ranked), "by_confidence": int(score.rank(method="min")[own].min()),
        })  # fmt: skip
    columns = ["level", "title", "kind", "given", "true", "note", "rank", "of", "by_confidence"]
    table = pd.DataFrame(found, columns=columns)
    table["faults"] = table.groupby("level")["title"].transform("nunique")
    order = {level: i for i, level in enumerate(dict.fromkeys(RANKED_AT.values()))}
    return table.sort_values(
        ["level", "rank"], key=lambda c: c.map(order) if c.name == "level" else c,
        kind="stable", ignore_index=True,
    )  # fmt: skip


def inactive_compound(truth: pd.DataFrame) -> str | None:
    """The compound whose labelled dose was planted without effect; None where there is none."""
    found = truth.loc[truth["kind"] == INACTIVE, "compound"]
    return None if found.empty else str(found.iat[0])
