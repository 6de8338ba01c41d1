"""For a synthetic study: the planted faults, on request."""

import pandas as pd
import streamlit as st

from bnn_core.measures.levels import available_levels
from bnn_core.study.folder import Study
from bnn_core.suspects.planted_truth import fault_ranks
from pages.shared import rankings
from pages.shared.words import table_height

SUSPECT_LABELS = "suspect_labels/page.py"
_LEVELS = ("compound", "well", "image")


def reveal(study: Study, key: str) -> None:
    """A switch that shows the planted faults and their ranks."""
    if study.truth is None:
        return
    if st.toggle(
        "Reveal the truth",
        key=f"truth_{key}",
        bind="query-params",
        help="The faults planted in this synthetic study. Decide first.",
    ):
        faults = _fault_ranks(study)
        st.markdown(_sentence(faults))
        number = st.column_config.NumberColumn
        st.dataframe(
            pd.DataFrame(
                {
                    "kind": faults["kind"],
                    "title": faults["title"],
                    "given": faults["given"],
                    "true": faults["true"],
                    "rank": [
                        f"{rank:,} of {n:,}"
                        for rank, n in zip(faults["rank"], faults["of"], strict=True)
                    ],
                    "by_confidence": faults["by_confidence"],
                    "note": faults["note"],
                }
            ),
            hide_index=True,
            height=table_height(len(faults), 318),
            column_config={
                "kind": "Planted",
                "title": "Compound, well or image",
                "given": "Label",
                "true": "Truth",
                "rank": st.column_config.Column(
                    "Rank as suspect", help="Among the compounds, the wells or the images."
                ),
                "by_confidence": number(
                    "By low confidence",
                    help="Its rank if the least confident came first.",
                ),
                "note": "What was done",
            },
        )


def _sentence(faults: pd.DataFrame) -> str:
    parts = []
    for level, part in faults.groupby("level", sort=False):
        k = int(part["faults"].iat[0])
        first = part.drop_duplicates("title")
        if level == "image":
            # Their labels are correct: images of wrongly labelled compounds should come first.
            parts.append(
                f"Images: the {k:,} damaged ones, correctly labelled, have a median rank of "
                f"{first['rank'].median():,.0f} of {first['of'].iat[0]:,}, "
                f"{first['by_confidence'].median():,.0f} by low confidence alone."
            )
            continue
        parts.append(
            f"{level.capitalize()}s: **{int((first['rank'] <= k).sum()):,} of {k:,}** "
            f"planted faults are among the first {k:,} suspects, "
            f"{int((first['by_confidence'] <= k).sum()):,} by low confidence alone."
        )
    return "  \n".join(parts)


def _fault_ranks(study: Study) -> pd.DataFrame:
    levels = available_levels(study.images)
    ranked = {
        level: rankings.ranked_images(study) if level == "image" else rankings.ranking(study, level)
        for level in _LEVELS
        if level in levels
    }
    return fault_ranks(study.truth, ranked)
