"""How far predictions of compounds, treatments or wells differ from the expected ones."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from bnn_core.measures.levels import LEVEL_COLUMNS, available_levels, scored_rows
from bnn_core.suspects.batches import owned_classes
from bnn_core.suspects.usual_errors import UsualErrors, fit_usual_errors

#: Added to every probability before two distributions are compared; smaller ones do not count.
NEGLIGIBLE = 0.02
#: For a well: weight of the compounds' expectation, in other wells of its compound.
_PRIOR_WELLS = 1.0


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
        groups["mean_confidence"] = np.bincount(codes, rows["confidence"]) / n_images
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

    @property
    def means(self) -> np.ndarray:
        """(G, C) mean class probabilities of the groups."""
        return self._means_of(self.unit_weights)

    def scores(self, rng: np.random.Generator | None = None) -> np.ndarray:
        """(ranked groups, C) score of every wrong class; -inf for the label, nan for no opinion.

        With a generator: scores of one resample, which draws n - 1 of the n units of each group
        with replacement (so that the variance of a mean is unbiased; Rao & Wu 1988) and all
        compounds of the expectation.
        """
        means, weights, dtype = self.means, None, np.float64
        if rng is not None:
            # Single precision: a resample's own scatter is far larger.
            dtype = np.float32
            means = self._means_of(self.unit_weights * self._draw_units(rng)).astype(dtype)
            count = len(self.errors.labels)
            weights = np.bincount(rng.integers(count, size=count), minlength=count)
        every, labels = np.arange(len(means)), self.labels
        expected = self.errors.expected_if(weights, dtype)
        of_label = self._with_other_wells(expected[self.compounds, labels])
        surprise = _surprises_by_compound(expected, self.compounds, means)
        surprise[every, labels] = surprises(of_label[:, None], means)[:, 0]
        as_expected = means[every, labels] >= of_label[every, labels]
        out = _contrast(surprise, as_expected, labels, self.unknown)
        return np.where((self.matched >= 0)[:, None], out[self.matched], np.nan)

    def expected(self) -> np.ndarray:
        """(G, C) expected class probabilities of the groups if their labels are correct.

        A well is expected to look like the other wells of its compound.
        """
        return self._with_other_wells(self.errors.expected_if()[self.compounds, self.labels])

    def _with_other_wells(self, expected: np.ndarray) -> np.ndarray:
        if self.other_wells is None:
            return expected
        n = np.bincount(self.compounds)[self.compounds][:, None] - 1
        mean = (n * self.other_wells + _PRIOR_WELLS * expected) / (n + _PRIOR_WELLS)
        return mean.astype(expected.dtype)

    def _means_of(self, weights: np.ndarray) -> np.ndarray:
        into_groups = self._into_groups
        into_groups.data = np.asarray(weights, np.float64)
        sums = np.add.reduceat(into_groups.data, self.starts)
        return into_groups @ self.unit_means / sums[:, None]

    @cached_property
    def _into_groups(self) -> csr_array:
        """(G, U) which units are in which group; its data are the units' weights of the moment."""
        units = len(self.unit_weights)
        starts = np.append(self.starts, units)
        return csr_array((np.ones(units), np.arange(units), starts), (len(self.starts), units))

    @cached_property
    def _draws(self) -> tuple[np.ndarray, np.ndarray]:
        """First unit and number of units for each draw: n - 1 draws per group of n units, at least 1."""
        sizes = self.groups["n_units"].to_numpy()
        group = np.repeat(np.arange(len(sizes)), np.maximum(sizes - 1, 1))
        return self.starts[group], sizes[group].astype(np.float64)

    def _draw_units(self, rng: np.random.Generator) -> np.ndarray:
        """(U,) how often each unit is drawn."""
        starts, sizes = self._draws
        picked = starts + (rng.random(len(starts)) * sizes).astype(np.intp)
        return np.bincount(picked, minlength=len(self.unit_weights))

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


def _surprises_by_compound(
    expected: np.ndarray, compounds: np.ndarray, means: np.ndarray
) -> np.ndarray:
    """(G, C) `surprises` of groups by what is expected of their compounds (K, C, C)."""
    if len(compounds) == len(expected):
        return surprises(expected[compounds], means)
    # Many wells or doses of few compounds: one small matrix product for each compound.
    e, log_v = expected + expected.dtype.type(NEGLIGIBLE), np.log(means + NEGLIGIBLE)
    out = (e * np.log(e)).sum(axis=2)[compounds]
    order = np.argsort(compounds, kind="stable")
    ends = np.cumsum(np.bincount(compounds, minlength=len(e)))
    for compound, groups in enumerate(np.split(order, ends[:-1])):
        out[groups] -= log_v[groups] @ e[compound].T
    return out / np.log(1 + 1 / NEGLIGIBLE)


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
