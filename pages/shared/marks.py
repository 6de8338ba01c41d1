"""Charts whose marks lead somewhere: the address keeps what was clicked, "Close" lets go of it."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

_ROUNDS, _LAST = "_marks_rounds", "_marks_last"


def clickable_chart(
    figure: go.Figure, key: str, name: str, say: Callable[[Any], str], **options: Any
) -> None:
    """A chart that puts the mark clicked last into the address.

    A new figure would forget its selection, and Back could not return to it. name: the address's
    parameter. say: the parameter's text from a mark's customdata. options: of `st.plotly_chart`.
    """
    key, chart = _keyed(key), key

    def keep() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and "customdata" in points[-1]:
            st.query_params[name] = say(points[-1]["customdata"])
            if st.session_state.get(_LAST) not in (None, chart):
                _unmark()
            st.session_state[_LAST] = chart

    st.plotly_chart(figure, key=key, on_select=keep, selection_mode="points", **options)


def close_button(name: str) -> None:
    """Takes the mark out of the address."""
    st.button(
        "Close",
        key=f"{name}_close",
        icon=":material/close:",
        type="tertiary",
        on_click=_let_go,
        args=(name,),
    )


def _let_go(name: str) -> None:
    st.query_params.pop(name, None)
    _unmark()


def _keyed(chart: str) -> str:
    count = st.session_state.get(_ROUNDS, {}).get(chart, 0)
    return f"{chart}_{count}" if count else chart


def _unmark() -> None:
    """Give the chart that was clicked last another key.

    Plotly keeps a mark selected: beside one clicked elsewhere it would mislead, and a second click
    on it would only let go of it.
    """
    last = st.session_state.pop(_LAST, None)
    rounds = st.session_state.get(_ROUNDS, {})
    if last is not None:
        st.session_state[_ROUNDS] = {**rounds, last: rounds.get(last, 0) + 1}
