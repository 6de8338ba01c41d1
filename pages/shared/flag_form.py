"""The dialog that asks for a decision about some images: a draft until it is recorded.

Everything that must not be lost happens in callbacks. They run first, so a second click or a key
that interrupts the drawing of the page cannot interrupt them.
"""

import hashlib
from typing import NamedTuple

import numpy as np
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.wording import be, count
from bnn_core.review.log import DECISIONS, LONGEST_NOTE, REASONS, Action, ReviewLog, clean_reviewer
from bnn_core.study.folder import Study
from pages.shared import drafts, reviewer
from pages.shared.words import plain

#: In the session: the form that is open, as (its name, the last action of the log that the reviewer
#: knows of), and what is wrong in it, as {field: text}.
_OPEN, _PROBLEMS = "_flag_form_open", "_flag_form_problems"
#: In the session: how often the decision was to be recorded.
_PRESSES = "_flag_form_presses"
#: In the session: the flag recorded last, and the name of its form until one is opened again.
_RECORDED, _DONE = "_flag_form_recorded", "_flag_form_done"
_FIELDS = ("reason", "decision", "new_label", "note")


class Recorded(NamedTuple):
    """A flag as it was recorded: by which control, in which study, about which rows.

    seen: number of the last action of the log that the reviewer knew of.
    """

    key: str
    study: str
    action: Action
    rows: list[int]
    seen: int


class Form(NamedTuple):
    """What a form is about.

    key: of the control that opens it. filter_text: how the rows came about, for the log. known:
    reason, decision, new_label and note to begin with.
    """

    study: Study
    rows: np.ndarray
    filter_text: str
    key: str
    known: dict[str, str | None]
    log: ReviewLog

    @property
    def name(self) -> str:
        """Another one for other images: a note written for one image never goes with another."""
        digest = hashlib.sha256(repr((self.study.name, sorted(self.known.items()))).encode())
        digest.update(np.sort(self.rows).tobytes())
        return f"{self.key}_{digest.hexdigest()[:16]}"

    @property
    def is_open(self) -> bool:
        """Whether the dialog is to be drawn."""
        return st.session_state.get(_OPEN, ("", 0))[0] == self.name

    @property
    def has_draft(self) -> bool:
        """Whether something was entered and not recorded."""
        return bool(drafts.read(self.name))

    def open(self) -> None:
        """Show the dialog from the next drawing on; a callback."""
        st.session_state[_OPEN] = (self.name, self.log.last_action())
        st.session_state.pop(_DONE, None)
        st.session_state.pop(_PROBLEMS, None)

    def discard(self) -> None:
        """Forget what was entered; a callback."""
        drafts.drop(self.name)


def shut() -> None:
    """Show no dialog; what was entered is kept. A callback, and for a page that is left."""
    st.session_state.pop(_OPEN, None)
    st.session_state.pop(_PROBLEMS, None)


def last_recorded() -> Recorded | None:
    """The flag recorded last in this session, until it is forgotten."""
    return st.session_state.get(_RECORDED)


def forget_recorded() -> None:
    """Offer no undo any more."""
    st.session_state.pop(_RECORDED, None)


def draw(form: Form, decided: int) -> None:
    """The dialog. decided: how many of the images have a decision already."""
    dialog = st.dialog(
        f"Flag {count(len(form.rows), 'image')}",
        width="medium",
        icon=":material/flag:",
        on_dismiss=shut,
    )
    dialog(_fields)(form, decided)


