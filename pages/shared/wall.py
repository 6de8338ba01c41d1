"""The image wall: thumbnails as buttons, one component for all pages."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.errors import InputError
from bnn_core.base.scores import DEFAULT_SCORE, SCORES
from bnn_core.base.wording import count, two_digits
from bnn_core.images.rendering import open_thumbnail
from bnn_core.measures.levels import wrong_rows
from bnn_core.study.folder import Study
from pages.shared import frame, pictures, studies

#: Most tiles on a wall; the wall shows how many images there are.
MOST_TILES = 500
#: Parameter of the address: id of the image that is open beside or below a wall.
OPENED = "opened"
_HERE = Path(__file__).parent
_component = st.components.v2.component(
    "image_wall",
    html=(_HERE / "wall.html").read_text(encoding="utf-8"),
    css=(_HERE / "wall.css").read_text(encoding="utf-8"),
    js=(_HERE / "wall.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class WallResult:
    """`opened`: the row of the address on this wall (or None). `selected`: the marked rows."""

    opened: int | None = None
    selected: list[int] = field(default_factory=list)


def image_wall(
    rows: np.ndarray,
    *,
    key: str,
    method: str | None = None,
    height: int | None = None,
    selectable: bool = True,
    caption: str | None = None,
    flagged: Iterable[int] = (),
    on_open: Callable[[int], None] | None = None,
) -> WallResult:
    """Thumbnails of `rows` of the current study, in the given order; the first 500 of them.

    A click or Enter opens a tile; Space, Ctrl-click or the tick marks it, Shift extends. method:
    of the predictions and scores in the captions; None: the Bayesian method, else the first.
    height: in pixels, above which the wall scrolls; None: no limit. caption: a column of the
    method's table to show instead of the confidence. flagged: rows with the flag mark. on_open:
    called with the row of each click before the page is drawn again, for walls whose images open
    another view; None: the address keeps the opened image, one for all walls of the page.
    """
    study = frame.current_study()
    rows = np.asarray(rows, dtype=np.int64)
    shown = rows[:MOST_TILES]
    shown_rows = set(shown.tolist())
    tiles = _tiles(
        studies.identity(study),
        method or study.reading_method,
        tuple(shown.tolist()),
        caption or DEFAULT_SCORE,
        frozenset(shown_rows.intersection(flagged)),
        study,
    )
    key = _of_study(key, study)
    state = st.session_state.get(key) or {}
    opened = opened_row(study) if on_open is None else None
    opened = opened if opened in shown_rows else None
    selected = [row for row in state.get("selected") or [] if row in shown_rows]
    side = thumbnail_side(study)
    long = any(len(name) > 4 for name in study.classes)
    result = _component(
        key=key,
        height="content",
        # The browser redraws tiles only where "tiles" differs. It keeps the selected ones and drops
        # those that leave the wall.
        data={
            "tiles": tiles,
            "total": len(rows),
            "selectable": selectable,
            "height": height,
            "side": max(132 if long else 76, min(side, 112)),
            "long": long,
            "open": opened,
            "pixels": side <= pictures.PIXEL_ART,
            "name": count(len(shown), "image"),
            "empty": "No images.",
        },
        default={"selected": selected},
        on_selected_change=_no_action,
        on_opened_change=lambda: _follow(key, on_open or partial(put_opened, study)),
    )
    return WallResult(opened, [row for row in result.selected or [] if row in shown_rows])


def opened_row(study: Study) -> int | None:
    """The row of the image that is open on the page, from the address; None without one."""
    image_id = st.query_params.get(OPENED)
    if image_id is None:
        return None
    try:
        return study.row_of(image_id)
    except InputError:
        return None


def put_opened(study: Study, row: int) -> None:
    """Put the opened image into the address; a callback."""
    st.query_params[OPENED] = str(study.images["image_id"].iat[row])


def close_opened() -> None:
    """Remove the opened image from the address; a callback."""
    st.query_params.pop(OPENED, None)


def leading_wall(
    rows: np.ndarray, *, key: str, method: str, height: int, caption: str, flagged: Iterable[int]
) -> None:
    """A wall whose images open on One image, previous and next walking through the wall."""
    image_wall(
        rows,
        key=key,
        selectable=False,
        method=method,
        height=height,
        caption=caption,
        flagged=flagged,
        on_open=lambda row: frame.open_image(frame.current_study(), row, rows),
    )
    frame.leave_fragment()


def thumbnail_side(study: Study) -> int:
    """Pixels of the longer side of the study's first thumbnail; 96 where it has none."""
    return _thumbnail_side(studies.identity(study), study)


@st.cache_resource(max_entries=20, show_spinner=False)
def _thumbnail_side(identity: str, _study: Study) -> int:
    for row in range(min(20, len(_study.images))):
        data = _study.thumbnail(row)
        if data:
            return max(open_thumbnail(data).size)
    return 96


@st.cache_resource(max_entries=32, show_spinner=False)
def _tiles(
    identity: str,
    method: str,
    rows: tuple[int, ...],
    caption: str,
    flagged: frozenset[int],
    _study: Study,
) -> list[dict[str, object]]:
    """The tiles for the component, one dictionary each."""
    part = studies.table(_study, method).iloc[list(rows)]
    wrong = wrong_rows(part)
    symbol = f"{SCORES[caption].symbol} " if caption in SCORES else ""
    tiles = []
    # The dose is on every tile, below the score.
    dosed = "concentration" in part and caption != "concentration"
    names = ("image_id", "label", "predicted", caption, "concentration" if dosed else caption)
    columns = (part[name].to_list() for name in names)
    for row, is_wrong, image_id, label, predicted, value, dose in zip(
        rows, wrong, *columns, strict=True
    ):
        label = None if pd.isna(label) else str(label)
        text = _caption(caption, value)
        dose_text = _caption("concentration", dose) if dosed else ""
        label_text = "no label" if label is None else f"label {label}"
        tiles.append(
            {
                "row": row,
                "id": str(image_id),
                "label": label,
                "predicted": str(predicted),
                "wrong": bool(is_wrong),
                "value": symbol + text,
                "dose": dose_text,
                "flagged": row in flagged,
                "url": frame.image_url(_study, row) if _study.has_thumbnail(row) else None,
                "alt": f"{image_id}: {label_text}, predicted {predicted}{', wrong' if is_wrong else ''}, "
                f"{caption.replace('_', ' ')} {text}{f', {dose_text}' if dose_text else ''}"
                f"{', flagged' if row in flagged else ''}",
            }
        )
    return tiles


def _of_study(key: str, study: Study) -> str:
    # Row 7 is another image in another study, so the state belongs to the study.
    return f"{key}_{study.name}"


def _caption(name: str, value: object) -> str:
    """A cell as the caption of a tile: doses with their unit, scores with two digits."""
    if pd.isna(value):
        return ""
    if name == "concentration":
        return f"{value:g} µM"
    return two_digits(value) if isinstance(value, float) else str(value)


def _follow(key: str, on_open: Callable[[int], None]) -> None:
    row = (st.session_state.get(key) or {}).get("opened")
    if row is not None:
        on_open(row)


def _no_action() -> None:
    """A component result has a state only with a callback."""
