"""The current view of the page Mechanisms, and what its parts have in common."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.wording import count, listed, percent, short
from bnn_core.measures import mechanisms
from bnn_core.measures.mechanisms import Bins
from bnn_core.study.folder import Study
from pages.shared import choices
from pages.shared.wall import leading_wall
from pages.shared.words import plain

BINS = 20
#: At most this many compounds are drawn at once; the user chooses which.
MOST_COMPOUNDS, MOST_COLUMNS = 8, 4


class MechanismView(NamedTuple):
    """The current view: a label, one network's filtered table and the highlighted class.

    labelled: the rows of the table with the label.
    """

    study: Study
    method: str
    label: str
    highlight: str | None
    table: pd.DataFrame
    labelled: pd.DataFrame
    compounds: pd.DataFrame
    bins: Bins
    cut: float

    def rows(self, compound: str) -> pd.DataFrame:
        """The images of a compound that carry the label."""
        return mechanisms.compound_rows(self.labelled, [compound])


def compound_heading(view: MechanismView, compound: str) -> str:
    """A compound with its counts, in Markdown."""
    line = view.compounds.set_index("compound").loc[compound]
    if not line["n"]:
        return f"**{plain(compound)}**: {count(line['images'], 'image')}, not counted"
    text = (
        f"**{plain(compound)}**: n = {line['n']:,}, {percent(line['accuracy'], 1)} right "
        f"({line['right']:,})"
    )
    if line["called"]:
        each = " each" * (len(line["called"]) > 1)
        text += f"; {line['called_n']:,}{each} predicted as {plain(listed(list(map(short, line['called']))))}"
    return text


def pick_compounds(view: MechanismView, most: int, key: str, further: list[str] = ()) -> list[str]:
    """Compounds to show: all of the label up to `most`, the most wrong ones at first."""
    names = [*view.compounds["compound"], *further]
    if len(names) <= most and not further:
        return names
    worst = list(view.compounds["compound"][:most])
    choices.restrict(key, names, worst)
    return st.multiselect(
        f"Compounds (at most {most})",
        names,
        max_selections=most,
        key=key,
        default=worst,
        bind="query-params",
    )


def wall(view: MechanismView, rows: np.ndarray, key: str, height: int, flagged: list[int]) -> None:
    """A wall whose images open on One image, previous and next walking through the wall."""
    leading_wall(
        rows, key=key, method=view.method, height=height, caption=view.bins.score, flagged=flagged
    )
