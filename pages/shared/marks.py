"""Charts whose marks lead somewhere: the address keeps what was clicked, "Close" lets go of it."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

_ROUND = "_marks_round"


def clickable_chart(figure: go.Figure, key: str, name: str, say: Callable[[Any], str],
                    **options: Any) -> None:
    """A chart that puts the mark clicked last into the address.

    A new figure would forget its selection, and Back could not return to it. name: the address's
    parameter. say: the parameter's text from a mark's customdata. options: of `st.plotly_chart`.
    """
    # After a Close another key: Plotly keeps a mark selected, and clicking it again would only
    # let go of it.
    count = st.session_state.get(_ROUND, 0)
    key = f"{key}_{count}" if count else key

    def keep() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and "customdata" in points[-1]:
            st.query_params[name] = say(points[-1]["customdata"])

    st.plotly_chart(figure, key=key, on_select=keep, selection_mode="points", **options)


def close_button(name: str) -> None:
    """Takes the mark out of the address."""
    st.button("Close", key=f"{name}_close", icon=":material/close:", type="tertiary",
              on_click=_let_go, args=(name,))


def _let_go(name: str) -> None:
    st.query_params.pop(name, None)
    st.session_state[_ROUND] = st.session_state.get(_ROUND, 0) + 1
