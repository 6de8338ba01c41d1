"""Undo and redo of what one reviewer did, and the message about it."""

import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.study.folder import Study
from pages.shared import blind, reviewer
from pages.shared.flagging import review_log
from pages.shared.words import plain

#: State that holds the message about the last action, shown by the next run.
MESSAGE = "_review_said"


def draw(study: Study) -> None:
    """The reviewer's name, undo and redo of what this reviewer did."""
    log, name = review_log(), reviewer.name()
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        reviewer.ask(
            "review_name",
            width=220,
            help="Undo and Redo apply to decisions made under this name. This browser remembers it.",
        )
        reviewer.remember()
        for word, key, icon, ask, do in (
            ("Undo", "U", "undo", log.undoable, log.undo),
            ("Redo", "Y", "redo", log.redoable, log.redo),
        ):
            action = ask(study, name) if name.strip() else None
            # Not disabled where there is nothing to do: pressing its key always shows a message.
            looks = "able" if action else "idle"
            st.container(key=f"{looks}_{word}", width="content").button(
                word,
                key=f"review_{word}",
                icon=f":material/{icon}:",
                shortcut=key,
                on_click=toggle,
                args=(study, word, do),
                help=plain(action.text) if action else _nothing_to(word, name),
            )
        blind.toggle()


def toggle(study: Study, word: str, do) -> None:
    """Undo or redo; a callback."""
    name = reviewer.name()
    try:
        action = do(study, name) if name.strip() else None
        st.session_state[MESSAGE] = (
            _nothing_to(word, name)
            if action is None
            else f"{'Undone' if word == 'Undo' else 'Redone'}: {action.text}"
        )
    except InputError as error:
        st.session_state[MESSAGE] = str(error)


def _nothing_to(word: str, name: str) -> str:
    if not name.strip():
        return f"{word} needs your name: type the name under which the decision was made."
    return f"There is nothing to {word.lower()} under the name {plain(name)}."
