"""Menus whose options differ between studies."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from bnn_core.base.methods import method_of


def restrict(key: str, options: Sequence[Any], default: Any) -> None:
    """Make the value of a widget one of its `options`; call it before the widget is drawn.

    Any other value becomes `default`. A list loses such values, and becomes `default` (a list)
    when it loses all of them. The value is set and never deleted: the browser and the address
    would restore a deleted value.
    """
    value = st.session_state.get(key)
    if isinstance(value, list):
        kept = [one for one in value if one in options]
        if kept != value:
            st.session_state[key] = kept or list(default)
    elif value is not None and value not in options:
        st.session_state[key] = default


def pick(label: str, options: Sequence[Any], *, key: str, default: Any = None, **looks: Any) -> Any:
    """One of `options` in a row of buttons, kept in the address; `default` is the first one.

    looks: further arguments of `st.segmented_control`.
    """
    if default is None:
        default = options[0]
    restrict(key, options, default)
    return st.segmented_control(
        label, options, default=default, key=key, required=True, bind="query-params", **looks
    )


def pick_network(methods: Sequence[str], label_visibility: str = "visible") -> str:
    """The menu of the methods whose predictions a page shows; nothing to choose with one method."""
    if len(methods) == 1:
        return methods[0]
    return pick(
        "Network",
        methods,
        key="network",
        width="content",
        format_func=lambda key: method_of(key).short,
        label_visibility=label_visibility,
    )
