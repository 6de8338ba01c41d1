"""All readings of one suspect: every rival explanation, none forced, each with its numbers."""

from collections.abc import Sequence

import pandas as pd

from bnn_core.suspects import label_explanations as labels
from bnn_core.suspects import plate_explanations as plates
from bnn_core.suspects.explanations import Case, Reading, Suspect
from bnn_core.suspects.phenotype import treatment_strengths


def readings(
    table: pd.DataFrame,
    classes: Sequence[str],
    suspect: Suspect,
    *,
    standard: pd.DataFrame | None = None,
    second: pd.DataFrame | None = None,
    strengths: pd.DataFrame | None = None,
) -> list[Reading]:
    """Every reading, in a fixed order; what the data do not allow says "cannot tell" and why.

    table: images joined with a summary (`Study.table`), all roles, RangeIndex. standard: the same
    rows with the standard network's summary. second: a second opinion (`second_opinion.opinion`, or
    another study's table). strengths: `phenotype.treatment_strengths`; without it those of the
    second opinion's features are taken.

    Raises ValueError when the table has no scored row of the suspect.
    """
    case = Case(table, classes, suspect)
    if case.rows.empty:
        raise ValueError(f"no scored image of {suspect.title} labelled {suspect.label}")
    if strengths is None and second is not None and "strength" in second:
        strengths = treatment_strengths(second, second["strength"].to_numpy())
    return [
        labels.wrong_label(case),
        plates.inactive_dose(case, strengths),
        plates.toxic(case),
        plates.well_swap(case),
        plates.artefact(case),
        labels.batch(case),
        labels.weak_model(case),
        labels.new_kind(case),
        labels.other_network(case, standard),
        labels.other_data(case, second),
    ]
