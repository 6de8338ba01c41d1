"""The example decisions that came with a study: a button that puts them into the log."""

import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.review.examples import example_files, load_examples
from bnn_core.study.folder import Study
from pages.shared import reviewer
from pages.shared.flagging import review_log

#: Who loads them where no name is given.
NAMELESS = "Example"


def draw(study: Study, message_key: str) -> None:
    """The button, where the study has examples. message_key: of the state that holds the result."""
    if example_files(study):
        st.button(
            "Load example decisions",
            key="review_examples",
            icon=":material/group:",
            on_click=_load,
            args=(study, message_key),
            help="Decisions of two invented reviewers, who do not always agree. The button Remove "
            "takes them off the list again.",
        )


def _load(study: Study, message_key: str) -> None:
    try:
        loaded = load_examples(study, review_log(), reviewer.name().strip() or NAMELESS)
        st.session_state[message_key] = f"{count(loaded, 'example decision')} loaded."
    except InputError as error:
        st.session_state[message_key] = str(error)
