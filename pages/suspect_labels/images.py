"""Single images on Suspect labels, by label quality."""

import pandas as pd
import streamlit as st

from bnn_core.base.scores import TRAINING_MARGIN
from bnn_core.measures.levels import available_levels
from bnn_core.study.folder import Study
from pages.shared import filters, flagging, frame, panels, rankings
from pages.shared.words import table_height, without_none
from pages.suspect_labels.nothing import nothing_scored

#: Columns of the table, in order, and those that a narrow window has room for.
_COLUMNS = (
    "compound",
    "concentration",
    "label",
    "predicted",
    "label_quality",
    TRAINING_MARGIN.key,
    "p_label",
    "decision",
    "image_id",
)
_NARROW = ("compound", "label", "predicted", "label_quality", "decision")


@frame.fragment
def draw_single_images(study: Study) -> None:
    """Single images by label quality, most suspect first."""
    ranked = rankings.ranked_images(study)
    ranked = ranked[ranked["row"].isin(filters.passing(study))]
    if ranked.empty:
        nothing_scored(study)
        return
    known = [name for name in ("compound", "well") if name in available_levels(study.images)]
    st.caption(
        "Label quality is "
        + (
            "the margin in training on a scale from 0 to 1 (below 0.5 another class led on average)"
            if TRAINING_MARGIN.key in ranked
            else "the mean probability of the given label"
        )
        + (
            f", reduced where its {' or its '.join(known)} gets less than others of this label"
            if known
            else ""
        )
        + ". 0: the label does not fit, 1: it fits. Most suspect first."
    )
    shown = st.segmented_control(
        "Show",
        ["as images", "as a table"],
        key="suspects_as",
        default="as images",
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    if shown == "as a table":
        images_table(study, ranked)
        return
    panels.selection_panel(
        study,
        ranked["row"].to_numpy(),
        "suspect_images",
        "By label quality, most suspect first",
        ranking=False,
    )


def images_table(study: Study, ranked: pd.DataFrame) -> None:
    """The ranking as a table: ticked images can be flagged and exported, the last one is shown."""
    rows = ranked["row"].to_numpy()
    known = [
        name for name in ("compound", "concentration", "plate", "well") if name in study.images
    ]
    decisions = flagging.decisions(study)["decision"]
    table = pd.concat(
        [
            ranked.reset_index(drop=True).drop(columns="row"),
            study.images[known].iloc[rows].reset_index(drop=True),
        ],
        axis=1,
    )
    table["decision"] = [decisions.get(row, "") for row in rows]
    actions = st.container(horizontal=True, gap="small")
    columns = _NARROW if frame.narrow_window() else _COLUMNS
    event = st.dataframe(
        without_none(table),
        key=f"suspect_images_table_{study.name}",
        hide_index=True,
        height=table_height(len(table), 318),
        selection_mode="multi-row",
        on_select="rerun",
        column_order=[name for name in columns if name in table],
        column_config=_columns(),
    )
    chosen = rows[[i for i in event["selection"]["rows"] if i < len(rows)]]
    with actions:
        words = f"suspect images chosen by hand ({filters.text(study)})"
        flagging.flag_control(study, chosen, words, "suspect_images_table_flag")
        panels.export_button(study, chosen, words, "suspect_images_table_export", "suspect images")
    panels.detail(
        study,
        int(chosen[-1] if len(chosen) else rows[0]),
        "suspect_images_table_detail",
        among=rows,
        wide=True,
    )


def _columns() -> dict[str, object]:
    """Titles and formats of the ranking's columns."""
    text, number = st.column_config.Column, st.column_config.NumberColumn
    return {
        "compound": text("Compound", width=100),
        "concentration": number("Dose (µM)", width=80),
        "label": text("Label", width=112),
        "predicted": text("Predicted", width=112),
        "label_quality": number("Label quality", format="%.4f", width=94),
        TRAINING_MARGIN.key: number(
            TRAINING_MARGIN.name.capitalize(), format="%.2f", width=108, help=TRAINING_MARGIN.help
        ),
        "p_label": number(
            "p of label", format="%.4f", width=80, help="Mean probability of the given label."
        ),
        "decision": text("Decision", width=80, help="From the review list."),
        "image_id": text("Image", width=130),
    }
