"""A chart to take away: as SVG and PNG with a caption, its values as a table and as CSV."""

import re
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st
from markupsafe import Markup

from bnn_core.base.scores import SCORES
from bnn_core.base.wording import count
from bnn_core.figures.values import values
from bnn_core.review.exporting import csv_bytes
from pages.shared import filters, frame, scores
from pages.shared.html import rendered
from pages.shared.judged import unscored
from pages.shared.panels import file_name

#: Most rows of the table on the page; the file has all.
MOST_ROWS = 100
_HERE = Path(__file__).parent
_saver = st.components.v2.component(
    "figure",
    html=(_HERE / "figure.html").read_text(encoding="utf-8"),
    css=(_HERE / "figure.css").read_text(encoding="utf-8"),
    js=(_HERE / "figure.js").read_text(encoding="utf-8"),
)


def draw(
    figure: go.Figure,
    *,
    key: str,
    config: dict[str, Any],
    alt: str,
    of: str | None = None,
    scored: bool = True,
    **options: Any,
) -> Any:
    """`st.plotly_chart`, and below it a button for its files; returns its event.

    config: `style.chart_config`, which names the files. alt: what the chart shows, for screen
    readers and for its caption. of: which images, where these are not the filtered ones. scored:
    whether the chart follows the chosen score and cut-off. options: of `st.plotly_chart`.
    """
    with st.container(gap="xxsmall"):
        event = st.plotly_chart(figure, key=key, config=config, alt=alt, **options)
        part = st.popover(
            "Figure and values",
            type="tertiary",
            icon=":material/download:",
            key=f"values_{key}",
            on_change="rerun",
            help="This chart as SVG and PNG with a caption, and its numbers as CSV.",
        )
        if part.open:
            with part:
                _files(
                    figure,
                    key,
                    config["toImageButtonOptions"]["filename"],
                    caption(alt, of, scored),
                )
    return event


def caption(shows: str, of: str | None = None, scored: bool = True) -> str:
    """What a chart shows, of which study, filter and number of images, and the cut-off in use.

    of, scored: as in `draw`.
    """
    study = frame.current_study()
    if of is None:
        n, total, left_out = len(filters.passing(study)), len(study.images), unscored(study)
        of = (
            f"{filters.text(study)}: n = {count(n, study.noun)}"
            + (f" of {total:,}" if n < total else "")
            + (f", {n - left_out:,} with a label that counts" if left_out else "")
        )
    parts = [f"{shows[0].upper()}{shows[1:].rstrip('.')}", f"Study {study.name}, {of}"]
    if scored and scores.SHOWN in st.session_state:
        cut = scores.cutoff(study)
        parts.append(f"Score: {SCORES[cut.score].title}")
        if st.session_state[scores.SHOWN]:
            parts[-1] += f"; cut-off {cut.text}"
    return ". ".join(parts) + "."


def _files(figure: go.Figure, key: str, name: str, words: str) -> None:
    st.code(words, language=None, wrap_lines=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _saver(
            key=f"figure_{key}",
            data={
                "chart": re.sub(r"[^\w-]", "-", key.strip(), flags=re.ASCII),
                "name": file_name(name).removesuffix(".csv"),
                "caption": words,
            },
        )
        table = values(figure)
        st.download_button(
            f"CSV ({len(table):,} rows)",
            key=f"csv_{key}",
            icon=":material/download:",
            on_click="ignore",
            data=csv_bytes(table),
            file_name=file_name(name),
            mime="text/csv",
        )
    shown = table.head(MOST_ROWS)
    cells = shown.to_html(index=False, border=0, na_rep="", float_format="{:.4g}".format)
    st.html(rendered("shared/templates/values.html", table=Markup(cells)))
    if len(table) > len(shown):
        st.caption(f"The first {len(shown):,} of {len(table):,} rows.")
