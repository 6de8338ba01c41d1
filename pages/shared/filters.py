"""The shared filters: widgets in the sidebar, kept in the address, and the rows that pass.

The session keeps their values under the names of the address (?label=7&label=9&search=...). Pages
and fragments read them here; only pages/main.py draws them.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from bnn_core.base.scores import SCORES
from bnn_core.study.folder import Study
from bnn_core.tables.values import reading_order
from pages.shared import studies

RIGHT, WRONG, NO_LABEL = "right", "wrong", "no label"
#: Columns to filter by, where a study has them: column -> words for the user.
CHOICES = {
    "label": "Label",
    "predicted": "Predicted",
    "verdict": "Right or wrong",
    "role": "Role",
    "fold": "Fold",
    "plate": "Plate",
    "compound": "Compound",
    "concentration": "Concentration (µM)",
    "moa": "Mechanism",
    "batch": "Batch",
    "replicate": "Replicate",
    "well": "Well",
}
#: Filters that are always visible; the others are in an expander.
FIRST = ("label", "predicted", "verdict")
STUDY = "study"
SEARCH = "search"
SCORE = "score"
#: Columns of the free-text search.
SEARCHED = ("image_id", "compound", "well", "plate")
_WITHOUT = {"label": "no label"}
_MISSING = "(none)"
_VERDICT_TEXT = {RIGHT: "predicted right", WRONG: "predicted wrong", NO_LABEL: "without a label"}


class Codes(NamedTuple):
    """A column as numbers: codes (N,) into `values`, the distinct values in reading order."""

    codes: np.ndarray
    values: list[str]


def keep_in_address() -> None:
    """Restore filters that the address has lost; call before the widgets are drawn.

    The address of a page that was opened by a link, or while the previous page was still being
    drawn, lacks the filters. The session keeps them. A value set by the script is written to the
    address again.
    """
    if STUDY in st.query_params:
        # A complete address. Setting a default that it omits would undo what is being typed.
        st.session_state.setdefault(STUDY, st.query_params[STUDY])
        return
    cuts = [f"cut_{score}" for score in SCORES]
    for name in (STUDY, SEARCH, *CHOICES, SCORE, *cuts):
        value = st.session_state.get(name)
        if value not in (None, "", []) and name not in st.query_params:
            st.session_state[name] = value


def draw(study: Study) -> None:
    """The filters in the sidebar. Call once per run, from pages/main.py."""
    counts = st.container()
    st.text_input(
        "Search",
        key=SEARCH,
        bind="query-params",
        icon=":material/search:",
        placeholder="image id, compound, well",
        label_visibility="collapsed",
    )
    usable = {
        name: codes for name in CHOICES if len((codes := column_codes(study, name)).values) > 1
    }
    for name in FIRST:
        if name in usable:
            _choice(name, usable[name])
    further = [name for name in usable if name not in FIRST]
    if further:
        used = sum(bool(st.session_state.get(name)) for name in further)
        with st.expander(f"More filters{f' ({used} in use)' if used else ''}"):
            for name in further:
                _choice(name, usable[name])
    rows, total = len(passing(study)), len(study.images)
    with counts.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f"**{rows:,}** of {total:,} {study.noun}s", width="content")
        st.button(
            "Reset",
            key="reset_filters",
            on_click=reset,
            type="tertiary",
            icon=":material/restart_alt:",
            disabled=not any_set(),
            help=f"Show all {study.noun}s again",
        )


def reset() -> None:
    """Remove all filters (the cut-off stays)."""
    for name in CHOICES:
        if name in st.session_state:
            st.session_state[name] = []
    st.session_state[SEARCH] = ""


def any_set() -> bool:
    """Whether any filter is set."""
    return bool(_chosen())


def matching(study: Study) -> str:
    """What the page shows, in one word of the study's: "image", "matching image" with a filter set."""
    return f"matching {study.noun}" if any_set() else study.noun


def remedy() -> str:
    """What to do where nothing is left; nothing without a filter."""
    return " Remove a filter in the sidebar." if any_set() else ""


def passing(study: Study) -> np.ndarray:
    """Row numbers (int64, ascending) that pass the filters."""
    chosen = _chosen()
    return _passing(studies.identity(study), tuple(sorted(chosen.items())), study)


