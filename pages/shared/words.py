"""Numbers and names as the pages write them."""

import re

import pandas as pd

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>:$~&])")


def plain(name: object) -> str:
    """A name from a user's table, escaped for Markdown."""
    return _MARKDOWN.sub(r"\\\1", str(name))


def without_none(table: pd.DataFrame) -> pd.DataFrame:
    """The table with empty texts for missing ones, which Streamlit shows as a grey “None”."""
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(
        **{name: table[name].astype(object).where(table[name].notna(), "") for name in texts}
    )


def table_height(rows: int, most: int) -> int:
    """Height of a `st.dataframe` in pixels: `most`, or less where it would show empty rows."""
    return min(most, 35 * (rows + 1) + 3)
