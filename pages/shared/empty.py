"""Empty states: a message, and a sketch of what would be here."""

import base64

import streamlit as st

_BARS = (18, 30, 52, 64, 40, 22, 12)
_POINTS = ((20, 60), (38, 48), (55, 52), (72, 36), (96, 30), (120, 22), (140, 26), (150, 12))


def _squares(rows: int, columns: int, side: int, gap: int) -> str:
    return "".join(
        f'<rect x="{4 + column * (side + gap)}" y="{4 + row * (side + gap)}" width="{side}" '
        f'height="{side}" rx="2" opacity="{0.35 + 0.6 * ((3 * row + 5 * column) % 7) / 7:.2f}"/>'
        for row in range(rows)
        for column in range(columns)
    )


#: What would be here -> its sketch, 160 x 76.
SKETCHES = {
    "plate": _squares(5, 11, 11, 3),
    "wall": _squares(2, 4, 32, 6),
    "bars": "".join(
        f'<rect x="{6 + 22 * i}" y="{72 - height}" width="18" height="{height}"/>'
        for i, height in enumerate(_BARS)
    ),
    "points": "".join(f'<circle cx="{x}" cy="{y}" r="4"/>' for x, y in _POINTS),
    "list": "".join(
        f'<rect x="4" y="{6 + 18 * i}" width="12" height="12" rx="2"/>'
        f'<rect x="24" y="{9 + 18 * i}" width="{120 - 14 * i}" height="6" rx="3" opacity=".6"/>'
        for i in range(4)
    ),
}


def empty(sketch: str, message: str, icon: str) -> None:
    """An information with a sketch below it; sketch: a key of SKETCHES. icon: of `st.info`."""
    st.info(message, icon=icon)
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 160 76" fill="#808a91" '
        f'fill-opacity=".5">{SKETCHES[sketch]}</svg>'
    )
    # An <svg> of its own is removed by Streamlit; a picture is not.
    data = base64.b64encode(drawing.encode()).decode()
    st.html(
        f'<img src="data:image/svg+xml;base64,{data}" alt="" width="320" style="margin:.4rem 0 0 .2rem">'
    )
