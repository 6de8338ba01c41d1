"""Which compounds, treatments, wells and images have labels that deserve a second look.

Ranked by consistent disagreement, not by low confidence: a compound that is always called one other
class comes first, however confident the network is. The score of a group says how much more its
predictions look like those of another class than like those of its own label, as this model, with
all its errors, is known to treat both:

    score = D(e_label || v) - D(e_j || v)

v is the group's mean softmax, in which wells of a dose and doses of a compound weigh alike;
e_label and e_j are what a compound of these batches would get were it rightly of its label, or of
class j (`own_errors`); j is the wrong class that fits best; D is the Kullback-Leibler divergence,
scaled to [0, 1] (`disagreement.surprises`). Did the compounds of a class scatter about e by a
Dirichlet distribution, this would be the log-likelihood ratio of the two classes, for narrow
scatter. The score lies in [-1, 1]. 1: all probability is on one wrong class where the model makes
no errors; 0: as much like the other class as like its own, or a label that gets as much as it
should; below 0: more like its own. A hard class costs its compounds little, for they are expected
to look like other classes.

Which share of the high scores are false alarms is not estimated: mistakes that a model makes
compound by compound look like wrong labels, and no construction tried gave a calibrated
false-discovery rate; the best one was far too cautious (tests/benchmarks/suspects.py has the
figures). Ranks and intervals only.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from bnn_core.measures.levels import LEVEL_COLUMNS, available_levels, scored_rows
from bnn_core.suspects.disagreement import Disagreement, joined, known_probabilities
from bnn_core.suspects.label_quality import label_quality, shares_of_expected

#: Fewer where many classes would make a table wait for its intervals.
RESAMPLES, FEWEST_RESAMPLES = 500, 100
_TAIL = 0.025


def rank(
    table: pd.DataFrame,
    classes: Sequence[str],
    level: str = "compound",
    *,
    second: pd.DataFrame | None = None,
    resamples: int | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Compounds, treatments or wells, most suspect first.

    table: images joined with a summary (`Study.table`), with compound, label and p_<class>;
    concentration, plate, well, batch and fold are used where they are there. Only rows that count
    (`levels.scored_rows`) of a known compound take part; a group of several labels is split.
    second: another opinion on the same compounds, as `second_opinion.opinion` or another study's
    table gives it, joined by the level's columns, else by compound. The score is then the lower one
    of the two for the same wrong class: both must say so. Only wrong classes count then that
    the images are really called, at least half as many as are called the commonest one (any, where
    no image is called wrong). A group that the second lacks, or has under another label, keeps its
    own score.

    Wells are compared with the other wells of their own compound as far as there are any: a swapped
    well stands out, the wells of a wholly suspect compound (which agree) do not.

    Returns by falling score: rank; the level's columns, compound, label; suspected, the one wrong
    class; score; low, high, its 95 % interval for that class, from the standard deviation over
    resamples (units drawn within the group, compounds within the expectation) and Student's t of
    n_units - 1 degrees of freedom, nan for a single unit; rank_low, rank_high, 95 % of the
    resampled ranks; leading, the share of resamples in which that class leads; p_label,
    expected_label, p_suspected, expected_suspected (v, and e_label); mean_confidence; n_images,
    n_wrong, n_suspected (images predicted as such); n_units and unit, what was drawn (images of one
    well are not independent, so the interval is too narrow where this says "image"); second_score,
    second_p_label, second_p_suspected where `second` is given. Empty where there is no such level,
    or fewer than two compounds: what is to be expected of one comes from the others.
    """
    classes = list(classes)
    if level == "image" or level not in available_levels(table) or "compound" not in table:
        return pd.DataFrame(columns=["rank", "label", "suspected", "score"])
    rows = table[scored_rows(table) & table["compound"].notna().to_numpy()]
    rows = rows[rows[list(LEVEL_COLUMNS[level])].notna().all(axis=1)]
    rows = known_probabilities(rows, classes)
    if len(rows[["compound", "label"]].drop_duplicates()) < 2:
        return pd.DataFrame(columns=["rank", "label", "suspected", "score"])
    first = Disagreement.of(rows, classes, level)
    sources = [first]
    other = None if second is None else joined(second, first, classes, level)
    if other is not None:
        sources.append(other)

    called = True if other is None else (_called(rows, first, classes) | (other.taken < 0)[:, None])
    scores = [source.scores() for source in sources]
    score = np.where(called, _lowest(scores), -np.inf)
    suspected = score.argmax(axis=1)
    every = np.arange(len(suspected))
    rng = np.random.default_rng(seed)
    drawn, ranks, leads = [], [], []
    if resamples is None:
        size = len(suspected) * len(classes) ** 2
        resamples = min(RESAMPLES, max(FEWEST_RESAMPLES, 10**8 // size))
    for _ in range(resamples):
        one = np.where(called, _lowest([source.scores(rng) for source in sources]), -np.inf)
        drawn.append(one[every, suspected])
        ranks.append((-one.max(axis=1)).argsort().argsort() + 1)
        leads.append(one.argmax(axis=1) == suspected)

    out = first.groups.copy()
    name = np.asarray(classes, dtype=object)
    out["suspected"] = name[suspected]
    out["score"] = score[every, suspected]
    # Percentiles of so few units are far too narrow (three wells: 84 % of 95); t is not.
    freedom = np.where(out["n_units"] > 1, out["n_units"] - 1, np.nan)
    half = student_t.ppf(1 - _TAIL, freedom) * np.std(drawn, axis=0)
    out["low"] = np.maximum(out["score"] - half, -1)
    out["high"] = np.minimum(out["score"] + half, 1)
    low, high = np.percentile(ranks, [100 * _TAIL, 100 * (1 - _TAIL)], axis=0)
    out["rank_low"], out["rank_high"] = np.rint(low).astype(int), np.rint(high).astype(int)
    out["leading"] = np.mean(leads, axis=0)
    out["p_label"] = first.means[every, first.labels]
    out["p_suspected"] = first.means[every, suspected]
    expected = first.expected()
    out["expected_label"] = expected[every, first.labels]
    out["expected_suspected"] = expected[every, suspected]
    called = pd.Series(rows["predicted"].to_numpy() == name[suspected][first.codes])
    out["n_suspected"] = called.groupby(first.codes).sum().to_numpy()
    if second is not None:
        out[["second_score", "second_p_label", "second_p_suspected"]] = np.nan
    if other is not None:
        p = np.where((other.taken >= 0)[:, None], other.means[other.taken], np.nan)
        out["second_score"] = scores[1][every, suspected]
        out["second_p_label"] = p[every, first.labels]
        out["second_p_suspected"] = p[every, suspected]
    out = out.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    out.insert(0, "rank", np.arange(1, len(out) + 1))
    return out


def rank_images(table: pd.DataFrame) -> pd.DataFrame:
    """Scored images by label quality, most suspect first.

    table: as `rank`, but any column of metadata may be missing. Returns row (position in `table`),
    image_id where known, label, predicted, label_quality, p_label, confidence.
    """
    counted = np.flatnonzero(scored_rows(table))
    rows = table.iloc[counted]
    out = rows[[c for c in ("image_id", "label", "predicted") if c in rows]].copy()
    out.insert(0, "row", counted)
    out["label_quality"] = label_quality(rows["p_label"], shares_of_expected(rows))
    out["p_label"] = rows["p_label"]
    out["confidence"] = rows["confidence"]
    return out.sort_values("label_quality", kind="stable").reset_index(drop=True)


def _called(rows: pd.DataFrame, first: Disagreement, classes: list[str]) -> np.ndarray:
    """(G, C) bool: wrong classes that a group's images are often called; all where none is."""
    counts = np.zeros((len(first.groups), len(classes)))
    np.add.at(counts, (first.codes, pd.Index(classes).get_indexer(rows["predicted"])), 1)
    counts[np.arange(len(counts)), first.labels] = 0
    highest = counts.max(axis=1, keepdims=True)
    return (highest == 0) | (counts >= highest / 2)


def _lowest(scores: list[np.ndarray]) -> np.ndarray:
    """Element-wise minimum; an opinion that is missing (nan) does not count."""
    return scores[0] if len(scores) == 1 else np.fmin(*scores)
