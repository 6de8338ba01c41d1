"""Review list: flagged images, decisions and their history, export, import."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.review.agreement import agreements
from bnn_core.review.log import DECISIONS
from bnn_core.study.folder import Study
from pages.review_list import examples, files, history, undo
from pages.shared import blind, filters, flag_form, frame, panels, reviewer, studies
from pages.shared.empty import empty
from pages.shared.flagging import decisions, flag_control, review_log
from pages.shared.wall import image_wall
from pages.shared.words import plain, table_height, without_none

VIEWS = ("List", "History", "Export and import")
#: Kinds of flagged images, beside the decisions.
ALL, DISPUTED, CHANGED = "all", "disputed", "changed since"
#: How they are shown.
WALL, TABLE = "images", "table"
#: Most pairs of reviewers whose agreement is shown.
MOST_PAIRS = 3
#: Columns of the list as a table; the history of an image, and the exported file, have the others.
COLUMNS = {
    "image_id": "Image",
    "compound": "Compound",
    "label": "Label",
    "predicted": "Predicted",
    "decision": "Decision",
    "reason": "Reason",
    "note": "Note",
    "reviewer": "Reviewer",
}
WIDTHS = {
    "image_id": 130,
    "compound": 96,
    "label": 108,
    "predicted": 108,
    "decision": 130,
    "reason": 94,
    "note": 138,
    "reviewer": 86,
}
#: Columns that a narrow window has room for.
NARROW = ("image_id", "label", "decision", "reason")


def page() -> None:
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
        history.draw(study)
    else:
        files.draw_export(study)
        files.draw_import(study)


@frame.fragment
def flagged_list(study: Study) -> None:
    """The flagged images that match the filters: look, decide, remove, undo."""
    if message := st.session_state.pop(undo.MESSAGE, None):
        st.toast(message)
    state = decisions(study)
    undo.draw(study)
    if state.empty:
        draw_no_flags(study)
        return
    kinds = kinds_of(state[state.index.isin(filters.passing(study))])
    kind, view = choose_view(study, kinds, len(state))
    draw_agreement(study)
    part = kinds[kind]
    if kind == DISPUTED:
        st.caption(
            "Reviewers disagree. The latest decision counts. The history is shown with each image."
        )
    elif kind == CHANGED:
        st.caption("The picture or the given label has changed since the decision. Look again.")
    # A table needs the width of the page.
    beside = view == WALL
    left, right = st.columns([2.2, 1], gap="medium") if beside else (st.container(), st.container())
    with left:
        actions = st.container(horizontal=True, vertical_alignment="center", gap="small")
        chosen, looked_at = pick_on_wall(part) if beside else pick_in_table(study, part)
        acted = part if not len(chosen) else part.loc[chosen]
        with actions:
            if len(acted):
                draw_actions(study, acted, kind if not len(chosen) else "chosen by hand")
            else:
                st.caption("No flagged image matches the filters. Remove a filter in the sidebar.")
    if looked_at is None and len(part):
        looked_at = int(part.index[0])
    if looked_at is not None:
        with right:
            among = part.index.to_numpy()
            panels.detail(study, looked_at, "review_detail", among=among, wide=not beside)
            history.draw_of_image(study, looked_at)
    draw_absent(study)


def draw_no_flags(study: Study) -> None:
    """What to do where no image is flagged."""
    empty(
        "list",
        "No image of this study is flagged. Flag images on any page: one image, a selection, a "
        "bar of a chart or a whole suspect compound. A list can be imported under “Export and "
        "import”.",
        ":material/flag:",
    )
    if blind.only() is None:
        examples.draw(study, undo.MESSAGE)
    draw_absent(study)


def kinds_of(matching: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The parts of the flagged images that can be chosen: all, by decision, disputed, changed."""
    kinds = {
        ALL: matching,
        **{d: matching[matching["decision"] == d] for d in DECISIONS},
        DISPUTED: matching[matching["disputed"]],
        CHANGED: matching[matching["changed"] != ""],
    }
    return {kind: part for kind, part in kinds.items() if len(part) or kind == ALL}