def _fields(form: Form, decided: int) -> None:
    if not form.is_open:
        st.rerun()  # recorded, or left: the page draws itself without the dialog
    entered = form.known | drafts.read(form.name)
    alone = f"{form.study.images['image_id'].iat[form.rows[0]]}, " if len(form.rows) == 1 else ""
    st.caption(plain(f"{alone}{form.filter_text}"))
    if decided:
        st.caption(
            f":material/history: {decided:,} of them {be(decided)} on the list already. "
            "The new decision counts from now on. Undo brings the earlier one back."
        )

    def field(name: str) -> dict[str, object]:
        return {"key": f"{form.name}_{name}", "on_change": _keep, "args": (form, name)}

    st.selectbox(
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
    # In a container: the fields below would be redrawn, and lose what is being typed.
    with st.container():
        if decision == "relabel":
            classes = form.study.classes
            given = entered.get("new_label")
            st.selectbox(
                "New label (required)",
                classes,
                **field("new_label"),
                index=classes.index(given) if given in classes else None,
            )
            _problem("new_label")
    st.text_area(
        "Note", **field("note"), max_chars=LONGEST_NOTE, height=80, value=entered.get("note") or ""
    )
    reviewer.ask(f"{form.key}_name")
    _problem("reviewer")
    _problem("others")
    _problem("log")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Flag",
            key=f"{form.key}_go",
            type="primary",
            icon=":material/flag:",
            on_click=_record,
            args=(form,),
        )
        st.caption("What you enter is kept for these images until it is recorded.")


def _problem(field: str) -> None:
    """What is wrong with a field, below it."""
    # Another key for each press: browser.js then knows that the server has answered, and moves the
    # focus to the field above.
    press = st.session_state.get(_PRESSES, 0)
    with st.container(key=f"flag_problem_{field}_{press}"):
        if text := st.session_state.get(_PROBLEMS, {}).get(field):
            st.markdown(f":red[:material/error: {plain(text)}]")


def _keep(form: Form, field: str) -> None:
    if st.session_state.get(_DONE) == form.name:
        return  # it came with the click that recorded the decision, whose callback ran first
    drafts.keep(form.name, **{field: st.session_state[f"{form.name}_{field}"]})
    st.session_state.get(_PROBLEMS, {}).pop(field, None)


def _record(form: Form) -> None:
    """Record the decision, or say at which field it fails."""
    st.session_state[_PRESSES] = st.session_state.get(_PRESSES, 0) + 1
    if not form.is_open:
        return  # a second click: the first one recorded it
    for field in _FIELDS:
        if (key := f"{form.name}_{field}") in st.session_state:
            drafts.keep(form.name, **{field: st.session_state[key]})
    draft = form.known | drafts.read(form.name)
    relabel = draft["decision"] == "relabel"
    problems = {}
    if relabel and not draft.get("new_label"):
        problems["new_label"] = "Choose the new label."
    who = reviewer.take(f"{form.key}_name")
    try:
        who = clean_reviewer(who)
    except InputError:
        problems["reviewer"] = "Type your name: the log keeps who decided."
    seen, latest = st.session_state[_OPEN][1], form.log.last_action()
    if not problems:
        others = form.log.decided_since(form.study, form.rows, seen)
        if others:
            problems["others"] = (
                in_words(others) + " while this form was open. Nothing is recorded "
                "yet. Press Flag again if your decision is to count instead."
            )
            st.session_state[_OPEN] = (form.name, latest)
    if not problems:
        try:
            action = form.log.flag(
                form.study,
                form.rows.tolist(),
                reviewer=who,
                reason=draft["reason"],
                decision=draft["decision"],
                new_label=draft["new_label"] if relabel else None,
                note=draft.get("note") or "",
                filter=form.filter_text,
            )
        except InputError as error:
            problems["log"] = f"Not recorded: {error}"
    st.session_state[_PROBLEMS] = problems
    if not problems:
        st.session_state[_RECORDED] = Recorded(
            form.key, form.study.name, action, form.rows.tolist(), latest
        )
        st.session_state[_DONE] = form.name
        drafts.drop(form.name)
        shut()


def in_words(others: list[Action]) -> str:
    """Who decided what: 'Ada decided 3 images: exclude (corrupted)'."""
    return "; ".join(f"{action.reviewer} decided {action.text}" for action in others)
