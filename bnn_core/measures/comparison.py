"""Methods compared on the same images: figures of merit, paired intervals, the best method.

All methods are resampled together, by whole groups if there are groups. The interval of a figure or
of a paired difference is Student's t with the standard deviation over the resamples and one degree
of freedom less than there are groups: percentiles of few groups are too narrow. An accuracy has the
interval of a share (`intervals.share_interval`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from bnn_core.base.scores import SCORES
from bnn_core.measures import reweighted
from bnn_core.measures.evaluation import NLL_FLOOR, certainty
from bnn_core.measures.intervals import Interval, group_codes, share_interval
from bnn_core.measures.judged_units import independent_groups
from bnn_core.measures.levels import scored_rows
from bnn_core.measures.out_of_distribution import kinds

REPEATS = 1000
#: Weights of one chunk of repeats: bounds the memory, 32 MB as float64.
_CHUNK = 4_000_000
#: Repeats that are counted together, at least.
_AT_ONCE = 16
#: Above this many weights in total there are fewer repeats (at least 400), to keep pages quick.
_MOST = 40_000_000


class Criterion(NamedTuple):
    """A figure of merit: its name, its meaning, the better direction (0: neither), its range."""

    title: str
    meaning: str
    better: int
    range: tuple[float, float] = (0.0, 1.0)


CRITERIA = {
    "accuracy": Criterion("Accuracy", "Share of labelled images that are predicted right.", 1),
    "nll": Criterion(
        "NLL",
        "Minus the mean log probability of the label, in nats. One confident mistake raises it a lot.",
        -1,
        (0.0, np.inf),
    ),
    "brier": Criterion(
        "Brier score",
        "Squared distance of the probabilities from the label, summed over classes.",
        -1,
        (0.0, 2.0),
    ),
    "ece": Criterion(
        "ECE",
        "Expected calibration error: the gap between softmax and accuracy, averaged over bins.",
        -1,
    ),
    "aurc": Criterion("AURC", "Mean share of wrong images among the k surest, over all k.", -1),
    "augrc": Criterion(
        "AUGRC",
        "Images that are wrong and kept, as a share of all, averaged over all shares kept.",
        -1,
    ),
    "auroc": Criterion(
        "AUROC of errors",
        "Probability that a correctly predicted image has a higher score than a wrong one.",
        1,
    ),
    "new": Criterion(
        "AUROC, new kinds",
        "Chance that a scored image is surer than an image of an unknown kind; each kind has the "
        "same weight.",
        1,
    ),
    "shifted": Criterion(
        "AUROC, shifted",
        "Chance that a scored image is surer than one of a known kind from another source; each "
        "kind has the same weight.",
        1,
    ),
    "epistemic_share": Criterion(
        "Epistemic share",
        "Share of the variance that is disagreement between networks. Neither high nor low is "
        "better.",
        0,
    ),
}


class Standing(NamedTuple):
    """The best method by a criterion. tied: methods whose paired interval to the leader holds 0.

    runner_up: the second best method, or None. gap: how much better the leader is than the
    runner-up, positive for better.
    """

    leader: str
    tied: list[str]
    runner_up: str | None
    gap: Interval | None

    @property
    def clear(self) -> bool:
        """Whether the leader has a runner-up and no tie."""
        return self.runner_up is not None and not self.tied


@dataclass(frozen=True)
class Comparison:
    """Figures of M methods on the same images, and the same R resamples of them.

    values: criterion -> (M,), nan if a method lacks it. draws: criterion -> (M, R). n: scored
    images. groups: number of groups that were resampled, None for single images. others: role ->
    images. accuracy: interval of each accuracy, M long.
    """

    methods: list[str]
    values: dict[str, np.ndarray]
    draws: dict[str, np.ndarray]
    n: int
    groups: int | None
    others: dict[str, int]
    accuracy: list[Interval]

    def figure(self, criterion: str, method: str, against: str | None = None) -> Interval:
        """One method's figure, or its paired difference to the method `against`."""
        if against is None:
            return self.interval(criterion, method)
        return self.difference(criterion, method, against)

    def interval(self, criterion: str, method: str) -> Interval:
        """One method's figure with its 95 % interval."""
        i = self.methods.index(method)
        if criterion == "accuracy":
            return self.accuracy[i]
        low, high = CRITERIA[criterion].range
        value, a, b, few = self._interval(self.values[criterion][i], self.draws[criterion][i])
        return Interval(value, max(a, low), min(b, high), few)

    def difference(self, criterion: str, a: str, b: str, level: float = 0.95) -> Interval:
        """a - b with the interval of the paired difference."""
        i, j = self.methods.index(a), self.methods.index(b)
        values, draws = self.values[criterion], self.draws[criterion]
        return self._interval(values[i] - values[j], draws[i] - draws[j], level)

    def _interval(self, value: float, draws: np.ndarray, level: float = 0.95) -> Interval:
        units = self.n if self.groups is None else self.groups
        known = draws[~np.isnan(draws)]
        if np.isnan(value) or len(known) < 2 or units < 2:
            return Interval(float(value), np.nan, np.nan, units < 2)
        # A resample of G units varies by (G - 1) / G of what fresh units do.
        error = known.std(ddof=1) * np.sqrt(units / (units - 1))
        half = float(stdtrit(units - 1, (1 + level) / 2) * error)
        return Interval(float(value), float(value) - half, float(value) + half)

    def standing(self, criterion: str) -> Standing | None:
        """The best method; None if the criterion has no values or no better direction."""
        better, values = CRITERIA[criterion].better, self.values[criterion]
        known = [m for m, v in zip(self.methods, values, strict=True) if not np.isnan(v)]
        if not better or not known:
            return None
        known.sort(key=lambda m: -better * values[self.methods.index(m)])
        leader, *rest = known
        gaps = {m: self._gap(criterion, leader, m) for m in rest}
        tied = [m for m, gap in gaps.items() if not gap.low > 0]
        return Standing(leader, tied, rest[0] if rest else None, gaps[rest[0]] if rest else None)

    def _gap(self, criterion: str, leader: str, other: str) -> Interval:
        gap = self.difference(criterion, leader, other)
        return gap if CRITERIA[criterion].better > 0 else Interval(-gap.value, -gap.high, -gap.low)

    def table(self, first: str) -> pd.DataFrame:
        """One row per method and criterion: value, low, high, and the difference to `first`."""
        rows = []
        for criterion in self.values:
            for method in self.methods:
                figure = self.interval(criterion, method)
                gap = self.difference(criterion, method, first)
                rows.append(
                    {
                        "method": method,
                        "criterion": criterion,
                        **figure._asdict(),
                        "difference": gap.value,
                        "difference_low": gap.low,
                        "difference_high": gap.high,
                    }
                )
        return pd.DataFrame(rows)


