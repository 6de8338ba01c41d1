"""What every page asks for: the study, its tables, the rows that pass the filters, images by URL.

Pages import from the repository root: `from pages.shared import frame`. Beside this module:
`wall.image_wall` (images to click), `panels.detail` and `panels.selection_panel` (one image, a
selection), `flagging.flag_control`; `filters` and `scores`, which only pages/main.py draws.
"""

import base64
import binascii
import functools
import zlib
from collections.abc import Callable
from urllib.parse import quote, urlencode

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.methods import method_of
from bnn_core.base.scores import DEFAULT, SCORES
from bnn_core.study.folder import Study
from pages.shared import filters, pictures, scores, studies
from pages.shared.studies import table

__all__ = [
    "among_rows",
    "current_study",
    "cutoff",
    "cutoff_of",
    "filter_key",
    "filter_text",
    "filtered_rows",
    "fragment",
    "image_link",
    "image_url",
    "open_image",
    "table",
]

ONE_IMAGE = "one_image/page.py"
#: Most rows that a link carries along for previous and next: a window around the image of longer
#: selections. 500 rows of a million, in any order, are about 2,000 characters of address.
MOST_AMONG = 500
_OPEN = "_open_image"


def current_study() -> Study:
    """The study named by ?study=; shows why and stops the page when none can be opened."""
    name = st.session_state.get("study")
    if not name:
        st.stop()
    try:
        return studies.opened(name)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        st.caption("The other studies can still be chosen in the sidebar.")
        st.stop()


def fragment(function: Callable[..., None]) -> Callable[..., None]:
    """`st.fragment` that shows an InputError as its one line, as the pages do outside of fragments.

    A part of a page decorated with it runs alone when something in it is clicked.
    """

    @st.fragment
    @functools.wraps(function)
    def guarded(*args: object, **kwargs: object) -> None:
        try:
            function(*args, **kwargs)
        except InputError as error:
            st.error(str(error), icon=":material/error:")

    return guarded


def filtered_rows() -> np.ndarray:
    """Row numbers (int64, ascending) of the current study that pass the shared filters."""
    return filters.passing(current_study())


def filter_text() -> str:
    """The shared filters in plain words, 'all images' when none is set."""
    return filters.text(current_study())


def filter_key() -> str:
    """Text that differs whenever the study or the filters do: for keys of caches and charts."""
    return filters.key(current_study())


def cutoff() -> scores.Cutoff:
    """The score in force and its cut-off: `.score`, `.value`, `.threshold`, `.text`."""
    return scores.cutoff(current_study())


def cutoff_of(method: str, own: pd.DataFrame) -> scores.Cutoff:
    """`cutoff` for a method whose table is `own`; signed confidence, and a note, where it lacks it."""
    cut = cutoff()
    if cut.score in own and own[cut.score].notna().any():
        return cut
    st.caption(
        f"{method_of(method).short} has no {SCORES[cut.score].name.lower()}; "
        f"{SCORES[DEFAULT].short} is shown instead."
    )
    return scores.Cutoff(DEFAULT, 0.5)


def image_url(study: Study, row: int, size: str = "thumb", **render: object) -> str:
    """Address of an image: size 'thumb' or 'full'; `render` (channels, contrast, ...) for 'full'.

    The address holds a digest of the content, so browsers may keep the answer for ever.
    """
    options = {"v": pictures.version(study, row), **{k: str(v) for k, v in render.items()}}
    return f"/image/{quote(study.name, safe='')}/{size}/{row}?{urlencode(options)}"


def image_link(study: Study, row: int, among: np.ndarray | None = None) -> dict[str, str]:
    """Query parameters that show `row` on One image, `among` being what previous/next walk through.

    For `st.page_link("one_image/page.py", query_params=...)`. `among` None: the filtered rows.
    """
    link = {"image": str(study.images["image_id"].iat[row])}
    if among is not None and len(among):
        link["among"] = _packed(_window(np.asarray(among, dtype=np.int64), row))
    return link


def open_image(study: Study, row: int, among: np.ndarray | None = None) -> None:
    """Switch to the page One image at `row`; previous/next walk through `among` in its order."""
    # Only a run of the whole app keeps the filters in the address when the page changes; from
    # within a fragment they would fall off. So the switch is left to pages/main.py.
    st.session_state[_OPEN] = image_link(study, row, among)
    st.rerun(scope="app")


def follow_open_image() -> None:
    """Do what `open_image` asked for; pages/main.py calls it once its own widgets are drawn."""
    link = st.session_state.pop(_OPEN, None)
    if link is not None:
        st.switch_page(ONE_IMAGE, query_params=link)


def among_rows() -> np.ndarray:
    """On One image: the rows that previous/next walk through, as the address says."""
    rows = _unpacked(st.query_params.get("among", ""))
    if rows is None or len(rows) == 0 or rows.max() >= len(current_study().images):
        return filtered_rows()
    return rows


def _window(rows: np.ndarray, row: int) -> np.ndarray:
    if len(rows) <= MOST_AMONG:
        return rows
    here = np.flatnonzero(rows == row)
    start = int(here[0]) - MOST_AMONG // 2 if len(here) else 0
    start = min(max(start, 0), len(rows) - MOST_AMONG)
    return rows[start : start + MOST_AMONG]


def _packed(rows: np.ndarray) -> str:
    """Row numbers in any order as text for an address: differences, squeezed, base64."""
    steps = np.diff(rows, prepend=0).astype("<i4")
    # Bytes of one significance stand together: the high ones are mostly equal and vanish.
    planes = steps.view(np.uint8).reshape(-1, 4).T.tobytes()
    return base64.urlsafe_b64encode(zlib.compress(planes, 9)).rstrip(b"=").decode()


def _unpacked(text: str) -> np.ndarray | None:
    try:
        squeezed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        planes = zlib.decompressobj().decompress(squeezed, 4 * MOST_AMONG)
        steps = np.frombuffer(planes, np.uint8).reshape(4, -1).T.copy().view("<i4").ravel()
    except (binascii.Error, ValueError, zlib.error):
        return None
    rows = np.cumsum(steps, dtype=np.int64)
    return rows if len(rows) and rows.min() >= 0 else None
