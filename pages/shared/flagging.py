"""Flagging images for review, from wherever they are shown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.review.log import ReviewLog
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import Study
from pages.shared import blind, flag_form
from pages.shared.flag_form import Form, Recorded
from pages.shared.words import plain

#: In the session: a message for the next run, because a callback may not show one itself.
_MESSAGE = "_flagging_said"
#: In the session: the next control with `opens_next` opens its dialog.
OPEN_NEXT = "_flagging_open_next"
#: In the session: number of the action that was announced last.
_ANNOUNCED = "_flagging_announced"
#: After a flag the page asks this often whether others decided the same images.
SECONDS_BETWEEN_LOOKS = 5


def review_log() -> ReviewLog:
    """The reviews of all studies in this cache."""
    return ReviewLog(cache_root())


def decisions(study: Study) -> pd.DataFrame:
    """Current decisions, see `ReviewLog.state`: one row per flagged image, index = row of the study.

    A blind reviewer sees only the own ones. Shared by all sessions: do not change it.
    """
    log = review_log()
    return _decisions(
        study.name,
        study.fingerprint,
        str(log.path),
        log.last_action(),
        blind.only(),
        study,
        log,
    )


def decision_words(decision: str | None, new_label: str | None) -> str:
    """A decision in words; None: removed from the list."""
    if decision is None:
        return "removed from the list"
    return f"{decision} to {new_label}" if isinstance(new_label, str) else decision


def flagged_rows(study: Study) -> list[int]:
    """Rows of the study that are on the review list now."""
    return decisions(study).index.to_list()


def draw_decision(study: Study, row: int) -> None:
    """Whether an image is flagged: its decision, who made it and when, in one line."""
    decided = decisions(study)
    # In a container: the widgets below keep their place when the line comes or goes.
    with st.container():
        if row in decided.index:
            decision = decided.loc[row]
            disputed = ", disputed" if decision["disputed"] else ""
            st.markdown(
                ":small[:material/flag: "
                f"**{plain(decision_words(decision['decision'], decision['new_label']))}** "
                f"({decision['reason']}), {plain(decision['reviewer'])}, "
                f"{decision['time'][:16].replace('T', ' ')} UTC{disputed}]"
            )


def flag_control(
    study: Study,
    rows: np.ndarray,
    filter_text: str,
    key: str,
    *,
    verb: flag_form.Verb = flag_form.FLAG,
    word: str = "",
    counted: bool = True,
    known: Mapping[str, str | None] | None = None,
    opens_next: bool = False,
) -> None:
    """A button that flags `rows` with a reason, a decision, a note and the reviewer's name.

    `filter_text` describes how the rows were selected and goes into the review log. A dialog asks
    for the decision. Entries that are not recorded yet are kept, with a line about it. After
    flagging, an undo button follows. verb: of the button, the dialog and the message. word: the
    button's text, where it is another one; counted: with the number of images. known: initial
    reason, decision, new_label and note, where a decision is changed. opens_next: whether OPEN_NEXT
    in the session opens the dialog.
    """
    rows = np.asarray(rows, dtype=np.int64)
    n = len(rows)
    if message := st.session_state.pop(_MESSAGE, None):
        st.toast(message[0], icon=message[1])
    if last := flag_form.last_recorded():
        _announce(last)
    form = Form(study, rows, filter_text, key, dict(known or {}), review_log(), verb)
    asked = opens_next and st.session_state.pop(OPEN_NEXT, False)
    word = word or verb.button
    words = f"{word} {n:,}" if counted and n else word
    with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
        # Not in a callback, which would open the form that was drawn last: after a step on a slow
        # server that is not the one in view.
        asked |= st.button(words, key=key, icon=":material/flag:", disabled=n == 0)
        if asked or st.session_state.get(f"{key}_continue"):
            form.open()
        if form.is_open:
            flag_form.draw(form, int(np.isin(rows, flagged_rows(study)).sum()))
        elif n and form.has_draft:
            st.caption(":material/draft: Not recorded yet. Your entries are kept.")
            st.button(
                "Continue",
                key=f"{key}_continue",
                type="tertiary",
                icon=":material/edit:",
            )
            st.button(
                "Discard",
                key=f"{key}_discard",
                type="tertiary",
                icon=":material/delete:",
                on_click=form.discard,
            )
        if last and last.key == key and last.study == study.name:
            st.button(
                "Undo",
                key=f"{key}_undo",
                icon=":material/undo:",
                type="tertiary",
                on_click=_undo,
                args=(study, last.action.reviewer),
                help=last.action.text,
            )
            if blind.only() is None:
                _others_since(study, last)


def _announce(last: Recorded) -> None:
    """Show once that a flag is recorded."""
    if st.session_state.get(_ANNOUNCED) != last.action.action_id:
        st.session_state[_ANNOUNCED] = last.action.action_id
        st.toast(f"{last.verb.done} {last.action.text}", icon=":material/flag:")


@st.fragment(run_every=SECONDS_BETWEEN_LOOKS)
def _others_since(study: Study, last: Recorded) -> None:
    """Other reviewers' decisions on the images flagged last, made in the meantime."""
    others = [
        action
        for action in review_log().decided_since(study, last.rows, last.seen)
        if action.reviewer != last.action.reviewer
    ]
    if others:
        st.caption(
            f":material/group: {plain(flag_form.others_in_words(others))} since you opened "
            "the form. The latest decision counts."
        )


def _undo(study: Study, who: str) -> None:
    flag_form.forget_recorded()
    try:
        undone = review_log().undo(study, who)
    except InputError as error:
        st.session_state[_MESSAGE] = (str(error), ":material/error:")
        return
    st.session_state[_MESSAGE] = (
        f"Undone: {undone.text}" if undone else "Nothing to undo",
        ":material/undo:",
    )


@st.cache_resource(max_entries=20, show_spinner=False)
def _decisions(
    name: str,
    fingerprint: str,
    path: str,
    last_action: int,
    reviewer: str | None,
    _study: Study,
    _log: ReviewLog,
) -> pd.DataFrame:
    return _log.state(_study, reviewer)
