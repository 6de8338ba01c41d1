"""The dialog that asks for a decision about some images: a draft until it is recorded.

All decisions are taken in callbacks. They run before the page is drawn, so a second click or a key
cannot interrupt them.
"""

import hashlib
from typing import NamedTuple

import numpy as np
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.wording import be, count, percent
from bnn_core.review.log import DECISIONS, LONGEST_NOTE, REASONS, Action, ReviewLog, clean_reviewer
from bnn_core.study.folder import Study
from pages.shared import blind, drafts, reviewer, studies
from pages.shared.words import plain

#: In the session: the open form, as (its name, the last action of the log that the reviewer has
#: seen), and its problems, as {field: text}.
_OPEN, _PROBLEMS = "_flag_form_open", "_flag_form_problems"
#: In the session: how often the button to record was pressed.
_PRESSES = "_flag_form_presses"
#: In the session: the flag recorded last, and the name of its form until a form is opened.
_RECORDED, _DONE = "_flag_form_recorded", "_flag_form_done"
_FIELDS = ("reason", "decision", "new_label", "note")
#: Most classes that have a button each.
MOST_BUTTONS = 15


class Verb(NamedTuple):
    """What a control is called: its button, its dialog, and the message afterwards."""

    button: str
    title: str
    done: str


FLAG = Verb("Flag", "Flag", "Flagged")
DECIDE = Verb("Decide", "Decide on", "Decided on")


class Recorded(NamedTuple):
    """A recorded flag: the control's key and verb, the study, the action and the rows.

    seen: number of the last action of the log that the reviewer had seen.
    """

    key: str
    verb: Verb
    study: str
    action: Action
    rows: list[int]
    seen: int


class Form(NamedTuple):
    """The subject of a form.

    key: of the control that opens it. filter_text: how the rows were selected, for the log. known:
    initial reason, decision, new_label and note.
    """

    study: Study
    rows: np.ndarray
    filter_text: str
    key: str
    known: dict[str, str | None]
    log: ReviewLog
    verb: Verb = FLAG

    @property
    def name(self) -> str:
        """A name that depends on the images: a note for one image never goes to another."""
        digest = hashlib.sha256(repr((self.study.name, sorted(self.known.items()))).encode())
        digest.update(np.sort(self.rows).tobytes())
        return f"{self.key}_{digest.hexdigest()[:16]}"

    @property
    def is_open(self) -> bool:
        """Whether the dialog is open."""
        return st.session_state.get(_OPEN, ("", 0))[0] == self.name

    @property
    def has_draft(self) -> bool:
        """Whether there are entries that are not recorded."""
        return bool(drafts.read(self.name))

    def open(self) -> None:
        """Open the dialog: call it before `draw`."""
        st.session_state[_OPEN] = (self.name, self.log.last_action())
        st.session_state.pop(_DONE, None)
        st.session_state.pop(_PROBLEMS, None)

    def discard(self) -> None:
        """Forget the entries; a callback."""
        drafts.drop(self.name)


def shut() -> None:
    """Close the dialog and keep the entries; a callback, also called when a page is left."""
    st.session_state.pop(_OPEN, None)
    st.session_state.pop(_PROBLEMS, None)


def keep_note(form: str, note: str) -> None:
    """Keep the note of the form with this name as a draft."""
    drafts.keep(form, note=note[:LONGEST_NOTE])


def last_recorded() -> Recorded | None:
    """The flag recorded last in this session, until it is forgotten."""
    return st.session_state.get(_RECORDED)


def forget_recorded() -> None:
    """Withdraw the offer to undo."""
    st.session_state.pop(_RECORDED, None)


def draw(form: Form, decided: int) -> None:
    """The dialog. decided: number of images that already have a decision."""
    dialog = st.dialog(
        f"{form.verb.title} {count(len(form.rows), 'image')}",
        width="medium",
        icon=":material/flag:",
        on_dismiss=shut,
    )
    dialog(_fields)(form, decided)


def _fields(form: Form, decided: int) -> None:
    if not form.is_open:
        st.rerun()  # recorded or closed: the page is drawn without the dialog
    entered = form.known | drafts.read(form.name)
    alone = f"{form.study.images['image_id'].iat[form.rows[0]]}, " if len(form.rows) == 1 else ""
    st.caption(plain(f"{alone}{form.filter_text}"))
    if decided:
        st.caption(
            f":material/history: {decided:,} of them {be(decided)} already on the list. "
            "The new decision counts from now on. Undo restores the earlier one."
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
    # In a container: the fields below keep their place and the text being typed.
    with st.container():
        if decision == "relabel":
            _pick_label(form, entered.get("new_label"), field("new_label"))
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
            form.verb.button,
            key=f"{form.key}_go",
            type="primary",
            icon=":material/flag:",
            on_click=_record,
            args=(form,),
        )
        st.caption("Your entries are kept for these images until they are recorded.")


def _pick_label(form: Form, given: str | None, field: dict[str, object]) -> None:
    """The classes, the likeliest of the images first. given: the entry; field: of the widget."""
    study = form.study
    p = studies.table(study, study.reading_method)[[f"p_{name}" for name in study.classes]]
    mean = p.iloc[form.rows].mean().fillna(0).to_numpy()
    order = np.argsort(-mean, kind="stable")
    classes = [study.classes[i] for i in order]
    shares = {study.classes[i]: percent(float(mean[i]), 0) for i in order}
    index = classes.index(given) if given in classes else None
    if len(classes) > MOST_BUTTONS:
        st.selectbox(
            "New label (required)",
            classes,
            **field,
            index=index,
            format_func=lambda name: f"{name} ({shares[name]})",
        )
        return
    number = {name: f"**{i}** " for i, name in enumerate(classes[:9], 1)}
    st.radio(
        "New label (required)",
        classes,
        **field,
        index=index,
        horizontal=True,
        format_func=lambda name: f"{number.get(name, '')}{plain(name)} ({shares[name]})",
        help="With the mean softmax of these images. The keys 1 to 9 choose a class.",
    )


def _problem(field: str) -> None:
    """The problem of a field, below it."""
    # A new key for each press tells browser.js that the server has answered; it then moves the
    # focus to the field above.
    press = st.session_state.get(_PRESSES, 0)
    with st.container(key=f"flag_problem_{field}_{press}"):
        if text := st.session_state.get(_PROBLEMS, {}).get(field):
            st.markdown(f":red[:material/error: {plain(text)}]")


def _keep(form: Form, field: str) -> None:
    if st.session_state.get(_DONE) == form.name:
        return  # it arrived with the click that recorded the decision, whose callback ran first
    drafts.keep(form.name, **{field: st.session_state[f"{form.name}_{field}"]})
    st.session_state.get(_PROBLEMS, {}).pop(field, None)


def _record(form: Form) -> None:
    """Record the decision, or set the problem of a field."""
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
        problems["reviewer"] = "Type your name: the log records who decided."
    seen, latest = st.session_state[_OPEN][1], form.log.last_action()
    if not problems and blind.only() is None:
        others = form.log.decided_since(form.study, form.rows, seen)
        if others:
            problems["others"] = (
                others_in_words(others) + " while this form was open. Nothing is recorded "
                f"yet. Press {form.verb.button} again if your decision should count instead."
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
            form.key, form.verb, form.study.name, action, form.rows.tolist(), latest
        )
        st.session_state[_DONE] = form.name
        drafts.drop(form.name)
        shut()


def others_in_words(others: list[Action]) -> str:
    """Decisions in words: 'Ada decided 3 images: exclude (corrupted)'."""
    return "; ".join(f"{action.reviewer} decided {action.text}" for action in others)
