"""Blind review: on request a reviewer sees no decision of anybody else."""

import streamlit as st

from pages.shared import reviewer

_WIDGET, _ON = "blind", "_blind_on"


def only() -> str | None:
    """The reviewer whose decisions alone are shown, or None for those of all."""
    return (reviewer.name().strip() or None) if st.session_state.get(_ON) else None


def toggle() -> None:
    """The switch. It holds for this session, on every page."""
    st.session_state[_WIDGET] = st.session_state.get(_ON, False)
    st.toggle(
        "Blind",
        key=_WIDGET,
        on_change=_keep,
        disabled=not reviewer.name().strip(),
        help="Hides the decisions of other reviewers on every page, so that two people decide "
        "independently. It needs your name. Switch it off to see how far you agree. Exports hold "
        "all decisions.",
    )


def _keep() -> None:
    st.session_state[_ON] = st.session_state[_WIDGET]
