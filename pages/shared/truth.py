"""For a synthetic study: where to start, and, only on request, which faults were planted."""

import pandas as pd
import streamlit as st

from bnn_core.measures.levels import available_levels
from bnn_core.study.folder import Study
from bnn_core.suspects.planted_truth import fault_ranks, inactive_compound
from pages.shared import rankings
from pages.shared.words import plain

SUSPECT_LABELS = "suspect_labels/page.py"
_LEVELS = ("compound", "well", "image")


def start_here(study: Study) -> None:
    """Three steps to a compound that low confidence does not find, without the answer.

    Draws nothing for a study without planted faults.
    """
    if study.truth is None:
        return
    ranked = rankings.ranking(study, "compound")
    if ranked.empty:
        return
    ranked = ranked.assign(unsure=ranked["mean_confidence"].rank(method="min"))
    planted = ranked[ranked["compound"] == inactive_compound(study.truth)]
    row = (planted if len(planted) else ranked).iloc[0]
    compound = row["compound"]
    with st.container(border=True, gap="small"):
        st.markdown(
            "**Start here.** This screen is drawn by code, and some of its labels are wrong on "
            f"purpose. By low confidence **{plain(compound)}** is number {row['unsure']:.0f} of "
            f"{len(ranked):,} compounds, and the network predicts {row['n_wrong']:,} of its "
            f"{row['n_images']:,} images as another class. Is the label wrong?"
        )
        with st.container(horizontal=True, gap="medium", vertical_alignment="center"):
            st.page_link(
                SUSPECT_LABELS,
                label=f"1. Look at {plain(compound)}",
                icon=":material/help_center:",
                query_params={"suspects": "compound", "suspect": compound},
            )
            st.markdown("2\\. There, click one of its images, then one of *its other doses*")
            st.markdown("3\\. Press *Decide*")
        reveal(study, "overview")


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
            height=318,
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
