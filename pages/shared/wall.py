"""The image wall: many thumbnails as buttons, one component for all pages."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from bnn_core.base.scores import DEFAULT, SCORES
from bnn_core.base.wording import count
from bnn_core.measures.levels import wrong_rows
from bnn_core.study.folder import Study
from pages.shared import frame, pictures, studies

#: More tiles than this are not looked through; the wall says how many there are.
MOST_TILES = 500
_HERE = Path(__file__).parent
_HTML = """<div class="wall">
<div class="bar"><span class="count" role="status"></span>
<button type="button" class="all">Select all</button>
<button type="button" class="none">Select none</button></div>
<div class="grid" role="group"></div>
</div>"""
_component = st.components.v2.component(
    "image_wall",
    html=_HTML,
    css=(_HERE / "wall.css").read_text(encoding="utf-8"),
    js=(_HERE / "wall.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class WallResult:
    """What the user did: `clicked` the row opened last (or None), `selected` the rows marked."""

    clicked: int | None = None
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
    whose prediction and confidence the captions give; None: the Bayesian method, else the first.
    height: at most so many pixels, then it scrolls; None: as high as needed. caption: a column of
    the method's table to show in place of the confidence. flagged: rows that carry the flag mark.
    on_open: called with the row of each click before the page is drawn again, for walls whose
    images lead elsewhere: no click is lost while the wall changes. `clicked` is then always None.
    """
    study = frame.current_study()
    rows = np.asarray(rows, dtype=np.int64)
    shown = rows[:MOST_TILES]
    here = set(shown.tolist())
    tiles = _tiles(
        studies.identity(study),
        method or study.reading_method,
        tuple(shown.tolist()),
        caption or DEFAULT,
        frozenset(here.intersection(flagged)),
        study,
    )
    key = _of_study(key, study)
    state = st.session_state.get(key) or {}
    clicked = state.get("clicked")
    clicked = clicked if clicked in here else None
    selected = [row for row in state.get("selected") or [] if row in here]
    side = thumbnail_side(study)
    long = any(len(name) > 4 for name in study.classes)
    result = _component(
        key=key,
        height="content",
        # The same after a click as before it: then nothing is sent again and no tile redrawn. What
        # is open and selected the browser knows first, and drops what is no longer on the wall.
        data={
            "tiles": tiles,
            "total": len(rows),
            "selectable": selectable,
            "height": height,
            "side": max(132 if long else 76, min(side, 112)),
            "long": long,
            "leads": on_open is not None,
            "pixels": side <= pictures.PIXEL_ART,
            "name": count(len(shown), "image"),
            "empty": "No image passes.",
        },
        default={"clicked": clicked, "selected": selected},
        on_clicked_change=_nothing,
        on_selected_change=_nothing,
        on_opened_change=_nothing if on_open is None else lambda: _follow(key, on_open),
    )
    clicked = result.clicked if result.clicked in here else None
    return WallResult(clicked, [row for row in result.selected or [] if row in here])


def clicked_on(key: str) -> int | None:
    """The row opened last on the wall `key` of the current study, or None; before it is drawn."""
    return (st.session_state.get(_of_study(key, frame.current_study())) or {}).get("clicked")


def leading_wall(
    rows: np.ndarray, *, key: str, method: str, height: int, caption: str, flagged: Iterable[int]
) -> None:
    """A wall whose images open on One image, previous and next walking through the wall."""
    clicked = image_wall(
        rows,
        key=key,
        selectable=False,
        method=method,
        height=height,
        caption=caption,
        flagged=flagged,
    ).clicked
    seen = f"{_of_study(key, frame.current_study())}_seen"
    # The wall keeps what was clicked; it must not call the page away again.
    new = clicked is not None and clicked != st.session_state.get(seen)
    st.session_state[seen] = clicked
    if new:
        frame.open_image(frame.current_study(), clicked, rows)


def thumbnail_side(study: Study) -> int:
    """Pixels of the longer side of the study's first thumbnail; 96 where it has none."""
    return _thumbnail_side(studies.identity(study), study)


@st.cache_resource(max_entries=20, show_spinner=False)
def _thumbnail_side(identity: str, _study: Study) -> int:
    for row in range(min(20, len(_study.images))):
        data = _study.thumbnail(row)
        if data:
            return max(Image.open(io.BytesIO(data)).size)
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
    """What the component draws, one dictionary per tile."""
    part = studies.table(_study, method).iloc[list(rows)]
    wrong = wrong_rows(part)
    symbol = f"{SCORES[caption].symbol} " if caption in (DEFAULT, "confidence") else ""
    tiles = []
    columns = (part[name].to_list() for name in ("image_id", "label", "predicted", caption))
    for row, is_wrong, image_id, label, predicted, value in zip(rows, wrong, *columns, strict=True):
        label = None if pd.isna(label) else str(label)
        text = _caption(caption, value)
        said = "no label" if label is None else f"label {label}"
        tiles.append(
            {
                "row": row,
                "id": str(image_id),
                "label": label,
                "predicted": str(predicted),
                "wrong": bool(is_wrong),
                "value": symbol + text,
                "flagged": row in flagged,
                "url": frame.image_url(_study, row) if _study.has_thumbnail(row) else None,
                "alt": f"{image_id}: {said}, predicted {predicted}{', wrong' if is_wrong else ''}, "
                f"{caption.replace('_', ' ')} {text}{', flagged' if row in flagged else ''}",
            }
        )
    return tiles


def _of_study(key: str, study: Study) -> str:
    # Row 7 is another image in another study: what was opened or selected there is not meant here.
    return f"{key}_{study.name}"


def _caption(name: str, value: object) -> str:
    """A cell as the caption of a tile: doses with their unit, scores with two digits."""
    if pd.isna(value):
        return ""
    if name == "concentration":
        return f"{value:g} µM"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _follow(key: str, on_open: Callable[[int], None]) -> None:
    row = (st.session_state.get(key) or {}).get("opened")
    if row is not None:
        on_open(row)


def _nothing() -> None:
    """Results hold a state only where a callback is named."""
