"""Which compounds, treatments, wells and images have labels that deserve a second look.

The ranking is by consistent disagreement, not by low confidence: a compound that is always
predicted as one other class comes first, however confident the network is. The score of a group
says how much more its predictions look like those of another class than like those of its label,
given how this network, with its usual errors, treats both:

    score = D(e_label || v) - D(e_j || v)

v is the group's mean softmax, in which wells of a dose and doses of a compound have equal weights;
e_label and e_j are the expected predictions for a compound of these batches if it is of its label,
or of class j (`usual_errors`); j is the wrong class that fits best; D is the Kullback-Leibler
divergence, scaled to [0, 1] (`disagreement.surprises`). If the compounds of a class scatter about e
by a narrow Dirichlet distribution, this is the log-likelihood ratio of the two classes. The score is
in [-1, 1]. 1: all probability is on one wrong class where the network makes no errors. 0: as similar
to the other class as to the label, or a label that gets what it should. Below 0: more similar to the
label. A hard class costs its compounds little, because they are expected to look like other classes.

The share of false alarms among the high scores is not estimated: errors that a network makes
compound by compound look like wrong labels, and no construction that was tried gave a calibrated
false-discovery rate; the best one was far too cautious (figures: tests/benchmarks/suspects.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bnn_core.base.scores import DEFAULT_SCORE, TRAINING_MARGIN
from bnn_core.measures.levels import LEVEL_COLUMNS, available_levels, scored_rows, unit_columns
from bnn_core.study.folder import Study
from bnn_core.suspects.disagreement import Disagreement, joined, known_probabilities
from bnn_core.suspects.label_quality import label_fit, label_quality, shares_of_expected

#: Fewer resamples where many classes would make a table slow.
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
    concentration, plate, well, batch and fold are used where present. Only rows that count
    (`levels.scored_rows`) of a known compound take part; a group with several labels is split.
    second: another opinion on the same compounds, as from `second_opinion.opinion` or another
    study's table, joined by the level's columns, else by compound. The score is then the lower of
    the two for the same wrong class: both opinions must agree. Only wrong classes count that the
    images are predicted as, at least half as often as the most frequent one (any class, if no image
    is predicted wrongly). A group that the second opinion lacks, or has under another label, keeps
    its score.

    Wells are compared with the other wells of their compound, as far as there are any: a swapped
    well stands out, the wells of a suspect compound (which agree with each other) do not.

    Returns by falling score: rank; the level's columns, compound, label; suspected, the wrong class
    that fits best; score; low, high (`score_interval`, for that class); rank_low, rank_high, 95 % of
    the resampled ranks; leading, the share of resamples in which that class leads; p_label,
    expected_label, p_suspected, expected_suspected (from v and e_label); mean_signed_confidence;
    n_images, n_wrong, n_suspected (images predicted as that class); n_units and unit, what was
    resampled (images of one well are not independent, so the interval is too narrow where this is
    "image"); second_score, second_p_label, second_p_suspected with a second opinion. Empty without the level
    or with fewer than two compounds: the expectation for one compound comes from the others.
    """
    classes = list(classes)
    rows = _ranked_rows(table, classes, level)
    if len(rows) == 0 or len(rows[["compound", "label"]].drop_duplicates()) < 2:
        return pd.DataFrame(columns=["rank", "label", "suspected", "score"])
    first = Disagreement.of(rows, classes, level)
    other = None if second is None else joined(second, first, classes, level)
    sources = [first] if other is None else [first, other]
    allowed = (
        True if other is None else _predicted(rows, first, classes) | (other.matched < 0)[:, None]
    )
    scores = [source.scores() for source in sources]
    lowest = np.where(allowed, _lowest(scores), -np.inf)
    suspected = lowest.argmax(axis=1)
    every = np.arange(len(suspected))

    out = first.groups.copy()
    names = np.asarray(classes, dtype=object)[suspected]
    out["suspected"] = names
    out["score"] = lowest[every, suspected]
    if resamples is None:
        size = len(suspected) * len(classes) ** 2
        resamples = min(RESAMPLES, max(FEWEST_RESAMPLES, 10**9 // size))
    drawn = _resampled(sources, allowed, suspected, resamples, np.random.default_rng(seed))
    out["low"], out["high"] = score_interval(
        out["score"].to_numpy(), drawn.scores, out["n_units"].to_numpy()
    )
    low, high = np.percentile(drawn.ranks, [100 * _TAIL, 100 * (1 - _TAIL)], axis=0)
    out["rank_low"], out["rank_high"] = np.rint(low).astype(int), np.rint(high).astype(int)
    out["leading"] = drawn.leads.mean(axis=0)
    out["p_label"] = first.means[every, first.labels]
    out["p_suspected"] = first.means[every, suspected]
    expected = first.expected()
    out["expected_label"] = expected[every, first.labels]
    out["expected_suspected"] = expected[every, suspected]
    as_suspected = pd.Series(rows["predicted"].to_numpy() == names[first.codes])
    out["n_suspected"] = as_suspected.groupby(first.codes).sum().to_numpy()
    if second is not None:
        out[["second_score", "second_p_label", "second_p_suspected"]] = np.nan
    if other is not None:
        p = np.where((other.matched >= 0)[:, None], other.means[other.matched], np.nan)
        out["second_score"] = scores[1][every, suspected]
        out["second_p_label"] = p[every, first.labels]
        out["second_p_suspected"] = p[every, suspected]
    out = out.sort_values("score", ascending=False, kind="stable").reset_index(drop=True)
    out.insert(0, "rank", np.arange(1, len(out) + 1))
    return out


def with_images_among(
    ranked: pd.DataFrame, images: pd.DataFrame, rows: np.ndarray, level: str
) -> pd.DataFrame:
    """The rows of a ranking with at least one image among `rows`; scores and ranks remain.

    ranked: `rank` at this level. images: the study's images. rows: positions in it.
    """
    keys = [*LEVEL_COLUMNS[level], "label"]
    present = images[keys].iloc[rows].drop_duplicates()
    return ranked.merge(present, on=keys).sort_values("rank", ignore_index=True)


def rank_images(table: pd.DataFrame) -> pd.DataFrame:
    """Scored images by label quality, most suspect first.

    table: as for `rank`, but any metadata column may be missing. Returns row (position in `table`),
    image_id where known, label, predicted, label_quality, p_label, the signed confidence, and the margin
    in training (`TRAINING_MARGIN`) where known.
    """
    positions = np.flatnonzero(scored_rows(table))
    rows = table.iloc[positions]
    out = rows[[c for c in ("image_id", "label", "predicted") if c in rows]].copy()
    out.insert(0, "row", positions)
    fit = label_fit(rows["p_label"], rows.get(TRAINING_MARGIN.key))
    out["label_quality"] = label_quality(fit, shares_of_expected(rows))
    out["p_label"] = rows["p_label"]
    for name in (DEFAULT_SCORE, TRAINING_MARGIN.key):
        if name in rows:
            out[name] = rows[name]
    return out.sort_values("label_quality", kind="stable").reset_index(drop=True)


def rank_suspects(
    study: Study,
    level: str = "compound",
    *,
    method: str | None = None,
    second: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """The labels of a study that deserve a second look, most suspect first.

    level: "compound", "treatment" or "well" (see `rank`), or "image" (see `rank_images`). method:
    whose predictions, by default `Study.reading_method`. second: another opinion, for `rank`.
    Returns one row per unit: rank, the level's columns (or image_id), label, score and more.
    Raises InputError for a method or a level that the study does not have.
    """
    study.demand_level(level)
    table = study.table(method or study.reading_method)
    if level != "image":
        return rank(table, study.classes, level, second=second)
    ranked = rank_images(table)
    ranked.insert(0, "rank", np.arange(1, len(ranked) + 1))
    return ranked


def score_interval(
    score: np.ndarray, drawn: np.ndarray, n_units: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """95 % intervals of scores (G,), within [-1, 1]; nan for a group of one unit.

    drawn: (R, G) scores of R resamples. n_units: (G,) units resampled within each group. The
    half-width is the standard deviation over resamples times the 97.5 % quantile of Student's t
    with n_units - 1 degrees of freedom. (Percentiles of few units are far too narrow: 84 % instead
    of 95 % with three wells.)
    """
    freedom = np.where(n_units > 1, n_units - 1, np.nan)
    half = stdtrit(freedom, 1 - _TAIL) * np.std(drawn, axis=0)
    return np.maximum(score - half, -1), np.minimum(score + half, 1)


@dataclass(frozen=True)
class _Resampled:
    """R resamples of G groups: scores, ranks (1 is the highest score), whether `suspected` leads."""

    scores: np.ndarray
    ranks: np.ndarray
    leads: np.ndarray


def _resampled(
    sources: Sequence[Disagreement],
    allowed: np.ndarray | bool,
    suspected: np.ndarray,
    resamples: int,
    rng: np.random.Generator,
) -> _Resampled:
    every = np.arange(len(suspected))
    scores, ranks, leads = [], [], []
    drawn = zip(*(source.resampled(rng, resamples) for source in sources), strict=True)
    for of_sources in drawn:
        one = np.where(allowed, _lowest(of_sources), -np.inf)
        scores.append(one[every, suspected])
        ranks.append(_ranks(one.max(axis=1)))
        leads.append(one.argmax(axis=1) == suspected)
    return _Resampled(np.array(scores), np.array(ranks), np.array(leads))


def _ranks(scores: np.ndarray) -> np.ndarray:
    """(G,) ranks of scores, 1 for the highest."""
    ranks = np.empty(len(scores), np.int32)
    ranks[(-scores).argsort()] = np.arange(1, len(scores) + 1)
    return ranks


def _ranked_rows(table: pd.DataFrame, classes: list[str], level: str) -> pd.DataFrame:
    """The rows that take part at a level; no row where the table does not have it."""
    if level == "image" or level not in available_levels(table) or "compound" not in table:
        return table.iloc[:0]
    used = unit_columns(table, level, classes)
    known = [table[c].notna().to_numpy() for c in {"compound", *LEVEL_COLUMNS[level]}]
    counted = np.logical_and.reduce([scored_rows(table), *known])
    return known_probabilities(table[[c for c in table if c in used]][counted], classes)


def _predicted(rows: pd.DataFrame, first: Disagreement, classes: list[str]) -> np.ndarray:
    """(G, C) bool: wrong classes that many images of a group are predicted as.

    All classes for a group without a wrong image.
    """
    counts = np.zeros((len(first.groups), len(classes)))
    np.add.at(counts, (first.codes, pd.Index(classes).get_indexer(rows["predicted"])), 1)
    counts[np.arange(len(counts)), first.labels] = 0
    highest = counts.max(axis=1, keepdims=True)
    return (highest == 0) | (counts >= highest / 2)


def _lowest(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Element-wise minimum; a missing opinion (nan) does not count."""
    return scores[0] if len(scores) == 1 else np.fmin(*scores)
