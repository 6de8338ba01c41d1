"""Tables of whole studies that pages show, computed once for a large study (`Study.kept`)."""

import pandas as pd

from bnn_core.measures.judged_units import accuracy_by_level
from bnn_core.measures.levels import available_levels
from bnn_core.study.folder import Study
from bnn_core.suspects.ranking import rank, rank_images
from bnn_core.tables.plate_map import well_table


def suspects(study: Study, level: str) -> pd.DataFrame:
    """`ranking.rank` of the reading method, without a second opinion; of images, `rank_images`."""
    method = study.reading_method

    def make() -> pd.DataFrame:
        table = study.table(method)
        return rank_images(table) if level == "image" else rank(table, study.classes, level)

    return study.kept(f"suspect_{level}s", method, make)


def accuracies(study: Study, method: str) -> pd.DataFrame:
    """`judged_units.accuracy_by_level` of a method."""
    return study.kept(
        "accuracies", method, lambda: accuracy_by_level(study.table(method), study.classes)
    )


def wells(study: Study, method: str) -> pd.DataFrame:
    """`plate_map.well_table` of the study's own images."""
    return study.kept("wells", method, lambda: well_table(study.table(method), study.classes))


def fill_derived(study: Study) -> None:
    """Compute all of these tables, so that the first visitor of a page does not wait for them."""
    levels = available_levels(study.images)
    for method in study.methods:
        accuracies(study, method)
        if "well" in levels:
            wells(study, method)
    for level in ("compound", "treatment"):
        if level in levels:
            suspects(study, level)
    if "compound" not in levels:
        suspects(study, "image")
