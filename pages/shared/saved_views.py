"""Saved views in the sidebar: open one, save this one, remove one."""

from urllib.parse import urlencode

import streamlit as st

from bnn_core.base import roots
from bnn_core.base.errors import InputError
from bnn_core.review import saved_views
from bnn_core.study.catalogue import cache_root
from pages.shared.html import rendered
from pages.shared.words import plain

_NAME, _PROBLEM = "view_name", "_view_problem"


def draw(page: str) -> None:
    """The expander. page: last part of the address of the page in view."""
    try:
        views = saved_views.saved_views(cache_root())
    except InputError as error:
        st.warning(plain(error), icon=":material/warning:")
        return
    if roots.read_only() and not views:
        return
    title = f"Saved views ({len(views)})" if views else "Saved views"
    with st.expander(title, key="saved_views"):  # the key keeps it open when the number changes
        for number, view in enumerate(views):
            with st.container(horizontal=True, vertical_alignment="center", wrap=False):
                # A whole page is loaded: a session keeps widgets that the new address does not have.
                st.html(rendered("shared/templates/view_link.html", **view))
                if not roots.read_only():
                    st.button(
                        "Remove this view",
                        key=f"view_remove_{number}",
                        icon=":material/close:",
                        type="tertiary",
                        on_click=_remove,
                        args=(view["name"],),
                    )
        if not roots.read_only():
            st.text_input(
                "Save this view as",
                key=_NAME,
                max_chars=saved_views.LONGEST_VIEW_NAME,
                placeholder="name, then Enter",
                on_change=_save,
                args=(page,),
                help="Keeps the page, the study, the filters and the selection under a name for "
                "everybody who uses this folder of studies. The same name replaces the view.",
            )
        if problem := st.session_state.pop(_PROBLEM, None):
            st.error(plain(problem), icon=":material/error:")


def _save(page: str) -> None:
    name = st.session_state[_NAME]
    if not name.strip():
        return
    lists = {key: st.query_params.get_all(key) for key in st.query_params}
    query = urlencode(lists, doseq=True)
    try:
        saved_views.save_view(cache_root(), name, page, query)
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
    else:
        st.session_state[_NAME] = ""
        st.toast(f"Saved the view “{plain(name.strip())}”", icon=":material/bookmark:")


def _remove(name: str) -> None:
    try:
        saved_views.remove_view(cache_root(), name)
    except InputError as error:
        st.session_state[_PROBLEM] = str(error)
