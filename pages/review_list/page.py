"""Review list: what is flagged, decisions and their history, export, import, what cleaning did."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.review.log import DECISIONS
from bnn_core.study.folder import Study
from pages.review_list import files
from pages.shared import frame, panels, reviewer
from pages.shared.flagging import decision_words, flag_control, review_log
from pages.shared.wall import image_wall
from pages.shared.words import plain

VIEWS = ("List", "History", "Export and import", "Did cleaning help?")
#: Kinds of flagged images, beside the decisions.
ALL, DISPUTED, CHANGED = "all", "disputed", "changed since"
_SAID = "_review_said"
#: What a narrow window shows comes first.
COLUMNS = {
    "image_id": "Image",
    "label": "Label",
    "predicted": "Predicted",
    "decision": "Decision",
    "new_label": "New label",
    "reason": "Reason",
    "note": "Note",
    "compound": "Compound",
    "plate": "Plate",
    "well": "Well",
    "reviewer": "Reviewer",
    "time": "When (UTC)",
    "disputed": "Disputed",
    "changed": "Changed since",
    "filter": "Flagged from",
}
HISTORY = {
    "time": "When (UTC)",
    "reviewer": "Who",
    "what": "What",
    "images": "Images",
    "reason": "Reason",
    "decision": "Decision",
    "new_label": "New label",
    "note": "Note",
    "decided_by": "Decided by",
    "undone": "Taken back",
    "action_id": "Number",
}


def main() -> None:
    """The page."""
    study = frame.current_study()
    view = st.segmented_control(
        "View",
        VIEWS,
        key="view",
        default=VIEWS[0],
        required=True,
        bind="query-params",
        label_visibility="collapsed",
    )
    if view == "List":
        flagged_list(study)
    elif view == "History":
        history(study)
    elif view == "Export and import":
        files.draw_export(study)
        files.draw_import(study)
    else:
        files.draw_cleaning(study)


@frame.fragment
def flagged_list(study: Study) -> None:
    """The flagged images that pass the filters: look, decide, take off, undo."""
    if said := st.session_state.pop(_SAID, None):
        st.toast(said)
    state = review_log().state(study)
    draw_undo(study)
    if state.empty:
        st.info(
            "Nothing is flagged in this study. Flag images wherever they are shown: one image, "
            "a selection, a bar of a chart or a whole suspect compound; or take in a list "
            "under “Export and import”.",
            icon=":material/flag:",
        )
        draw_absent(study)
        return
    here = state[state.index.isin(frame.filtered_rows())]
    kinds = {
        ALL: here,
        **{d: here[here["decision"] == d] for d in DECISIONS},
        DISPUTED: here[here["disputed"]],
        CHANGED: here[here["changed"] != ""],
    }
    kinds = {kind: part for kind, part in kinds.items() if len(part) or kind == ALL}
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{len(here):,}** of {count(len(state), 'flagged image')}: "
            f"{plain(frame.filter_text())}"
        )
        kind = st.segmented_control(
            "Which",
            list(kinds),
            default=ALL,
            required=True,
            label_visibility="collapsed",
            key=f"flagged_kind_{'_'.join(kinds)}",
            format_func=lambda kind: f"{kind} ({len(kinds[kind]):,})",
        )
        shown = st.segmented_control(
            "Show",
            ["images", "table"],
            key="flagged_as",
            default="images",
            required=True,
            bind="query-params",
            label_visibility="collapsed",
        )
    part = kinds[kind]
    if kind == DISPUTED:
        st.caption(
            "Reviewers' last words differ; the latest stands. An image's history is beside it."
        )
    elif kind == CHANGED:
        st.caption(
            "The picture or the given label is no longer what it was when the decision was "
            "made: look again."
        )
    left, right = st.columns([2.2, 1], gap="medium")
    with left:
        actions = st.container(horizontal=True, vertical_alignment="center", gap="small")
        chosen, looked_at = (pick_in_table if shown == "table" else pick_on_wall)(study, part)
        acted = part if not len(chosen) else part.loc[chosen]
        with actions:
            if len(acted):
                draw_actions(study, acted, kind if not len(chosen) else "chosen by hand")
            else:
                st.caption(
                    "None of the flagged images passes the filters, so there is nothing to "
                    "decide here."
                )
    if looked_at is None and len(part):
        looked_at = int(part.index[0])
    if looked_at is not None:
        with right:
            panels.detail(study, looked_at, "review_detail", among=part.index.to_numpy())
            draw_story(study, looked_at)
    draw_absent(study)


def pick_on_wall(study: Study, part: pd.DataFrame) -> tuple[list[int], int | None]:
    """The images of the list: those selected, and the one opened last."""
    result = image_wall(part.index.to_numpy(), key="review_wall", height=640, flagged=part.index)
    st.caption(
        "Click opens, Ctrl-click or the tick selects, Shift extends. Without a selection "
        "the buttons above act on all that are shown."
    )
    return result.selected, result.clicked


def pick_in_table(study: Study, part: pd.DataFrame) -> tuple[list[int], int | None]:
    """The list as a table: the rows ticked, the last of which is looked at."""
    event = st.dataframe(
        decided_table(study, part),
        key=f"review_table_{study.name}",
        hide_index=True,
        height=560,
        selection_mode="multi-row",
        on_select="rerun",
        column_config=COLUMNS,
    )
    chosen = [int(part.index[i]) for i in event["selection"]["rows"] if i < len(part)]
    return chosen, chosen[-1] if chosen else None


def decided_table(study: Study, part: pd.DataFrame) -> pd.DataFrame:
    """What the table shows: the image, its labels, the decision."""
    rows = part.index.to_numpy()
    table = frame.table(study, study.reading_method).iloc[rows].reset_index(drop=True)
    decided = part.drop(columns="image_id").reset_index(drop=True)
    found = pd.concat([table[[c for c in table if c in COLUMNS]], decided], axis=1)
    found["time"] = [str(time)[:19].replace("T", " ") for time in found["time"]]
    found["disputed"] = np.where(found["disputed"], "disputed", "")
    return found[[c for c in COLUMNS if c in found]]


def draw_actions(study: Study, acted: pd.DataFrame, words: str) -> None:
    """Decide, take off the list, export: on the images in `acted`."""
    rows = acted.index.to_numpy(dtype=np.int64)
    # What all of them share is where a changed decision starts from.
    known = {
        name: acted[name].iat[0]
        for name in ("reason", "decision", "new_label", "note")
        if acted[name].nunique(dropna=False) == 1 and isinstance(acted[name].iat[0], str)
    }
    text = f"review list, {words} ({frame.filter_text()})"
    flag_control(study, rows, text, "review_decide", word="Decide", known=known)
    st.button(
        f"Take {len(rows):,} off",
        key="review_off",
        icon=":material/flag_check:",
        on_click=take_off,
        args=(study, rows, text),
        help="Off the list, whoever flagged them. The history keeps everything, and undo "
        "brings them back.",
    )
    panels.export_button(study, rows, text, "review_export", "flagged")


def draw_undo(study: Study) -> None:
    """The reviewer's name, undo and redo of what this reviewer did."""
    log, name = review_log(), reviewer.name()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        reviewer.ask(
            "review_name",
            width=220,
            help="Undo and redo take back and bring back what "
            "was decided under this name. This browser remembers it.",
        )
        reviewer.remember()
        for word, key, icon, ask, do in (
            ("Undo", "U", "undo", log.undoable, log.undo),
            ("Redo", "Y", "redo", log.redoable, log.redo),
        ):
            action = ask(study, name) if name.strip() else None
            # Never without a word when its key is pressed, so it is never greyed out.
            st.button(
                word,
                key=f"review_{word}",
                icon=f":material/{icon}:",
                shortcut=key,
                on_click=toggle,
                args=(study, word, do),
                help=plain(action.text) if action else _nothing_to(word, name),
            )


