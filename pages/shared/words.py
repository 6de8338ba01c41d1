"""Numbers and names as the pages write them."""

import re

import pandas as pd

#: Height of a row of `st.dataframe` at the font size of .streamlit/config.toml.
ROW_PIXELS = 33
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>:$~&])")


def plain(name: object) -> str:
    """A name from a user's table, escaped for Markdown."""
    return _MARKDOWN.sub(r"\\\1", str(name))


def as_sentence(message: object) -> str:
    """A message of the engine, which begins small and without a full stop, as a sentence for Markdown.

    A name at its start (fields.csv, 'x', --label) keeps its letters.
    """
    text = re.sub(r"^[a-z](?=[a-z]*:? )", lambda first: first[0].upper(), str(message))
    return plain(text if text.endswith((".", "!", "?", ":")) else f"{text}.")


def without_none(table: pd.DataFrame) -> pd.DataFrame:
    """The table with empty texts for missing ones, which Streamlit shows as a grey “None”."""
    texts = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
    return table.assign(
        **{name: table[name].astype(object).where(table[name].notna(), "") for name in texts}
    )


def table_height(rows: int, most: int) -> int:
    """Height of a `st.dataframe` in pixels: `most`, or less where it would show empty rows."""
    return min(most, ROW_PIXELS * (rows + 1) + 3)
