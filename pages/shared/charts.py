"""A chart with the table of its values: to read, for a screen reader, and as a CSV file."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from bnn_core.figures.values import values
from pages.shared.panels import file_name

#: Most rows of the table on the page; the file has all.
MOST_ROWS = 100


def draw(figure: go.Figure, *, key: str, config: dict[str, Any], **options: Any) -> Any:
    """`st.plotly_chart`, and below it a button that shows the values; returns its event.

    config: `style.chart_config`, which names the files. options: of `st.plotly_chart`.
    """
    with st.container(gap="xxsmall"):
        event = st.plotly_chart(figure, key=key, config=config, **options)
        part = st.popover(
            "Values",
            type="tertiary",
            icon=":material/table:",
            key=f"values_{key}",
            on_change="rerun",
            help="The numbers of this chart, and a CSV file. The camera on the chart saves it as SVG.",
        )
        if part.open:
            with part:
                _table(figure, key, config["toImageButtonOptions"]["filename"])
    return event


def _table(figure: go.Figure, key: str, name: str) -> None:
    table = values(figure)
    st.download_button(
        f"CSV ({len(table):,} rows)",
        key=f"csv_{key}",
        icon=":material/download:",
        on_click="ignore",
        data=table.to_csv(index=False).encode("utf-8-sig"),
        file_name=file_name(name),
        mime="text/csv",
    )
    shown = table.head(MOST_ROWS)
    st.html(
        '<div tabindex="0" role="region" aria-label="Values" style="max-height:20rem;overflow:auto;'
        f'font-size:.86rem">{shown.to_html(index=False, border=0, na_rep="", float_format="%.4g")}'
        "</div>"
    )
    if len(table) > len(shown):
        st.caption(f"The first {len(shown):,} of {len(table):,} rows.")