def draw_story(study: Study, row: int) -> None:
    """What was decided about one image, newest first."""
    found = told(review_log().history(study, str(study.images["image_id"].iat[row])))
    lines = {f"{line.time} {line.reviewer}": line.what for line in found.itertuples()}
    if lines:
        st.markdown(":small[**History of this image**]")
        st.html(panels.key_values(lines))


def draw_absent(study: Study) -> None:
    """Decisions on images that the study holds no longer."""
    gone = review_log().absent(study)
    if len(gone):
        with st.expander(
            f"{count(len(gone), 'decision')} on images that this study holds no longer"
        ):
            st.dataframe(
                gone[["image_id", "reason", "decision", "new_label", "note", "reviewer", "time"]],
                hide_index=True,
                column_config=COLUMNS,
            )


def history(study: Study) -> None:
    """The log: nothing is ever overwritten."""
    found = told(review_log().history(study))
    if found.empty:
        st.info("Nobody has decided anything in this study yet.", icon=":material/history:")
        return
    st.caption(
        f"{count(len(found), 'action')}, newest first. The log is only ever appended to: "
        "undo and redo are actions too. Decisions made in other studies on the very same "
        "pictures show in the list, and in the history of the image."
    )
    st.dataframe(found[list(HISTORY)], hide_index=True, height=560, column_config=HISTORY)


def told(found: pd.DataFrame) -> pd.DataFrame:
    """A history with its actions in words."""
    found = found.copy()
    found["time"] = [str(time)[:19].replace("T", " ") for time in found["time"]]
    found["what"] = [
        _what(*line)
        for line in zip(
            found["kind"],
            found["target"],
            found["decision"],
            found["new_label"],
            found["reason"],
            found["undone"],
            strict=True,
        )
    ]
    return found


def _what(
    kind: str,
    target: object,
    decision: str | None,
    new_label: str | None,
    reason: str | None,
    undone: bool,
) -> str:
    if kind in ("undo", "redo"):
        return f"{'took back' if kind == 'undo' else 'brought back'} action {target}"
    said = decision_words(decision, new_label)
    if decision is not None:
        said = f"{'imported: ' if kind == 'import' else ''}{said} ({reason})"
    return f"{said}, taken back" if undone else said


def take_off(study: Study, rows: np.ndarray, text: str) -> None:
    """Withdraw, from the button's callback."""
    try:
        action = review_log().withdraw(study, rows.tolist(), reviewer=reviewer.name(), filter=text)
        st.session_state[_SAID] = action.text
    except InputError as error:
        st.session_state[_SAID] = str(error)


def toggle(study: Study, word: str, do) -> None:
    """Undo or redo, from the button's callback."""
    name = reviewer.name()
    try:
        action = do(study, name) if name.strip() else None
        st.session_state[_SAID] = (
            _nothing_to(word, name)
            if action is None
            else f"{'Taken' if word == 'Undo' else 'Brought'} back: {action.text}"
        )
    except InputError as error:
        st.session_state[_SAID] = str(error)


def _nothing_to(word: str, name: str) -> str:
    if not name.strip():
        return f"{word} needs your name: type the one under which it was decided."
    return f"There is nothing to {word.lower()} under the name {plain(name)}."


main()