def passing_rows(study: Study, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a study's table that pass the filters, with their index; the table itself if all
    pass. Do not change it."""
    rows = passing(study)
    return table if len(rows) == len(table) else table.iloc[rows]


def key(study: Study) -> str:
    """A text that changes with the study and with the filters: part of a cached figure's key."""
    return f"{studies.identity(study)}|{sorted(_chosen().items())}"


def text(study: Study) -> str:
    """The filters in plain words, 'all images' (or rows) when none is set."""
    parts = []
    for name, value in _chosen().items():
        if name == SEARCH:
            parts.append(f"containing “{value}”")
        elif name == "verdict":
            parts.append(" or ".join(_VERDICT_TEXT.get(v, v) for v in value))
        else:
            parts.append(f"{CHOICES[name].lower()} {' or '.join(value)}")
    return ", ".join(parts) or f"all {study.noun}s"


def column_codes(study: Study, name: str) -> Codes:
    """A filter's column as numbers, computed once per study."""
    codes = _codes(studies.identity(study), study)
    return codes.get(name) or Codes(np.zeros(len(study.images), np.int8), [])


def _choice(name: str, codes: Codes) -> None:
    if name in st.session_state:
        # Another study, or an address, may name values that this study lacks.
        st.session_state[name] = [v for v in st.session_state[name] if v in codes.values]
    if name == "verdict":
        container = st.container(gap="small")  # keeps the place of the widgets below
        if container.pills(
            CHOICES[name], codes.values, selection_mode="multi", key=name, bind="query-params"
        ):
            container.caption(
                "This filter selects by the result itself. Accuracies mean nothing while it is set."
            )
    else:
        st.multiselect(
            CHOICES[name], codes.values, key=name, bind="query-params", placeholder="any"
        )


def _chosen() -> dict[str, tuple[str, ...] | str]:
    chosen: dict[str, tuple[str, ...] | str] = {}
    for name in CHOICES:
        values = st.session_state.get(name)
        if values:
            chosen[name] = tuple(sorted(values))
    words = (st.session_state.get(SEARCH) or "").strip()
    if words:
        chosen[SEARCH] = words
    return chosen


@st.cache_resource(max_entries=8, show_spinner=False)
def _codes(identity: str, _study: Study) -> dict[str, Codes]:
    """Codes of the columns of CHOICES that the study has."""
    method = _study.reading_method
    kept = _study.kept("filters", method, lambda: _categories(studies.table(_study, method)))
    return {
        name: Codes(column.cat.codes.to_numpy(), column.cat.categories.to_list())
        for name, column in kept.items()
    }


def _categories(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of CHOICES that have values, as categories: the texts of a filter."""
    columns = {}
    for name in CHOICES:
        codes, values = _coded(table, name)
        if not values:
            continue
        same, texts = pd.factorize(pd.Index(values, dtype="str"))  # 0.1 and 0.1000001 look alike
        columns[name] = pd.Categorical.from_codes(same[codes], texts)
    return pd.DataFrame(columns)


def _coded(table: pd.DataFrame, name: str) -> Codes:
    if name == "verdict":
        correct = table["correct"]
        codes = np.where(correct.isna(), 2, np.where(correct.fillna(False), 0, 1)).astype(np.int32)
        used = np.flatnonzero(np.bincount(codes))
        return Codes(
            np.searchsorted(used, codes).astype(np.int32),
            [(RIGHT, WRONG, NO_LABEL)[i] for i in used],
        )
    if name not in table:
        return Codes(np.zeros(len(table), np.int32), [])
    codes, values = pd.factorize(table[name])
    order = sorted(range(len(values)), key=lambda i: reading_order(values[i]))
    new_codes = np.empty(len(values) + 1, np.int32)
    new_codes[order] = np.arange(len(values), dtype=np.int32)
    texts = [_plain(values[i]) for i in order]
    if (codes < 0).any():
        new_codes[-1] = len(texts)
        texts.append(_WITHOUT.get(name, _MISSING))
    return Codes(new_codes[codes], texts)


@st.cache_resource(max_entries=64, show_spinner=False)
def _passing(identity: str, chosen: tuple, _study: Study) -> np.ndarray:
    keep = np.ones(len(_study.images), dtype=bool)
    for name, value in chosen:
        if name == SEARCH:
            keep &= _containing(_study.images, value)
            continue
        codes = column_codes(_study, name)
        wanted = np.isin(np.arange(len(codes.values)), _value_codes(codes, value))
        if len(wanted):
            keep &= wanted[codes.codes]
    return np.flatnonzero(keep)


def _value_codes(codes: Codes, values: tuple[str, ...]) -> list[int]:
    codes_by_value = {value: i for i, value in enumerate(codes.values)}
    return [codes_by_value[value] for value in values if value in codes_by_value]


def _containing(images: Mapping[str, pd.Series], words: str) -> np.ndarray:
    matches = np.zeros(len(images["image_id"]), dtype=bool)
    for name in SEARCHED:
        if name in images:
            matches |= (
                images[name]
                .astype("str")
                .str.contains(words, case=False, regex=False)
                .fillna(False)
                .to_numpy(dtype=bool)
            )
    return matches


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
