"""Flagging images for review, from wherever they are shown."""

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.wording import be, count
from bnn_core.review.log import DECISIONS, LONGEST_NOTE, REASONS, Action, ReviewLog
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import Study
from pages.shared import reviewer
from pages.shared.words import plain

_LAST = "_last_flagged"
#: A message for the next run: a callback within a fragment may not show one itself.
_SAID = "_flagging_said"


def review_log() -> ReviewLog:
    """The reviews of all studies in this cache."""
    return ReviewLog(cache_root())


def decisions(study: Study) -> pd.DataFrame:
    """What holds now, see `ReviewLog.state`: one line per flagged image, index = row of the study.

    Shared by all sessions: not to be altered.
    """
    log = review_log()
    return _decisions(study.name, study.fingerprint, str(log.path), log.last_action(), study, log)


def decision_words(decision: str | None, new_label: str | None) -> str:
    """A decision in words; None: taken off the list."""
    if decision is None:
        return "taken off the list"
    return f"{decision} to {new_label}" if isinstance(new_label, str) else decision


def flagged_rows(study: Study) -> list[int]:
    """Rows of the study that are on the review list now."""
    return decisions(study).index.to_list()


def draw_decision(study: Study, row: int) -> None:
    """Whether an image is flagged: its decision, who made it and when, in one line."""
    found = decisions(study)
    # In a place of its own: what stands below would be drawn anew when the line comes or goes.
    with st.container():
        if row in found.index:
            holds = found.loc[row]
            disputed = ", disputed" if holds["disputed"] else ""
            st.markdown(
                f":small[:material/flag: "
                f"**{plain(decision_words(holds['decision'], holds['new_label']))}** "
                f"({holds['reason']}), {plain(holds['reviewer'])}, "
                f"{holds['time'][:16].replace('T', ' ')} UTC{disputed}]"
            )


def flag_control(
    study: Study,
    rows: np.ndarray,
    filter_text: str,
    key: str,
    *,
    word: str = "Flag",
    counted: bool = True,
    known: Mapping[str, str | None] | None = None,
) -> None:
    """A button that flags `rows` with a reason, a decision, a note and the reviewer's name.

    `filter_text` says how the rows came about and goes into the review log. After flagging, an
    undo button stands beside it. word: what the button says, and, where counted, of how many.
    known: reason, decision, new_label and note to begin with, where a decision is changed.
    """
    rows = np.asarray(rows, dtype=np.int64)
    n = len(rows)
    if said := st.session_state.pop(_SAID, None):
        st.toast(said[0], icon=said[1])
    words = f"{word} {n:,}" if counted and n else word
    with st.popover(
        words,
        icon=":material/flag:",
        disabled=n == 0,
        on_change="rerun",
        key=f"{key}_{st.session_state.get(f'{key}_round', 0)}",
    ) as popover:
        if popover.open:
            _form(study, rows, filter_text, key, dict(known or {}))
    last = st.session_state.get(_LAST)
    if last and last[0] == key and last[1] == study.name:
        st.button(
            "Undo",
            key=f"{key}_undo",
            icon=":material/undo:",
            type="tertiary",
            on_click=_undo,
            args=(study, last[2].reviewer),
            help=last[2].text,
        )


def _form(
    study: Study, rows: np.ndarray, filter_text: str, key: str, known: dict[str, str | None]
) -> None:
    st.caption(f"{count(len(rows), 'image')}: {plain(filter_text)}")
    if decided := int(np.isin(rows, flagged_rows(study)).sum()):
        st.caption(
            f":material/history: {decided:,} of them {be(decided)} on the list already; "
            "this decision is the one that counts from now on, and Undo brings the earlier "
            "one back."
        )
    refused = st.container()
    name = _draft(study, rows, key, known)
    draft = f"{name}_{st.session_state.get(f'{name}_sent', 0)}"
    # What was entered for just these images and not sent, though the form was shut since.
    entered = known | st.session_state.get(draft, {})

    def field(name: str) -> dict[str, object]:
        return {"key": f"{draft}_{name}", "on_change": _keep, "args": (draft, name)}

    reason = st.selectbox(
        "Reason",
        REASONS,
        **field("reason"),
        index=REASONS.index(entered.get("reason") or REASONS[0]),
    )
    decision = st.segmented_control(
        "Decision",
        DECISIONS,
        **field("decision"),
        required=True,
        default=entered.get("decision") or "unsure",
    )
    new_label = None
    # In a place of its own: the fields below would be drawn anew, and lose what is being typed.
    with st.container():
        if decision == "relabel":
            new_label = st.selectbox(
                "New label (required)",
                study.classes,
                **field("new_label"),
                index=study.classes.index(entered["new_label"])
                if entered.get("new_label") in study.classes
                else None,
            )
    note = st.text_area(
        "Note", **field("note"), max_chars=LONGEST_NOTE, height=80, value=entered.get("note") or ""
    )
    who = reviewer.ask(f"{key}_name")
    if st.button("Flag", key=f"{key}_go", type="primary", icon=":material/flag:"):
        try:
            action = review_log().flag(
                study,
                rows.tolist(),
                reviewer=who,
                reason=reason,
                decision=decision or "unsure",
                new_label=new_label,
                note=note or "",
                filter=filter_text,
            )
        except InputError as error:
            refused.error(plain(error), icon=":material/error:")
            return
        _done(study, key, name, action)
    st.caption("Until it is sent, what you enter is kept for just these images.")


def _keep(draft: str, name: str) -> None:
    """Keep a field: Streamlit forgets it when the form is shut, or cut short as it is drawn."""
    kept = st.session_state.get(draft, {})
    st.session_state[draft] = kept | {name: st.session_state[f"{draft}_{name}"]}


def _draft(study: Study, rows: np.ndarray, key: str, known: Mapping[str, str | None]) -> str:
    """The name of what is being entered: another one for other images.

    So a note written for one image never goes with another.
    """
    what = hashlib.sha256(repr((study.name, sorted(known.items()))).encode())
    what.update(np.sort(rows).tobytes())
    return f"{key}_{what.hexdigest()[:16]}"


def _done(study: Study, key: str, draft: str, action: Action) -> None:
    # Another number empties the fields.
    st.session_state[f"{draft}_sent"] = st.session_state.get(f"{draft}_sent", 0) + 1
    st.session_state[_LAST] = (key, study.name, action)
    # Another key closes the popover.
    st.session_state[f"{key}_round"] = st.session_state.get(f"{key}_round", 0) + 1
    st.session_state[_SAID] = (f"Flagged {action.text}", ":material/flag:")
    st.rerun()


def _undo(study: Study, who: str) -> None:
    st.session_state.pop(_LAST, None)
    try:
        undone = review_log().undo(study, who)
    except InputError as error:
        st.session_state[_SAID] = (str(error), ":material/error:")
        return
    st.session_state[_SAID] = (
        f"Taken back: {undone.text}" if undone else "Nothing to take back",
        ":material/undo:",
    )


@st.cache_resource(max_entries=20, show_spinner=False)
def _decisions(
    name: str, fingerprint: str, path: str, last_action: int, _study: Study, _log: ReviewLog
) -> pd.DataFrame:
    return _log.state(_study)
