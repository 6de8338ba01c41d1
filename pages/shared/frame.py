"""What every page needs: the study of the session, fragments, addresses of images and of pages.

Pages import from the repository root: `from pages.shared import frame`. The modules beside it:
`filters` (rows that pass), `scores` (score and cut-off), `studies` (tables of a study),
`wall.image_wall` (images to click), `panels.detail` and `panels.selection_panel` (one image, a
selection), `flagging.flag_control`. Only pages/main.py draws the filters and the score.
"""

import base64
import binascii
import functools
import zlib
from collections.abc import Callable
from urllib.parse import quote, urlencode

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from bnn_core.base.errors import InputError
from bnn_core.study.folder import Study
from pages.shared import filters, pictures, studies
from pages.shared.words import as_sentence

ONE_IMAGE = "one_image/page.py"
#: Most rows in a link for previous and next: a longer selection is cut to a window around the
#: image. 500 rows of a million, in any order, are about 2,000 characters of address.
MOST_AMONG = 500
_OPEN = "_open_page"
#: In the session: parameters of the address that the browser has, as far as the server knows.
_TOLD = "_address_told"


def current_study() -> Study:
    """The study named by ?study=; shows why and stops the page when none can be opened."""
    name = st.session_state.get("study")
    if not name:
        st.stop()
    try:
        return studies.opened(name)
    except InputError as error:
        st.error(as_sentence(error), icon=":material/error:")
        st.caption("The other studies can still be chosen in the sidebar.")
        st.stop()


def fragment(function: Callable[..., None]) -> Callable[..., None]:
    """`st.fragment` that shows an InputError as one line, like the pages outside of fragments.

    A part of a page decorated with it runs alone when something in it is clicked. At its end the
    browser has the address of what was drawn.
    """

    @st.fragment
    @functools.wraps(function)
    def guarded(*args: object, **kwargs: object) -> None:
        told = st.session_state.get(_TOLD, _address())
        st.session_state[_TOLD] = None  # until the end: a run may be interrupted
        try:
            function(*args, **kwargs)
        except InputError as error:
            st.error(as_sentence(error), icon=":material/error:")
        if (drawn := _address()) != told:
            # A click may arrive with the address from before the last step. What it draws is that
            # one's, and the browser has the other.
            st.query_params.update()
        st.session_state[_TOLD] = drawn

    return guarded


def _address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def narrow_window() -> bool:
    """Whether the browser's window is too narrow for a wide table; browser.js says so."""
    return bool(st.session_state.get("browser", {}).get("narrow"))


def menu_groups() -> tuple[DeltaGenerator, DeltaGenerator]:
    """Two groups of menus in one row; where they are too wide, the second has a row of its own."""
    row = st.container(horizontal=True, vertical_alignment="bottom", gap="medium")
    first, second = (
        row.container(horizontal=True, vertical_alignment="bottom", gap="medium", width="content")
        for _ in range(2)
    )
    return first, second


def image_url(study: Study, row: int, size: str = "thumb", **render: object) -> str:
    """Address of an image: size 'thumb' or 'full'; `render` (channels, contrast, ...) for 'full'.

    The address holds a digest of the content, so browsers may keep the answer without limit.
    """
    options = {"v": pictures.version(study, row), **{k: str(v) for k, v in render.items()}}
    return f"/image/{quote(study.name, safe='')}/{size}/{row}?{urlencode(options)}"


def image_link(study: Study, row: int, among: np.ndarray | None = None) -> dict[str, str]:
    """Query parameters that show `row` on One image; previous/next walk through `among`.

    For `st.page_link("one_image/page.py", query_params=...)`. `among` None: the filtered rows.
    """
    link = {"image": str(study.images["image_id"].iat[row])}
    if among is not None and len(among):
        link["among"] = _packed(_window(np.asarray(among, dtype=np.int64), row))
    return link


def open_image(study: Study, row: int, among: np.ndarray | None = None) -> None:
    """Switch to One image at `row`; previous/next walk through `among` in its order. A callback."""
    open_page(ONE_IMAGE, image_link(study, row, among))


def open_page(file: str, query: dict[str, str]) -> None:
    """Switch to a page with these parameters of the address. A callback."""
    st.session_state[_OPEN] = (file, query)


def leave_fragment() -> None:
    """Draw the whole app where `open_page` was called.

    Only a full run keeps the filters in the address when the page changes, so pages/main.py makes
    the switch.
    """
    if _OPEN in st.session_state:
        st.rerun(scope="app")


def follow_open_page() -> None:
    """Make the switch of `open_page`; pages/main.py calls it after its widgets are drawn."""
    file, query = st.session_state.pop(_OPEN, (None, {}))
    if file is not None:
        st.switch_page(file, query_params=query)


def among_rows(study: Study) -> np.ndarray:
    """On One image: the rows that previous/next walk through, from the address."""
    rows = _unpacked(st.query_params.get("among", ""))
    if rows is None or len(rows) == 0 or rows.max() >= len(study.images):
        return filters.passing(study)
    return rows


def _window(rows: np.ndarray, row: int) -> np.ndarray:
    if len(rows) <= MOST_AMONG:
        return rows
    here = np.flatnonzero(rows == row)
    start = int(here[0]) - MOST_AMONG // 2 if len(here) else 0
    start = min(max(start, 0), len(rows) - MOST_AMONG)
    return rows[start : start + MOST_AMONG]


def _packed(rows: np.ndarray) -> str:
    """Row numbers in any order as text for an address: differences, compressed, base64."""
    steps = np.diff(rows, prepend=0).astype("<i4")
    # Bytes of one significance are adjacent: the high ones are mostly equal and compress well.
    planes = steps.view(np.uint8).reshape(-1, 4).T.tobytes()
    return base64.urlsafe_b64encode(zlib.compress(planes, 9)).rstrip(b"=").decode()


def _unpacked(text: str) -> np.ndarray | None:
    try:
        packed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        planes = zlib.decompressobj().decompress(packed, 4 * MOST_AMONG)
        steps = np.frombuffer(planes, np.uint8).reshape(4, -1).T.copy().view("<i4").ravel()
    except (binascii.Error, ValueError, zlib.error):
        return None
    rows = np.cumsum(steps, dtype=np.int64)
    return rows if len(rows) and rows.min() >= 0 else None