def compare(
    tables: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    score: str,
    *,
    repeats: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare methods on the rows of their tables (`Study.table`, the same rows for each).

    score: a key of `SCORES` that ranks the images (AURC, AUGRC, all AUROCs). A method
    without it has nan there (one network has no split of its variance). Criteria without images
    are left out.
    """
    methods = list(tables)
    first = tables[methods[0]]
    scored = np.logical_and.reduce([scored_rows(t) for t in tables.values()])
    known = {m: t[scored] for m, t in tables.items()}
    groups = independent_groups(first[scored])
    codes, count = _codes(first[scored], groups is not None)
    outside = {role: (first["role"] == role).to_numpy() for role in ("new", "shifted")}
    outside = {
        role: _Outside.of(first[mask], mask, groups is not None)
        for role, mask in outside.items()
        if mask.any()
    }
    total = len(first) * len(methods)
    repeats = repeats or int(np.clip(_MOST // max(total, 1), 400, REPEATS))
    units = codes if groups is not None else None
    judges = {m: _Judge(known[m], units, tables[m], outside, classes, score) for m in methods}
    once = {role: np.ones((1, other.count)) for role, other in outside.items()}
    parts = [_figures(judges, np.ones((1, count)), outside, once)]
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(len(first), 1))
    waiting: list[tuple[np.ndarray, dict[str, np.ndarray]]] = []
    for start in range(0, repeats if count else 0, step):
        size = min(step, repeats - start)
        drawn = _drawn(rng, count, size)
        waiting.append((drawn, {r: _drawn(rng, o.count, size) for r, o in outside.items()}))
        if len(waiting) * step >= _AT_ONCE or start + step >= repeats:
            every = np.concatenate([drawn for drawn, _ in waiting])
            others = {r: np.concatenate([drawn[r] for _, drawn in waiting]) for r in outside}
            parts.append(_figures(judges, every, outside, others))
            waiting.clear()
    keys = [c for c in CRITERIA if c in parts[0]]
    return Comparison(
        methods,
        {c: parts[0][c][:, 0] for c in keys},
        {
            c: np.concatenate([part[c] for part in parts[1:]], axis=1)
            if len(parts) > 1
            else np.full((len(methods), 1), np.nan)
            for c in keys
        },
        int(scored.sum()),
        None if groups is None else count,
        {role: len(other.cells) for role, other in outside.items()},
        [
            share_interval(judge.correct, np.ones(len(judge.correct), bool), groups)
            for judge in judges.values()
        ],
    )


def _codes(rows: pd.DataFrame, grouped: bool) -> tuple[np.ndarray, int]:
    """(N,) number of the unit that each row is drawn with, and the number of units."""
    groups = independent_groups(rows) if grouped else None
    return (np.arange(len(rows)), len(rows)) if groups is None else group_codes(groups)


@dataclass(frozen=True)
class _Outside:
    """Images of other kinds: rows (N,) bool of the tables; cells (K,), each of one unit and kind.

    count: units that are drawn. unit, kind, size: of each cell.
    """

    rows: np.ndarray
    cells: np.ndarray
    count: int
    unit: np.ndarray
    kind: np.ndarray
    size: np.ndarray

    @staticmethod
    def of(images: pd.DataFrame, rows: np.ndarray, grouped: bool) -> "_Outside":
        # Images of one compound are not independent if their kind is unknown either.
        codes, count = _codes(images, grouped)
        kind, names = pd.factorize(kinds(images))
        cells, of_cell = np.unique(codes * len(names) + kind, return_inverse=True)
        size = np.bincount(of_cell, minlength=len(cells))
        return _Outside(rows, of_cell, count, cells // len(names), cells % len(names), size)

    def weights(self, drawn: np.ndarray) -> np.ndarray:
        """(R, cells) of units drawn (R, count), so that every kind that was drawn has the sum 1."""
        weights = drawn[:, self.unit]
        of_kind = np.eye(self.kind.max() + 1)[self.kind] * self.size[:, None]
        return weights / np.maximum((weights @ of_kind)[:, self.kind], 1e-12)


def times(methods: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Cost of each method in seconds, from study.json's `methods`; index method, nan if unknown.

    Returns training, prediction (wall-clock), training_cpu, prediction_cpu, builds_on (a method
    whose training this one needs too, or ""), training_total (wall-clock of both trainings).
    """
    rows = {}
    for method, meta in methods.items():
        seconds = meta.get("seconds") or {}
        row = {
            part + ("" if clock == "wall" else "_cpu"): seconds.get(part, {}).get(clock, np.nan)
            for part in ("training", "prediction")
            for clock in ("wall", "cpu")
        }
        rows[method] = row | {"builds_on": meta.get("builds_on") or ""}
    table = pd.DataFrame.from_dict(rows, orient="index")
    base = table["builds_on"].map(table["training"]).where(table["builds_on"] != "", 0.0)
    return table.assign(training_total=table["training"] + base)


def predictions_made(images: pd.DataFrame) -> int:
    """Images that the timed predictions of a study were of; fold -1: every fold predicted them.

    Images added to the study later (with a `source`) are not among them.
    """
    folds = images["fold"]
    if "source" in images:
        folds = folds[images["source"].isna()]
    alone, shared = int((folds >= 0).sum()), int((folds < 0).sum())
    return alone + shared * max(folds[folds >= 0].nunique(), 1)


def agreement_of(a: pd.DataFrame, b: pd.DataFrame) -> pd.Series:
    """(N,) which of two methods is right if their predictions differ; "" if they agree.

    "first right", "second right", "both wrong", or "no label" for rows that no accuracy counts.
    """
    differ = np.asarray(a["predicted"].array != b["predicted"].array, bool)
    counted = scored_rows(a) & scored_rows(b)
    right = [t["correct"].fillna(False).to_numpy(dtype=bool) for t in (a, b)]
    kind = np.select([~differ, ~counted, right[0], right[1]], [0, 1, 2, 3], 4)
    words = ["", "no label", "first right", "second right", "both wrong"]
    return pd.Series(pd.Categorical.from_codes(kind, words), index=a.index)


class _Judge:
    """One method's figures of merit under any weighting of its images."""

    def __init__(
        self,
        known: pd.DataFrame,
        units: np.ndarray | None,
        table: pd.DataFrame,
        outside: Mapping[str, _Outside],
        classes: Sequence[str],
        score: str,
    ):
        self.correct = known["correct"].to_numpy(dtype=bool)
        top = known["top_softmax"].to_numpy(dtype=np.float64)
        p = known[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
        at_label = known["p_label"].to_numpy(dtype=np.float64)
        epistemic, aleatoric = (known[c].to_numpy(np.float64) for c in ("epistemic", "aleatoric"))
        losses = np.stack(
            [
                self.correct,
                -np.log(np.clip(at_label, NLL_FLOOR, 1)),
                (p**2).sum(axis=1) - 2 * at_label + 1,
                epistemic,
                epistemic + aleatoric,
            ],
            axis=1,
        )
        gaps = reweighted.calibration_gaps(top, self.correct)
        self.means = reweighted.Means(np.hstack([losses, gaps]), units)
        sure = certainty(score, known[score])
        usable = not np.isnan(sure).any() and len(sure) > 0
        if SCORES[score].needs_samples:  # one network has no split: zero, or missing in an import
            usable = usable and bool(known["epistemic"].max() > 0)
        self.ranked = reweighted.Ranked(sure, ~self.correct, units) if usable else None
        self.outside = {}
        first = np.arange(len(sure)) if units is None else units
        for role, others in outside.items():
            other = certainty(score, table.loc[others.rows, score])
            both = np.concatenate([sure, other])
            if usable and not np.isnan(other).any():
                cells = np.concatenate([first, first.max(initial=-1) + 1 + others.cells])
                last = np.arange(len(both)) >= len(sure)
                self.outside[role] = reweighted.Ranked(both, last, cells)

    def figures(
        self, weights: np.ndarray, outside: Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """criterion -> (R,)."""
        gap = np.full(len(weights), np.nan)
        (accuracy, nll, brier, epistemic, variance), gaps = np.split(self.means.at(weights), [5])
        figures = {
            "accuracy": accuracy,
            "nll": nll,
            "brier": brier,
            "ece": np.abs(gaps).sum(axis=0),
            "aurc": gap,
            "augrc": gap,
            "auroc": gap,
        }
        if self.ranked is not None:
            figures["aurc"], figures["augrc"], figures["auroc"] = self.ranked.merits(weights)
        for role, other in outside.items():
            figures[role] = (
                gap
                if role not in self.outside
                else self.outside[role].auroc(np.concatenate([weights, other], axis=1))
            )
        share = np.divide(epistemic, variance, out=gap.copy(), where=variance > 0)
        return figures | {"epistemic_share": share}


def _figures(
    judges: Mapping[str, _Judge],
    weights: np.ndarray,
    outside: Mapping[str, _Outside],
    drawn: Mapping[str, np.ndarray],
) -> dict[str, np.ndarray]:
    """criterion -> (M, R)."""
    others = {role: other.weights(drawn[role]) for role, other in outside.items()}
    by_method = [judge.figures(weights, others) for judge in judges.values()]
    return {c: np.stack([f[c] for f in by_method]) for c in by_method[0]}


def _drawn(rng: np.random.Generator, count: int, repeats: int) -> np.ndarray:
    """(repeats, count): how often each of `count` units is drawn in a bootstrap repeat."""
    drawn = rng.integers(count, size=(repeats, count)) + count * np.arange(repeats)[:, None]
    times = np.bincount(drawn.ravel(), minlength=repeats * count).reshape(repeats, count)
    return times.astype(np.float64)
