"""The images of other compounds that look most like the images of one suspect."""

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.base.wording import count
from bnn_core.measures.neighbours import nearest
from bnn_core.recipes.image_map import source_of
from bnn_core.study.folder import Study
from bnn_core.suspects.suspect import Case, Suspect
from pages.shared import flagging, spaces, studies
from pages.shared.wall import leading_wall
from pages.shared.words import plain

SHOWN, MOST_COMPOUNDS = 24, 4


def draw(study: Study, table: pd.DataFrame, who: Suspect, rows: np.ndarray, key: str) -> None:
    """The wall. rows: the images of the suspect."""
    source = source_of(study.images, study.embedding is not None)
    alike = _rows(studies.identity(study), repr(who), source, study, table, who, rows)
    if not len(alike):
        return
    st.markdown(f"**Other compounds that look most like it**: {plain(labels_of(table, alike))}")
    # They open on One image: one of them may be on a wall above too, and one tile is open at a time.
    leading_wall(
        alike,
        key=f"{key}_alike",
        method=study.reading_method,
        height=330,
        caption="compound" if "compound" in table else DEFAULT_SCORE,
        flagged=flagging.flagged_rows(study),
    )
    st.caption(f"{spaces.CAPTIONS[source]} Measured from the mean of this {who.level}'s images.")


def labels_of(table: pd.DataFrame, rows: np.ndarray) -> str:
    """How many of the rows have each label and the compounds of these: '20 of 24 are actin (a, b)'."""
    part = table.iloc[rows]
    lines = []
    for label, n in part["label"].value_counts().items():
        of_label = part[part["label"] == label]
        compounds = of_label["compound"].value_counts().index if "compound" in part else ()
        more = len(compounds) - MOST_COMPOUNDS
        names = ", ".join(map(str, compounds[:MOST_COMPOUNDS]))
        listed = f" ({names}{f' and {more} more' if more > 0 else ''})" if names else ""
        lines.append(f"{n} {label}{listed}")
    return f"of the {count(len(rows), 'closest image')}, {'; '.join(lines)}."


@st.cache_resource(max_entries=64, show_spinner=False)
def _rows(
    identity: str,
    who: str,
    source: str,
    _study: Study,
    _table: pd.DataFrame,
    _who: Suspect,
    _rows_of: np.ndarray,
) -> np.ndarray:
    features = spaces.features(identity, source, _study, _table)
    others = np.flatnonzero(Case(_table, _study.classes, _who).others)
    others = others[np.isfinite(features[others]).all(axis=1)]
    of_case = np.asarray(features[_rows_of], dtype=np.float32)
    of_case = of_case[np.isfinite(of_case).all(axis=1)]
    if not len(of_case) or not len(others):
        return np.empty(0, dtype=np.int64)
    return nearest(features, of_case.mean(axis=0), others, SHOWN)[0]
