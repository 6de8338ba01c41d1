"""A row of a ranking in words: the same on the page and in the report."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from bnn_core.base.wording import be, count, percent, short, two_digits
from bnn_core.suspects.suspect import Suspect

#: Why the class that a suspect looks like need not be the most frequent prediction.
LOOKS_LIKE = (
    "The most similar class is judged by all class probabilities together, corrected for the "
    "network's usual errors. It can differ from the most frequent prediction."
)

#: Most letters of a name in a heading.
_LETTERS = 60


def heading(row: Mapping[str, Any], suspect: Suspect) -> str:
    """One line on a row of `ranking.rank`: "colchicine: labelled X, mostly predicted as Y".

    "Mostly predicted" needs more than half of the images; otherwise the line names the class that
    fits best, if any fits better than the label.
    """
    suspected = short(suspect.suspected, _LETTERS)
    if 2 * row["n_suspected"] > row["n_images"]:
        prediction = f"mostly predicted as {suspected}"
    elif row["score"] > 0:
        prediction = f"most similar to {suspected}"
    elif not row["n_wrong"]:
        prediction = "all predicted as labelled"
    else:
        prediction = "not similar to one other class"
    title, label = short(suspect.title, _LETTERS), short(suspect.label, _LETTERS)
    return f"{title}: labelled {label}, {prediction}"


def doubt_sentence(ranked: pd.DataFrame, level: str, bold: str = "") -> str:
    """How many rows of `ranking.rank` look more like another class, and how many of them clearly.

    Clearly: the 95 % interval of the score is above 0. bold: what surrounds the first number.
    """
    doubtful = int((ranked["score"] > 0).sum())
    clear = int((ranked["low"] > 0).sum())
    how_many = f"{bold}{doubtful:,} of {count(len(ranked), level)}{bold}"
    look = "looks" if doubtful == 1 else "look"
    if clear < doubtful:
        clearly = f", {clear or 'none'} of them clearly (95 % interval above 0)"
    else:
        clearly = " (95 % interval above 0)" if clear else ""
    return f"{how_many} {look} more like another class than like the given label{clearly}."


def score_sentences(row: Mapping[str, Any], suspect: Suspect) -> list[str]:
    """The score of a row of `ranking.rank` in three or four plain sentences."""
    sentences = [
        f"Score {two_digits(row['score'])} ({interval_text(row)}), rank {row['rank']:,}.",
        f"On average the network gives its label {percent(row['p_label'])} "
        f"({percent(row['expected_label'])} is usual) and {suspect.suspected} "
        f"{percent(row['p_suspected'])} ({percent(row['expected_suspected'])} is usual).",
        f"{row['n_wrong']:,} of {count(row['n_images'], 'image')} "
        f"{be(row['n_wrong'])} predicted wrongly, {row['n_suspected']:,} as {suspect.suspected}.",
    ]
    if "second_score" in row:
        if np.isnan(row["second_p_label"]):
            sentences.append(f"The second opinion has no data on this {suspect.level}.")
        else:
            sentences.append(
                f"The second opinion gives the label {percent(row['second_p_label'])} and "
                f"{suspect.suspected} {percent(row['second_p_suspected'])} "
                f"(score {two_digits(row['second_score'])})."
            )
    return sentences


def interval_text(row: Mapping[str, Any]) -> str:
    """The 95 % interval of a row of `ranking.rank`, or that it rests on too few units.

    From two units Student's t (12.7 at one degree of freedom) often spans the whole scale, which
    is correct but tells nothing.
    """
    units = count(row["n_units"], row["unit"])
    if not has_interval(row):
        return f"{units} {be(row['n_units'])} too few for an interval"
    return f"95 % interval {two_digits(row['low'])} to {two_digits(row['high'])} from {units}"


def has_interval(row: Mapping[str, Any]) -> bool:
    """Whether the interval of a row of `ranking.rank` excludes any score at all."""
    return bool(np.isfinite(row["low"]) and (row["low"] > -1 or row["high"] < 1))
