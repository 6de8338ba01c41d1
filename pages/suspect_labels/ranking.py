"""The ranking of compounds, treatments or wells, with what was decided on each."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.wording import two_digits
from bnn_core.review.exporting import table_bytes
from bnn_core.review.group_decisions import (
    decision_cell,
    decision_list,
    next_undecided,
    progress_text,
)
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking_wording import LOOKS_LIKE, doubt_sentence, has_interval
from pages.shared import filters, flagging, frame, panels, scores, studies
from pages.shared.html import rendered
from pages.shared.wall import close_opened
from pages.shared.words import table_height

SUSPECT = "suspect"
#: In the session: title of the row that a button asks for, and (key of the table, row drawn last).
_ASKED, _DRAWN = "_suspect_asked", "_suspect_drawn"
#: Columns that a narrow window leaves out; the sentences below the table have them.
_WIDE_ONLY = ("rank", "called", "interval", "ranks", "confidence")
#: Rows of the table for screen readers.
_TWIN_ROWS = 50
HELP = """How much more the predictions look like those of another class than like those of the
label, corrected for the network's usual errors (a difference of two divergences). **1**: all
probability is on one wrong class where no error is expected. **0**: as similar to the other class
as to the label. **Below 0**: more similar to the label. Low *confidence* alone does not raise it.

The interval comes from resampling wells (or images) and compounds. It is wide for few wells. The
share of false alarms among high scores is *not* estimated: read the explanations.
[More in Help](help?about=suspects)"""


def index_in_address(shown: pd.DataFrame) -> int:
    """Index of the row named in the address, 0 without one."""
    rows = np.flatnonzero(shown["title"] == st.query_params.get(SUSPECT))
    return int(rows[0]) if len(rows) else 0


def index_asked(shown: pd.DataFrame, level: str) -> int:
    """Index of the row that a button or a click on the table asks for, else of the address's row.

    Read where the row is drawn. A callback also runs when another part of the page is drawn, with
    the selection that the browser had before a step; this must not move the address alone.
    """
    asked = np.flatnonzero(shown["title"] == st.session_state.pop(_ASKED, None))
    if len(asked):
        return int(asked[0])
    at, key = index_in_address(shown), _table_key(level)
    rows = st.session_state.get(key, {"selection": {"rows": []}})["selection"]["rows"]
    drawn_key, drawn = st.session_state.get(_DRAWN, ("", 0))
    # The table also reports a row that the script has selected, which is no click.
    clicked = drawn_key == key and rows and rows[0] != drawn and rows[0] < len(shown)
    return int(rows[0]) if clicked else at


def put_in_address(shown: pd.DataFrame, at: int) -> None:
    """Name the drawn row in the address, where this names another one."""
    if at != index_in_address(shown):
        close_opened()
        st.query_params[SUSPECT] = shown["title"].iat[at]


def _table_key(level: str) -> str:
    return f"suspects_table_{level}"


def draw_table(
    study: Study, shown: pd.DataFrame, decisions: pd.DataFrame, total: int, level: str, at: int
) -> None:
    """The shown rows of a ranking of `total` rows; a click on a row opens it.

    decisions: `group_decisions` of the shown rows.
    """
    key = _table_key(level)
    st.session_state[_DRAWN] = (key, at)
    table = _cells(shown, decisions)
    # The row in view, also after a step by button or from an address.
    if key not in st.session_state or list(st.session_state[key]["selection"]["rows"]) != [at]:
        st.session_state[key] = {"selection": {"rows": [at]}}
    columns = list(dict.fromkeys(("rank", "title", "score", *table)))
    if frame.narrow_window():
        columns = [name for name in columns if name not in _WIDE_ONLY]
    st.dataframe(
        table,
        key=key,
        hide_index=True,
        height=table_height(len(table), 318),
        column_order=columns,
        selection_mode="single-row-required",
        on_select="rerun",
        column_config=_columns(level),
    )
    _twin(table, level)
    with st.container(horizontal=True, vertical_alignment="center"):
        _draw_progress(shown, decisions, total, level)
        _download_decisions(study, shown, level)


def _cells(shown: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """What the table shows of each row of a ranking; intervals and shares in words."""
    sure = [has_interval(row) for _, row in shown.iterrows()]
    return pd.DataFrame(
        {
            "rank": shown["rank"],
            "title": shown["title"],
            "label": shown["label"],
            "suspected": shown["suspected"],
            "called": [
                f"{called:,} of {n:,}"
                for called, n in zip(shown["n_suspected"], shown["n_images"], strict=True)
            ],
            "score": shown["score"].round(2) + 0.0,  # no -0.00
            "decision": [decision_cell(row) for row in decisions.to_dict("records")],
            "interval": [
                f"{two_digits(low)} to {two_digits(high)}" if known else "too few units"
                for low, high, known in zip(shown["low"], shown["high"], sure, strict=True)
            ],
            "ranks": [
                "–" if not known else f"{low} to {high}" if low != high else str(low)
                for low, high, known in zip(
                    shown["rank_low"], shown["rank_high"], sure, strict=True
                )
            ],
            "confidence": shown["mean_signed_confidence"].round(2) + 0.0,
        }
    )


def _columns(level: str) -> dict[str, object]:
    """Titles, widths and help of the table's columns."""
    text, number = st.column_config.Column, st.column_config.NumberColumn
    return {
        "rank": number("Rank", width=46),
        "title": text(level.capitalize(), width=112),
        "label": text("Given label", width=108),
        "suspected": text(
            "Most similar class",
            width=118,
            help="The class, other than the label, that the predictions look most like. "
            f"{LOOKS_LIKE}",
        ),
        "called": text(
            "Predicted as it",
            width=100,
            help="Images that are predicted as the most similar class.",
        ),
        "score": number("Score", format="%.2f", width=54, help=HELP),
        "interval": text(
            "95 % interval",
            width=96,
            help="Too few units: one unit gives no interval, and with two or three it may span "
            "the whole scale. Images of one well are not independent, so wells are "
            "resampled where they are known.",
        ),
        "ranks": text(
            "Rank, 95 %",
            width=78,
            help="Range of ranks when wells and compounds are resampled.",
        ),
        "confidence": number(
            "Mean c",
            width=66,
            format="%.2f",
            help="Mean signed confidence. Low confidence alone is no sign of a wrong label. "
            f"{scores.MORE}",
        ),
        "decision": text(
            "Decision",
            width=116,
            help="From the review list. → is relabel. Reviewers and reasons are shown below.",
        ),
    }


