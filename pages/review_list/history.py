"""The log of all actions, and the history of one image, in words."""

import pandas as pd
import streamlit as st

from bnn_core.base.wording import count
from bnn_core.study.folder import Study
from pages.shared import blind
from pages.shared.empty import empty
from pages.shared.flagging import decision_words, review_log
from pages.shared.html import rendered
from pages.shared.words import table_height, without_none

HISTORY = {
    "time": "When (UTC)",
    "reviewer": "Who",
    "what": "What",
    "images": "Images",
    "note": "Note",
    "decided_by": "Decided by",
    "undone": "Undone",
    "action_id": "Number",
}


def draw(study: Study) -> None:
    """The log of all actions."""
    actions = with_action_text(review_log().history(study))
    if actions.empty:
        empty("list", "No decision has been made in this study.", ":material/history:")
        return
    st.caption(
        f"{count(len(actions), 'action')}, newest first. The log keeps every action, "
        "including undo and redo. Decisions made in other studies on the same pictures appear in "
        "the list and in the history of the image."
    )
    st.dataframe(
        without_none(actions[list(HISTORY)]),
        hide_index=True,
        height=table_height(len(actions), 560),
        column_config=HISTORY,
    )


def with_action_text(actions: pd.DataFrame) -> pd.DataFrame:
    """A history with a column of its actions in words."""
    who = blind.only()
    actions = actions[actions["reviewer"] == who] if who else actions
    actions = actions.copy()
    actions["time"] = [str(time)[:19].replace("T", " ") for time in actions["time"]]
    actions["what"] = [
        _action_text(*line)
        for line in zip(
            actions["kind"],
            actions["target"],
            actions["decision"],
            actions["new_label"],
            actions["reason"],
            actions["undone"],
            strict=True,
        )
    ]
    return actions


def _action_text(
    kind: str,
    target: object,
    decision: str | None,
    new_label: str | None,
    reason: str | None,
    undone: bool,
) -> str:
    if kind in ("undo", "redo"):
        return f"{'undid' if kind == 'undo' else 'redid'} action {target}"
    text = decision_words(decision, new_label)
    if decision is not None:
        text = f"{'imported: ' if kind == 'import' else ''}{text} ({reason})"
    return f"{text}, undone" if undone else text


def draw_of_image(study: Study, row: int) -> None:
    """The decisions about one image, newest first."""
    actions = with_action_text(review_log().history(study, str(study.images["image_id"].iat[row])))
    lines: dict[str, str] = {}
    for line in actions.itertuples():  # several may fall into one second
        when = f"{line.time} {line.reviewer}"
        lines[when] = f"{lines[when]}; {line.what}" if when in lines else line.what
    if lines:
        st.markdown(":small[**History of this image**]")
        st.html(rendered("shared/templates/key_values.html", facts=lines))
