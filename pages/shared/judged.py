"""Scored units of the filtered rows, computed once per filter for all users; the empty state."""

import numpy as np
import streamlit as st

from bnn_core.base.methods import method_of
from bnn_core.base.wording import be, count
from bnn_core.measures.bayesian_gain import gains, sentence
from bnn_core.measures.comparison import Comparison, compare
from bnn_core.measures.judged_units import Judged, figures_of_merit, judged_units
from bnn_core.measures.levels import scored_rows
from bnn_core.measures.reliability import Reliability
from bnn_core.recipes import kept
from bnn_core.study.folder import Study
from bnn_core.suspects.planted_truth import faulty_rows
from pages.shared import filters, studies


@st.cache_resource(max_entries=12, show_spinner="Resampling the images")
def method_comparison(key: str, score: str, _study: Study) -> Comparison:
    """All methods of a study compared on the filtered rows without planted faults; key:
    `filters.key`."""
    rows = _without_faults(_study)
    if len(rows) == len(_study.images):
        return kept.comparison(_study, score)
    return compare(
        {m: studies.table(_study, m).iloc[rows] for m in _study.methods}, _study.classes, score
    )


def bayesian_gain(study: Study, comparison: Comparison) -> str:
    """Does a method of several networks beat the standard one, and at what cost? "" without any."""
    return sentence(gains(comparison, study.meta["methods"]))


def comparison_basis(study: Study) -> str:
    """One sentence on what wrong labels do to a comparison of methods."""
    if study.truth is None:
        return "An image with a wrong label counts as an error of the network."
    rows = filters.passing(study)
    rows = rows[faulty_rows(study.images, study.truth)[rows]]
    number = int((study.images["role"].iloc[rows] == "scored").sum())
    return f"{count(number, 'image')} with planted faults {be(number)} left out."


def compared_images(study: Study) -> str | None:
    """The images of a comparison for a chart's caption; None where they are the filtered ones."""
    return None if study.truth is None else f"{filters.text(study)}, without planted faults"


def none_passes(study: Study) -> bool:
    """Whether no image passes the filters; then a message is drawn."""
    if len(filters.passing(study)):
        return False
    st.info(
        f"No {study.noun}s match. Remove a filter in the sidebar.",
        icon=":material/filter_alt_off:",
    )
    return True


def compared_methods(study: Study) -> list[str]:
    """The study's Bayesian and standard network; the first method where it has neither."""
    pair = (study.bayes_method, study.standard_method)
    return [method for method in pair if method is not None] or [study.reading_method]


def names(study: Study) -> dict[str, str]:
    """Method -> readable name."""
    return {method: method_of(method).name for method in study.methods}


def judged(
    study: Study, method: str, score: str, level: str = "image", *, faults: bool = True
) -> Judged:
    """The scored units among the filtered rows, with one score. faults: with planted faults."""
    return _judged(filters.key(study), method, score, level, faults, study)


def qualities(study: Study, method: str) -> dict[str, float]:
    """`bnn_core.measures.judged_units.figures_of_merit` of the filtered rows."""
    return _qualities(filters.key(study), method, study)


def reliabilities(study: Study) -> dict[str, Reliability]:
    """Bins of the reliability diagram of the compared methods, filtered rows."""
    bins_by_method = {}
    for method in compared_methods(study):
        units = judged(study, method, "top_softmax")
        bins_by_method[method] = units.reliability()
    return bins_by_method


def unscored(study: Study) -> int:
    """Number of filtered rows that no accuracy counts."""
    return _unscored(filters.key(study), study)


@st.cache_resource(max_entries=24, show_spinner=False)
def _judged(key: str, method: str, score: str, level: str, faults: bool, _study: Study) -> Judged:
    table = studies.table(_study, method)
    if level == "image":
        # Only what `Judged` and the pages use of an image: a selection of rows copies them all.
        counted = ("role", "correct", "unpredictable", "label", "group", "compound")
        table = table[[c for c in table if c in {*counted, score, "top_softmax"}]]
    rows = filters.passing(_study) if faults else _without_faults(_study)
    table = table if len(rows) == len(table) else table.iloc[rows]
    return Judged(judged_units(table, level, _study.classes), score)


@st.cache_resource(max_entries=24, show_spinner="Computing the figures")
def _qualities(key: str, method: str, _study: Study) -> dict[str, float]:
    table = filters.passing_rows(_study, studies.table(_study, method))
    return figures_of_merit(table, _study.classes)


@st.cache_resource(max_entries=24, show_spinner=False)
def _unscored(key: str, _study: Study) -> int:
    table = studies.table(_study, _study.reading_method)
    columns = [c for c in ("role", "correct", "unpredictable") if c in table]
    return int(np.count_nonzero(~scored_rows(filters.passing_rows(_study, table[columns]))))


def _without_faults(study: Study) -> np.ndarray:
    """Row numbers that pass the filters and have no planted fault, where the truth is known."""
    rows = filters.passing(study)
    return rows if study.truth is None else rows[~faulty_rows(study.images, study.truth)[rows]]