def _draw_progress(shown: pd.DataFrame, decisions: pd.DataFrame, total: int, level: str) -> None:
    """How many are decided, and how many look more like another class."""
    filtered = len(shown) != total and filters.any_set()
    part = f" {len(shown):,} of {total:,} {level}s match the filters." if filtered else ""
    st.caption(
        f"**{progress_text(decisions, level)}.** {doubt_sentence(shown, level)} The ranking is by "
        f"consistent disagreement, corrected for the network's usual errors.{part}",
        help=HELP,
        width="stretch",
    )


def _download_decisions(study: Study, shown: pd.DataFrame, level: str) -> None:
    st.download_button(
        "Decisions",
        key=f"decisions_{level}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        data=lambda: table_bytes(
            decision_list(
                shown,
                studies.table(study, study.reading_method),
                flagging.decisions(study),
                level,
            ),
            "csv",
        ),
        file_name=panels.file_name(f"{study.name}-{level}-decisions"),
        mime="text/csv",
        help=f"A CSV file for Excel: one row per {level} with its decision and score.",
    )


def _twin(table: pd.DataFrame, level: str) -> None:
    """The first rows as an HTML table for screen readers: the table above is a picture to them."""
    heads = {
        "rank": "rank",
        "title": level,
        "label": "label",
        "suspected": "most similar",
        "called": "predicted as it",
        "score": "score",
        "decision": "decision",
    }
    first = table.head(_TWIN_ROWS)
    first = first.assign(score=first["score"].map("{:.2f}".format))
    rows = first[list(heads)].itertuples(index=False)
    st.html(
        rendered("suspect_labels/unseen_table.html", level=level, heads=heads.values(), rows=rows)
    )


def steps(shown: pd.DataFrame, decisions: pd.DataFrame, at: int) -> None:
    """Buttons for the previous, the next and the next undecided suspect."""

    def go(row: int) -> None:
        st.session_state[_ASKED] = shown["title"].iat[row]

    undecided = next_undecided(decisions, at)
    for name, key, icon, shortcut, row in (
        ("Previous", "suspect_back", "chevron_left", "K", at - 1 if at else None),
        ("Next", "suspect_on", "chevron_right", "J", at + 1 if at + 1 < len(shown) else None),
        ("Next undecided", "suspect_undecided", "fast_forward", "N", undecided),
    ):
        st.button(
            name,
            icon=f":material/{icon}:",
            key=key,
            shortcut=shortcut,
            disabled=row is None,
            on_click=go,
            args=(row,),
        )
