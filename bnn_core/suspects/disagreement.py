"""How far predictions of compounds, treatments or wells differ from the expected ones."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bnn_core.base.once import once
from bnn_core.measures.levels import LEVEL_COLUMNS, available_levels, scored_rows
from bnn_core.measures.uncertainty import signed_confidence
from bnn_core.suspects.batches import owned_classes
from bnn_core.suspects.usual_errors import Terms, UsualErrors, fit_usual_errors

#: Added to every probability before two distributions are compared; smaller ones do not count.
NEGLIGIBLE = 0.02
#: For a well: weight of the compounds' expectation, in other wells of its compound.
_PRIOR_WELLS = 1.0
#: Computed at a time: resamples, and numbers that stay in the processor's cache.
_RESAMPLES, _CACHED = 50, 40_000


@dataclass
class Disagreement:
    """One opinion on G groups: their means, the expected ones, and how both are resampled.

    N images are in U units (wells; treatments or images where wells are unknown), units in groups.
    Units are in the order of their groups; starts: (G,) index of each group's first unit.
    codes: (N,) group of each row. labels: (G,). compounds: (G,) index into `errors`. other_wells:
    (G, C) mean of the compound's other wells, at the level of wells. matched: for each ranked
    group, the index of the same group in this opinion, -1 for none. unknown: (C,) bool, classes
    that this opinion does not have.
    """

    groups: pd.DataFrame
    codes: np.ndarray
    labels: np.ndarray
    unit_means: np.ndarray
    unit_weights: np.ndarray
    starts: np.ndarray
    errors: UsualErrors
    compounds: np.ndarray
    matched: np.ndarray
    unknown: np.ndarray
    other_wells: np.ndarray | None = None

    @classmethod
    def of(cls, rows: pd.DataFrame, classes: list[str], level: str) -> "Disagreement":
        """From scored rows of known compounds, every level column filled."""
        p = rows[[f"p_{name}" for name in classes]].to_numpy(np.float64)
        keys = list(LEVEL_COLUMNS[level])
        codes = _codes(rows, [*keys, "label"])
        compounds = _codes(rows, ["compound", "label"])
        nested = [codes]
        for columns in (["concentration"], ["plate", "well"]):
            if all(c in rows and rows[c].notna().any() for c in columns):
                nested.append(_codes(rows.assign(_above=nested[-1]), ["_above", *columns]))
        weights = _balanced_weights(nested)
        units, kinds = _units(rows, nested, level)
        first = np.unique(codes, return_index=True)[1]
        unit_first = np.unique(units, return_index=True)[1]
        compound_first = np.unique(compounds, return_index=True)[1]
        in_order = np.argsort(codes[unit_first], kind="stable")
        unit_weights = np.bincount(units, weights)
        unit_means = _weighted_means(p, units, weights / unit_weights[units])
        n_units = np.bincount(codes[unit_first])
        index = pd.Index(classes)
        labels = index.get_indexer(rows["label"].iloc[compound_first])

        compound_weights = weights / np.bincount(compounds, weights)[compounds]
        means = _weighted_means(p, compounds, compound_weights)
        owned = owned_classes(rows, compounds, len(labels), labels, len(classes))
        wrong = (rows["predicted"] != rows["label"]).to_numpy()
        n_images = np.bincount(codes)
        kept = list(dict.fromkeys([*keys, "compound", "label"]))
        groups = rows.iloc[first][kept].reset_index(drop=True)
        groups["n_images"] = n_images
        groups["n_wrong"] = np.bincount(codes, wrong).astype(int)
        sure = signed_confidence(p.max(axis=1))
        groups["mean_signed_confidence"] = np.bincount(codes, sure) / n_images
        groups["n_units"] = n_units
        groups["unit"] = kinds[first]
        source = cls(
            groups,
            codes,
            index.get_indexer(groups["label"]),
            unit_means[in_order],
            unit_weights[in_order],
            np.cumsum(n_units) - n_units,
            fit_usual_errors(means, labels, owned),
            compounds[first],
            np.arange(len(groups)),
            np.zeros(len(classes), bool),
        )
        if level == "well":
            source.other_wells = source._other_wells()
        return source

    @once
    def means(self) -> np.ndarray:
        """(G, C) mean class probabilities of the groups."""
        sums = np.add.reduceat(self.unit_weights[:, None] * self.unit_means, self.starts)
        return sums / np.add.reduceat(self.unit_weights, self.starts)[:, None]

    def scores(self) -> np.ndarray:
        """(ranked groups, C) score of every wrong class; -inf for the label, nan for no opinion."""
        return self._scores(self.means, self.errors.terms())

    def resampled(self, rng: np.random.Generator, count: int) -> Iterator[np.ndarray]:
        """`scores` of `count` resamples.

        Each draws n - 1 of the n units of each group with replacement (so that the variance of a
        mean is unbiased; Rao & Wu 1988) and all compounds of the expectation.
        """
        compounds = len(self.errors.labels)
        # Single precision: a resample's own scatter is far larger.
        errors = self.errors.single()
        for start in range(0, count, _RESAMPLES):
            drawn = self._draw_units(rng, min(_RESAMPLES, count - start))
            for means in self._means_of(drawn):
                weights = np.bincount(rng.integers(compounds, size=compounds), minlength=compounds)
                yield self._scores(means, errors.terms(weights))

    def _scores(self, means: np.ndarray, terms: Terms) -> np.ndarray:
        every, labels = np.arange(len(means)), self.labels
        of_label = self._with_other_wells(terms.of_label[self.compounds])
        log_v = np.log(means + means.dtype.type(NEGLIGIBLE))
        surprise = np.empty_like(log_v)
        # Few compounds at a time: what is expected of them stays in the processor's cache.
        for part, groups in self._parts:
            compounds = self.compounds[groups] - part.start
            surprise[groups] = _surprises_if(terms.expected_if(part), compounds, log_v[groups])
        surprise[every, labels] = surprises(of_label[:, None], means)[:, 0]
        as_expected = means[every, labels] >= of_label[every, labels]
        out = _contrast(surprise, as_expected, labels, self.unknown)
        if np.array_equal(self.matched, every):
            return out
        return np.where((self.matched >= 0)[:, None], out[self.matched], np.nan)

    @once
    def _parts(self) -> list[tuple[slice, np.ndarray]]:
        """Compounds by and by, each time with the groups (indices) that they have."""
        count, classes = self.errors.means.shape
        step = max(1, _CACHED // classes**2)
        order = np.argsort(self.compounds, kind="stable")
        edges = np.append(np.arange(0, count, step), count)
        ends = np.searchsorted(self.compounds[order], edges)
        return [
            (slice(a, b), order[i:j])
            for a, b, i, j in zip(edges, edges[1:], ends, ends[1:], strict=False)
        ]

    def expected(self) -> np.ndarray:
        """(G, C) expected class probabilities of the groups if their labels are correct.

        A well is expected to look like the other wells of its compound.
        """
        return self._with_other_wells(self.errors.expected()[self.compounds])

    def _with_other_wells(self, expected: np.ndarray) -> np.ndarray:
        if self.other_wells is None:
            return expected
        n = np.bincount(self.compounds)[self.compounds][:, None] - 1
        mean = (n * self.other_wells + _PRIOR_WELLS * expected) / (n + _PRIOR_WELLS)
        return mean.astype(expected.dtype)

    def _means_of(self, drawn: np.ndarray) -> np.ndarray:
        """(R, G, C) means of the groups, each unit counted as often as `drawn` (U, R) says."""
        sums = (self._into_groups @ drawn).reshape(len(self.starts), -1, drawn.shape[1])
        return np.ascontiguousarray(np.moveaxis(sums[:, :-1] / sums[:, -1:], 2, 0))

    @once
    def _into_groups(self) -> csr_array:
        """(G * (C + 1), U) single precision: sums over a group's units of weight * mean, and of weight."""
        units, columns = len(self.unit_weights), self.unit_means.shape[1] + 1
        weights = self.unit_weights[:, None]
        values = np.hstack([weights * self.unit_means, weights])
        sizes = np.diff(np.append(self.starts, units))
        starts, size = np.repeat(self.starts, sizes)[:, None], np.repeat(sizes, sizes)[:, None]
        unit = np.arange(units)[:, None]
        at = columns * starts + size * np.arange(columns) + unit - starts
        data, index = np.empty(at.size, np.float32), np.empty(at.size, np.int32)
        data[at], index[at] = values, unit
        ends = np.append(0, np.cumsum(np.repeat(sizes, columns)))
        return csr_array((data, index, ends), (len(ends) - 1, units))

    def _draw_units(self, rng: np.random.Generator, resamples: int) -> np.ndarray:
        """(U, resamples) how often each unit is drawn: n - 1 times of n units, at least once."""
        counts = np.empty((len(self.unit_weights), resamples), np.float32)
        for units, group, sizes in self._draws:
            numbers = rng.random((len(group), resamples), np.float32)
            numbers *= sizes
            # A number just below 1 times n may be rounded to n.
            picked = np.minimum(numbers.astype(np.intp), sizes - 1)
            picked += group
            picked *= resamples
            picked += np.arange(resamples)
            drawn = np.bincount(picked.ravel(), minlength=(units.stop - units.start) * resamples)
            counts[units] = drawn.reshape(-1, resamples)
        return counts

    @once
    def _draws(self) -> list[tuple[slice, np.ndarray, np.ndarray]]:
        """Draws of some groups at a time: their units, then of each draw the group's first unit (from
        the first of these) and the number of its units."""
        units = len(self.unit_weights)
        sizes = np.diff(np.append(self.starts, units))
        step = max(1, _CACHED * len(sizes) // (units * _RESAMPLES))
        parts = []
        for first in range(0, len(sizes), step):
            of_part = sizes[first : first + step]
            start = int(self.starts[first])
            times = np.maximum(of_part - 1, 1)
            group = np.repeat(self.starts[first : first + step] - start, times)[:, None]
            parts.append(
                (
                    slice(start, start + int(of_part.sum())),
                    group,
                    np.repeat(of_part, times)[:, None],
                )
            )
        return parts

    def _other_wells(self) -> np.ndarray:
        means = self.means
        sums = np.stack([np.bincount(self.compounds, column) for column in means.T], axis=1)
        n = np.bincount(self.compounds)[self.compounds][:, None]
        return (sums[self.compounds] - means) / np.maximum(n - 1, 1)


def surprises(expected: np.ndarray, means: np.ndarray) -> np.ndarray:
    """(G, J) how far means (G, C) are from each of J expectations (G, J, C), in [0, 1].

    The Kullback-Leibler divergence D(expected || means), NEGLIGIBLE added to every probability of
    both, divided by its maximum, log(1 + 1 / NEGLIGIBLE): 0 is as expected, 1 is all probability
    expected on one class and found on another.
    """
    e, log_v = expected + NEGLIGIBLE, np.log(means + NEGLIGIBLE)
    ratio = np.log(e)
    ratio -= log_v[:, None]
    return np.einsum("gjc,gjc->gj", e, ratio) / np.log(1 + 1 / NEGLIGIBLE)


def contrast(
    expected: np.ndarray, means: np.ndarray, labels: np.ndarray, unknown: np.ndarray | None = None
) -> np.ndarray:
    """(G, C) how much better each class explains means (G, C) than the label does, in [-1, 1].

    expected: (G, C, C), [g, j] the expected means of group g in class j. labels: (G,). The result
    is the difference of the two `surprises`, and at most 0 where the label gets at least what is
    expected. -inf for the label, nan for classes (C,) that are `unknown` unless the label gets what
    is expected.
    """
    rows = np.arange(len(means))
    as_expected = means[rows, labels] >= expected[rows, labels, labels]
    return _contrast(surprises(expected, means), as_expected, labels, unknown)


def _contrast(
    surprise: np.ndarray,
    as_expected: np.ndarray,
    labels: np.ndarray,
    unknown: np.ndarray | None,
) -> np.ndarray:
    """`contrast` from surprises (G, C); as_expected: (G,) bool, the label gets what is expected."""
    rows = np.arange(len(labels))
    out = surprise[rows, labels][:, None] - surprise
    if unknown is not None:
        out[:, unknown] = np.nan
    out[as_expected] = np.fmin(out[as_expected], 0)
    out = np.clip(out, -1, 1)
    out[rows, labels] = -np.inf
    return out


def _surprises_if(expected: np.ndarray, compounds: np.ndarray, log_v: np.ndarray) -> np.ndarray:
    """(G, C) `surprises` of groups by what is expected of their compounds (C, C, K).

    compounds: (G,) ascending index, every compound once at least. log_v: (G, C), logarithm of means
    + NEGLIGIBLE.
    """
    expected += expected.dtype.type(NEGLIGIBLE)
    ratio, scale = np.log(expected), 1 / np.log(1 + 1 / NEGLIGIBLE)
    if len(compounds) == expected.shape[2]:
        ratio -= log_v.T
        ratio *= expected
        return ratio.sum(axis=1).T * scale
    ratio *= expected
    out = ratio.sum(axis=1).T[compounds]
    ends = np.cumsum(np.bincount(compounds, minlength=expected.shape[2]))
    for compound, groups in enumerate(np.split(np.arange(len(out)), ends[:-1])):
        out[groups] -= log_v[groups] @ expected[:, :, compound].T
    return out * scale


def joined(
    second: pd.DataFrame, first: Disagreement, classes: list[str], level: str
) -> Disagreement | None:
    """The second opinion as a source for the groups of the first; None if it has no usable row."""
    if "compound" not in second:
        return None
    rows = second[scored_rows(second) & second["compound"].notna().to_numpy()]
    rows = known_probabilities(rows[rows["label"].isin(classes)], classes)
    if rows.empty:
        return None
    lacking = [name for name in classes if f"p_{name}" not in rows]
    rows = rows.assign(**{f"p_{name}": 0.0 for name in lacking})
    keys = list(LEVEL_COLUMNS[level])
    if level not in available_levels(rows):
        level, keys = "compound", ["compound"]
    rows = rows[rows[keys].notna().all(axis=1)]
    source = Disagreement.of(rows, classes, level)
    source.unknown = np.isin(classes, lacking)
    source.matched = _group_names(source.groups, keys).get_indexer(_group_names(first.groups, keys))
    return source


def known_probabilities(rows: pd.DataFrame, classes: list[str]) -> pd.DataFrame:
    """The rows whose probabilities are all finite."""
    columns = [f"p_{name}" for name in classes if f"p_{name}" in rows]
    finite = np.logical_and.reduce([np.isfinite(rows[c].to_numpy()) for c in columns])
    return rows if finite.all() else rows[finite]


def _group_names(frame: pd.DataFrame, keys: list[str]) -> pd.MultiIndex:
    """Names by which groups are matched between opinions, without capitals and outer blanks."""
    return pd.MultiIndex.from_arrays(
        [
            frame[c] if c == "concentration" else frame[c].astype(str).str.strip().str.casefold()
            for c in [*keys, "label"]
        ]
    )


def _codes(rows: pd.DataFrame, columns: list[str]) -> np.ndarray:
    """(N,) group numbers in the order of first appearance; missing values are a value."""
    return rows.groupby(columns, dropna=False, sort=False).ngroup().to_numpy()


def _balanced_weights(nested: list[np.ndarray]) -> np.ndarray:
    """(N,) weights that sum to 1 in each group of nested[0], equal for children of one parent.

    nested: group codes (N,), coarsest first, each within the one before.
    """
    weights = np.ones(len(nested[0]))
    finer = np.arange(len(weights))
    for coarser in reversed(nested):
        children = np.bincount(coarser[np.unique(finer, return_index=True)[1]])
        weights /= children[coarser]
        finer = coarser
    return weights


def _units(
    rows: pd.DataFrame, nested: list[np.ndarray], level: str
) -> tuple[np.ndarray, np.ndarray]:
    """(N,) codes of the resampled units, and (N,) their kind: the smallest independent ones.

    Wells where they are known, else the treatments of a compound with several, else images.
    """
    images = np.arange(len(rows))
    if level == "well":
        return images, np.full(len(rows), "image", dtype=object)
    if "well" in available_levels(rows):
        return nested[-1], np.full(len(rows), "well", dtype=object)
    several = np.zeros(len(rows), bool)
    if level == "compound" and len(nested) > 1:
        first = np.unique(nested[1], return_index=True)[1]
        several = (np.bincount(nested[0][first]) > 1)[nested[0]]
    units = np.where(several, len(rows) + nested[-1], images)
    return (
        np.unique(units, return_inverse=True)[1],
        np.where(several, "treatment", "image").astype(object),
    )


def _weighted_means(values: np.ndarray, codes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(groups, C) weighted means of rows (N, C); codes 0..groups-1 all appear."""
    sums = np.stack([np.bincount(codes, weights * column) for column in values.T], axis=1)
    return sums / np.bincount(codes, weights)[:, None]