def choose_view(study: Study, kinds: dict[str, pd.DataFrame], flagged: int) -> tuple[str, str]:
    """How many of the `flagged` images match, the menu of kinds, and of images or a table."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{len(kinds[ALL]):,}** of {count(flagged, 'flagged image')}: "
            f"{plain(filters.text(study))}"
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
        view = st.segmented_control(
            "Show",
            [WALL, TABLE],
            key="flagged_as",
            default=WALL,
            required=True,
            bind="query-params",
            label_visibility="collapsed",
        )
    return kind, view


def draw_agreement(study: Study) -> None:
    """How far each pair of reviewers agrees; nothing of it in a blind review."""
    if who := blind.only():
        st.caption(
            f":material/visibility_off: Blind: only the decisions of {plain(who)} are shown."
        )
        return
    for pair in agreements(review_log().opinions(study))[:MOST_PAIRS]:
        st.caption(f":material/group: {plain(pair.sentence())}")


def pick_on_wall(part: pd.DataFrame) -> tuple[list[int], int | None]:
    """The wall of the list: selected images, and the one opened last."""
    result = image_wall(part.index.to_numpy(), key="review_wall", height=640, flagged=part.index)
    st.caption(
        "Click opens, Ctrl-click or the tick selects, Shift extends. Without a selection "
        "the buttons above apply to all images shown."
    )
    return result.selected, result.opened


def pick_in_table(study: Study, part: pd.DataFrame) -> tuple[list[int], int | None]:
    """The list as a table: ticked rows, and the last of them, which is opened."""
    shown = decided_table(study, part)
    event = st.dataframe(
        shown,
        key=f"review_table_{study.name}",
        hide_index=True,
        height=table_height(len(shown), 318),
        selection_mode="multi-row",
        on_select="rerun",
        column_order=NARROW if frame.narrow_window() else COLUMNS,
        column_config={
            name: st.column_config.Column(
                title, width=WIDTHS[name], help="→ is relabel." if name == "decision" else None
            )
            for name, title in COLUMNS.items()
        },
    )
    chosen = [int(part.index[i]) for i in event["selection"]["rows"] if i < len(part)]
    return chosen, chosen[-1] if chosen else None


def decided_table(study: Study, part: pd.DataFrame) -> pd.DataFrame:
    """The columns of the table: the image, its labels, the decision."""
    table = studies.table(study, study.reading_method).iloc[part.index].reset_index(drop=True)
    decided = part.drop(columns="image_id").reset_index(drop=True)
    relabelled = decided["new_label"].notna()
    decided["decision"] = decided["decision"].mask(relabelled, "→ " + decided["new_label"])
    columns = pd.concat([table, decided], axis=1)
    return without_none(columns[[c for c in COLUMNS if c in columns]])


def draw_actions(study: Study, acted: pd.DataFrame, words: str) -> None:
    """Decide, remove from the list, export: for the images in `acted`."""
    rows = acted.index.to_numpy(dtype=np.int64)
    # A new decision starts from the values that all images share.
    known = {
        name: acted[name].iat[0]
        for name in ("reason", "decision", "new_label", "note")
        if acted[name].nunique(dropna=False) == 1 and isinstance(acted[name].iat[0], str)
    }
    text = f"review list, {words} ({filters.text(study)})"
    flag_control(study, rows, text, "review_decide", verb=flag_form.DECIDE, known=known)
    st.button(
        f"Remove {len(rows):,}",
        key="review_off",
        icon=":material/flag_check:",
        on_click=take_off,
        args=(study, rows, text),
        help="Removes the images from the list, whoever flagged them. The history keeps every "
        "decision, and Undo restores them.",
    )
    panels.export_button(study, rows, text, "review_export", "flagged")


def draw_absent(study: Study) -> None:
    """Decisions on images that are no longer in the study."""
    absent = review_log().absent(study)
    if len(absent) and blind.only() is None:
        with st.expander(
            f"{count(len(absent), 'decision')} on images that are no longer in this study"
        ):
            st.dataframe(
                without_none(
                    absent[
                        ["image_id", "reason", "decision", "new_label", "note", "reviewer", "time"]
                    ]
                ),
                hide_index=True,
                column_config=COLUMNS | {"new_label": "New label", "time": "When (UTC)"},
            )


def take_off(study: Study, rows: np.ndarray, text: str) -> None:
    """Remove images from the list; a callback."""
    try:
        action = review_log().withdraw(study, rows.tolist(), reviewer=reviewer.name(), filter=text)
        st.session_state[undo.MESSAGE] = action.text
    except InputError as error:
        st.session_state[undo.MESSAGE] = str(error)


page()
