"""Empty states: a message, and a sketch of what would be here."""

import base64

import streamlit as st

from pages.shared.html import rendered


def empty(sketch: str, message: str, icon: str) -> None:
    """What to do, and below it an example drawn: a "plate", "wall", "list", "bars" or "points".

    icon: of `st.info`.
    """
    st.info(message, icon=icon)
    # An <svg> of its own is removed by Streamlit; a picture is not.
    drawing = rendered("shared/templates/sketch.svg", name=sketch).encode()
    st.html(rendered("shared/templates/sketch.html", data=base64.b64encode(drawing).decode()))
