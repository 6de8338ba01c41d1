"""All explanations of one suspect, each with its verdict and numbers. Several may fit."""

from collections.abc import Sequence

import pandas as pd

from bnn_core.suspects.batch_explanation import batch
from bnn_core.suspects.dose_explanations import inactive_dose, toxic
from bnn_core.suspects.explanation import Explanation
from bnn_core.suspects.label_explanations import new_kind, weak_model, wrong_label
from bnn_core.suspects.opinion_explanations import other_data, other_network
from bnn_core.suspects.phenotype import treatment_strengths
from bnn_core.suspects.plate_explanations import artefact, well_swap
from bnn_core.suspects.suspect import Case, Suspect


def explain(
    table: pd.DataFrame,
    classes: Sequence[str],
    suspect: Suspect,
    *,
    standard: pd.DataFrame | None = None,
    second: pd.DataFrame | None = None,
    strengths: pd.DataFrame | None = None,
    compounds: pd.DataFrame | None = None,
    recognised: str = "",
) -> list[Explanation]:
    """Every explanation, in the order of `explanation.TITLES`.

    table: images joined with a summary (`Study.table`), all roles, RangeIndex. standard: the same
    rows with the standard network's summary. second: a second opinion (`second_opinion.opinion` or
    another study's table). strengths: `phenotype.treatment_strengths`; by default those of the
    second opinion's features. compounds: `batches.compound_means` of the table, if it is known.
    recognised: a sentence for the explanation from the batch, where the batch is easily recognised.

    Raises ValueError when the table has no scored row of the suspect.
    """
    case = Case(table, classes, suspect)
    if case.rows.empty:
        raise ValueError(f"no scored image of {suspect.title} labelled {suspect.label}")
    if strengths is None and second is not None and "strength" in second:
        strengths = treatment_strengths(second, second["strength"].to_numpy())
    return [
        wrong_label(case),
        inactive_dose(case, strengths),
        toxic(case),
        well_swap(case),
        artefact(case),
        batch(case, compounds, recognised),
        weak_model(case),
        new_kind(case),
        other_network(case, standard),
        other_data(case, second),
    ]
