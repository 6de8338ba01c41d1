"""Which images to compare with a suspect: of its label, of the other class, controls, doses."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bnn_core.suspects.suspect import Case, Suspect


def panels(
    table: pd.DataFrame, classes: Sequence[str], suspect: Suspect, per_panel: int = 12
) -> dict[str, np.ndarray]:
    """Row positions of the images of each panel, at most `per_panel`; empty where there are none.

    table: images joined with a summary, all roles, RangeIndex.
    "this": the suspect. "same label", "predicted label": labelled images of other compounds, of its
    label or of the suspected class. "controls": untreated images of the suspect's plates (of any
    plate where plates are unknown). "other doses": its compound at other concentrations, labelled
    or not, from the lowest.

    The images are drawn evenly, not chosen for being typical or convincing. Compounds take turns,
    then doses, plates and wells, in the order of their names. The same call gives the same rows.
    """
    case = Case(table, classes, suspect)
    doses = case.rows["concentration"].dropna().unique() if case.has("concentration") else []

    def labelled(name: str) -> np.ndarray:
        return (table["label"] == name).to_numpy(dtype=bool, na_value=False)

    masks = {
        "this": case.images & case.scored,
        "same label": case.others & labelled(suspect.label),
        "predicted label": case.others & labelled(suspect.suspected),
        "controls": controls_beside(table, case.rows),
        "other doses": case.compound
        & table["concentration"].notna().to_numpy()
        & ~table["concentration"].isin(doses).to_numpy()
        if len(doses)
        else np.zeros(len(table), bool),
    }
    return {name: spread(table, np.flatnonzero(mask), per_panel) for name, mask in masks.items()}


def controls_beside(table: pd.DataFrame, rows: pd.DataFrame) -> np.ndarray:
    """(N,) bool: untreated images on the plates of `rows`, on any plate where plates are unknown."""
    controls = (table["role"] == "control").to_numpy()
    if "plate" in rows and rows["plate"].notna().any():
        controls = controls & table["plate"].isin(rows["plate"].dropna().unique()).to_numpy()
    return controls


def spread(table: pd.DataFrame, rows: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of `rows`, evenly over compounds, then doses, plates and wells.

    Sorted by compound, dose, plate and well, which is the reading order of a wall of images.
    """
    keys = [
        c
        for c in ("compound", "concentration", "plate", "well", "site")
        if c in table and table[c].iloc[rows].notna().any()
    ]
    part = table[keys].iloc[rows].astype({c: str for c in keys if c != "concentration"})
    # Numbers in the order of the texts: they sort and group much quicker.
    codes = {c: pd.factorize(part[c], sort=True, use_na_sentinel=False)[0] for c in keys}
    part = pd.DataFrame({**codes, "_row": rows})
    part = part.sort_values([*keys, "_row"], kind="stable", ignore_index=True)

    def numbered(depth: int) -> np.ndarray:
        if depth == 0:
            return np.zeros(len(part), int)
        return part.groupby(keys[:depth], dropna=False, sort=False).ngroup().to_numpy()

    # From single images up: children of one parent take turns, which orders the parent's images.
    turn, child = np.zeros(len(part), int), np.arange(len(part))
    for depth in range(len(keys), -1, -1):
        parent = numbered(depth)
        order = np.lexsort([child, turn, parent])
        turn[order] = _counted(parent[order])
        child = parent
    return part["_row"].to_numpy()[np.flatnonzero(turn < count)]


def _counted(sorted_codes: np.ndarray) -> np.ndarray:
    """0, 1, 2, ... within each run of equal codes."""
    starts = np.flatnonzero(np.diff(sorted_codes, prepend=-1))
    sizes = np.diff(np.append(starts, len(sorted_codes)))
    return np.arange(len(sorted_codes)) - np.repeat(starts, sizes)
