"""Charts with clickable marks: the address keeps the clicked mark, "Close" removes it."""

from collections.abc import Callable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages.shared import charts
from pages.shared.wall import close_opened

_ROUNDS, _LAST = "_marks_rounds", "_marks_last"


def clickable_chart(
    figure: go.Figure, key: str, name: str, as_text: Callable[[Any], str], **options: Any
) -> None:
    """A chart that puts the clicked mark into the address.

    A new figure loses its selection, so the address keeps it, also for Back. name: the parameter
    of the address. as_text: a mark's customdata as text. options: of `st.plotly_chart`.
    """
    key, chart = _keyed(key), key

    def keep() -> None:
        points = st.session_state[key]["selection"]["points"]
        if points and "customdata" in points[-1]:
            close_opened()
            st.query_params[name] = as_text(points[-1]["customdata"])
            st.toast("Its images are shown below the chart.", icon=":material/arrow_downward:")
            if st.session_state.get(_LAST) not in (None, chart):
                _unmark()
            st.session_state[_LAST] = chart

    charts.draw(figure, key=key, on_select=keep, selection_mode="points", **options)


def close_button(name: str) -> None:
    """A button that removes the mark from the address."""
    st.button(
        "Close",
        key=f"{name}_close",
        icon=":material/close:",
        type="tertiary",
        on_click=_remove,
        args=(name,),
    )


def _remove(name: str) -> None:
    st.query_params.pop(name, None)
    _unmark()


def _keyed(chart: str) -> str:
    count = st.session_state.get(_ROUNDS, {}).get(chart, 0)
    return f"{chart}_{count}" if count else chart


def _unmark() -> None:
    """Give the chart that was clicked last a new key.

    Plotly keeps a mark selected. Beside a mark clicked in another chart this misleads, and a second
    click would only clear it.
    """
    last = st.session_state.pop(_LAST, None)
    rounds = st.session_state.get(_ROUNDS, {})
    if last is not None:
        st.session_state[_ROUNDS] = {**rounds, last: rounds.get(last, 0) + 1}
