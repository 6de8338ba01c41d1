"""The answer at the top of Overview: how many labels deserve a look, and the first three."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.wording import count
from bnn_core.measures.levels import available_levels, scored_rows
from bnn_core.review.group_decisions import decision_text, group_decisions, progress_text
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking import with_images_among
from bnn_core.suspects.ranking_wording import doubt_sentence, heading
from bnn_core.suspects.suspect import Suspect, suspect_images, titles
from pages.shared import filters, flagging, frame, rankings, studies
from pages.shared.gestures import capital
from pages.shared.html import rendered
from pages.shared.truth import SUSPECT_LABELS
from pages.shared.words import plain

#: Suspects shown, and pictures of each.
FIRST, PICTURES = 3, 4


@frame.fragment
def answer(study: Study) -> None:
    """How many labels deserve a look, the progress, and the first suspects with pictures."""
    if "compound" in available_levels(study.images):
        draw_compounds(study)
    else:
        draw_images(study)


def draw_compounds(study: Study) -> None:
    """The answer for a study with compounds: compounds that look more like another class."""
    ranked = rankings.ranking(study, "compound")
    if filters.any_set() and len(ranked):
        ranked = with_images_among(ranked, study.images, filters.passing(study), "compound")
    if ranked.empty:
        return
    table = studies.table(study, study.reading_method)
    decisions = group_decisions(ranked, table, flagging.decisions(study), "compound")
    doubtful = int((ranked["score"] > 0).sum())
    st.markdown(
        f"{doubt_sentence(ranked, 'compound', bold='**')} {progress_text(decisions, 'compound')}."
    )
    if doubtful < min(FIRST, len(ranked)):
        st.caption(f"The first {min(FIRST, len(ranked))} of the ranking:")
    ranked = ranked.assign(title=titles(ranked, "compound"))
    for column, index in zip(st.columns(FIRST), range(min(FIRST, len(ranked))), strict=False):
        with column.container(border=True, gap="xsmall", height="stretch"):
            card(study, table, ranked.iloc[index], decisions.iloc[index])


def card(study: Study, table: pd.DataFrame, row: pd.Series, decision: pd.Series) -> None:
    """One suspect: a sentence, pictures, the decision, a link.

    row: of the ranking with its title. decision: of `group_decisions`.
    """
    suspect = Suspect.of(row, "compound")
    rows = np.flatnonzero(suspect_images(table, suspect) & scored_rows(table))
    images = f"({row['n_suspected']:,} of {row['n_images']:,})".replace(" ", "\N{NO-BREAK SPACE}")
    st.markdown(f"**{plain(heading(row, suspect))}** {images}")
    draw_strip(study, rows)
    st.caption(plain(capital(decision_text(decision))))
    st.page_link(
        SUSPECT_LABELS,
        label=f"Look at {plain(row['title'])}",
        icon=":material/help_center:",
        query_params={"suspects": "compound", "suspect": row["title"]},
    )


def draw_images(study: Study) -> None:
    """The answer for a study without compounds: the images of the lowest label quality."""
    ranked = rankings.ranked_images(study)
    ranked = ranked[ranked["row"].isin(filters.passing(study))]
    if ranked.empty:
        return
    doubtful = int((ranked["p_label"] < 0.5).sum())
    decided = int(ranked["row"].isin(flagging.flagged_rows(study)).sum())
    st.markdown(
        f"For **{doubtful:,} of {count(len(ranked), 'image')}** the network gives the label less "
        f"than half of the probability. {count(decided, 'image')} decided."
    )
    first = ranked.iloc[:FIRST]
    for column, row in zip(st.columns(FIRST), first.to_dict("records"), strict=False):
        with column.container(border=True, gap="xsmall", height="stretch"):
            st.markdown(
                f"**{plain(row['image_id'])}**: labelled {plain(row['label'])}, predicted as "
                f"{plain(row['predicted'])}"
            )
            draw_strip(study, np.array([row["row"]]))
            st.page_link(
                frame.ONE_IMAGE,
                label="Open in One image",
                icon=":material/open_in_full:",
                query_params=frame.image_link(study, row["row"], ranked["row"].to_numpy()),
            )


def draw_strip(study: Study, rows: np.ndarray) -> None:
    """A strip of up to `PICTURES` thumbnails, evenly over `rows`; nothing without pictures."""
    if len(rows) > PICTURES:
        rows = rows[np.linspace(0, len(rows) - 1, PICTURES).astype(int)]
    shown = [
        {"url": frame.image_url(study, int(row)), "id": study.images["image_id"].iat[row]}
        for row in rows
        if study.has_thumbnail(int(row))
    ]
    if shown:
        st.html(rendered("overview/strip.html", columns=PICTURES, images=shown))
