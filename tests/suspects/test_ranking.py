import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from screens import CLASSES, calling, published_table, screen, with_summary

from bnn_core.suspects.disagreement import Disagreement, contrast, surprises
from bnn_core.suspects.ranking import rank, rank_images, score_interval


def called(images: pd.DataFrame, changes: dict[str, str], sure: float = 0.9) -> pd.DataFrame:
    """Every image called by its label, but those of some compounds by another class."""
    names = [
        changes.get(c, label) for c, label in zip(images["compound"], images["label"], strict=True)
    ]
    return with_summary(images, calling(names, sure))


def test_a_compound_always_called_one_other_class_comes_first():
    ranked = rank(called(screen(), {"B1": "D"}), CLASSES, resamples=50)
    first = ranked.iloc[0]
    assert (first["compound"], first["label"], first["suspected"]) == ("B1", "B", "D")
    assert first["n_images"] == first["n_wrong"] == first["n_suspected"] == 12
    assert (first["unit"], first["n_units"]) == ("well", 6)
    assert (first["rank_low"], first["rank_high"], first["leading"]) == (1, 1, 1.0)
    assert ranked["rank"].tolist() == list(range(1, 9))
    assert (ranked["score"].iloc[1:] < 0.1).all()


def test_the_score_compares_the_two_expectations():
    ranked = rank(called(screen(), {"B1": "D"}), CLASSES, resamples=20).set_index("compound")
    first = ranked.loc["B1"]
    assert first["p_label"] == pytest.approx(0.1 / 3, abs=1e-6)
    assert first["p_suspected"] == pytest.approx(0.9, abs=1e-6)
    # All seven others are called right at 0.9 and send a third of the rest to D.
    assert first["expected_label"] == pytest.approx(0.9, abs=1e-6)
    assert first["expected_suspected"] == pytest.approx(0.1 / 3, abs=1e-3)
    # v, and what a compound of B and one of D would get; a third of the rest to each other class.
    v = np.array([0.1 / 3, 0.1 / 3, 0.1 / 3, 0.9])
    right = np.array([0.1 / 3, 0.9, 0.1 / 3, 0.1 / 3])

    def divergence(e):
        return ((e + 0.02) * np.log((e + 0.02) / (v + 0.02))).sum() / np.log(1 + 1 / 0.02)

    assert divergence(v) == 0
    assert first["score"] == pytest.approx(divergence(right), abs=0.01)


@pytest.mark.parametrize("count", [2, 12, 62])
def test_a_perfect_model_gives_the_ends_of_the_scale(count):
    means = np.eye(count)[[0, 1, 0, 1, 1]]
    labels = np.array([0, 1, 0, 1, 0])  # the last is of class 1, labelled 0
    perfect = np.broadcast_to(np.eye(count), (5, count, count))
    found = contrast(perfect, means, labels)
    assert found[4, 1] == 1 and found[4].argmax() == 1
    assert (found[0, 1], found[1, 0]) == (-1, -1) and np.isneginf(found[np.arange(5), labels]).all()


@settings(deadline=None, max_examples=60)
@given(arrays(float, (6, 4), elements=st.floats(0, 1)), st.integers(0, 999))
def test_the_score_stays_in_its_range_and_a_label_as_expected_is_never_suspect(raw, seed):
    rng = np.random.default_rng(seed)
    means = (raw + 1e-9) / (raw + 1e-9).sum(axis=1, keepdims=True)
    expected, labels = rng.dirichlet(np.ones(4), (6, 4)), rng.integers(0, 4, 6)
    surprise = surprises(expected, means)
    assert (surprise >= -1e-12).all() and (surprise <= 1 + 1e-12).all()
    found = contrast(expected, means, labels, np.arange(4) == 3)
    rest = np.where(np.isnan(found) | np.isneginf(found), 0, found)
    assert (np.abs(rest) <= 1).all()
    rows = np.arange(6)
    fine = means[rows, labels] >= expected[rows, labels, labels]
    assert (np.nan_to_num(found[fine], nan=1) <= 0).all()


def test_a_label_that_gets_more_than_expected_is_not_suspect():
    """Twelve compounds of A look like C, twelve of B like A; one of A is surely A."""
    names = [f"A{k}" for k in range(12)] + [f"B{k}" for k in range(12)]
    images = pd.DataFrame(
        {
            "compound": names,
            "label": [n[0] for n in names],
            "plate": "P",
            "well": [f"W{k}" for k in range(24)],
            "role": "scored",
        }
    )
    p = np.array([[0.40, 0.02, 0.56, 0.02]] * 12 + [[0.60, 0.36, 0.02, 0.02]] * 12)
    p[3] = [0.97, 0.01, 0.01, 0.01]
    ranked = rank(with_summary(images, p), CLASSES, resamples=20).set_index("compound")
    assert ranked.loc["A3", "score"] <= 0 and ranked.loc["A3", "n_wrong"] == 0


def test_one_compound_is_not_ranked_and_two_are():
    images = screen()
    two = called(images[images["compound"].isin(["A1", "B1"])].reset_index(drop=True), {"B1": "A"})
    ranked = rank(two, CLASSES, resamples=20).set_index("compound")
    assert ranked.loc["B1", "score"] > 0 >= ranked.loc["A1", "score"]
    assert np.isfinite(ranked[["score", "low", "high"]].to_numpy()).all()
    assert rank(two[two["compound"] == "A1"], CLASSES, resamples=20).empty


def test_rows_without_probabilities_do_not_spoil_the_others():
    table = called(screen(), {"B1": "D"})
    holes = table.copy()
    holes.loc[holes["compound"] == "C2", "p_A"] = np.nan
    rest = rank(table[table["compound"] != "C2"], CLASSES, resamples=20)
    np.testing.assert_allclose(rank(holes, CLASSES, resamples=20)["score"], rest["score"])
    second = rank(table, CLASSES, second=holes, resamples=20).set_index("compound")
    assert second["second_score"].isna().tolist() == (second.index == "C2").tolist()


def test_consistent_disagreement_beats_scatter_and_low_confidence():
    images = screen()
    names = images["label"].tolist()
    for i in np.flatnonzero(images["compound"] == "A1"):  # scattered, wrong
        names[i] = "BCD"[i % 3]
    for i in np.flatnonzero(images["compound"] == "B1"):  # consistent, wrong
        names[i] = "D"
    p = calling(names)
    unsure = (images["compound"] == "C1").to_numpy()  # right, but of lowest confidence
    p[unsure] = calling(["C"] * unsure.sum(), 0.45)
    ranked = rank(with_summary(images, p), CLASSES, resamples=20)
    assert ranked["compound"].iloc[:2].tolist() == ["B1", "A1"]
    assert ranked["mean_signed_confidence"].idxmin() > 1
    assert ranked["mean_signed_confidence"].min() < 0  # a score that folds is never negative


def three_times() -> pd.DataFrame:
    """24 compounds: A1x, A1y, A1z, ...; a batch of x's, y's or z's holds A and B, or C and D."""
    copies = [screen().assign(compound=screen()["compound"] + suffix) for suffix in "xyz"]
    images = pd.concat(copies, ignore_index=True).drop(columns="fold")
    images["batch"] = images["compound"].str[2] + images["label"].isin(["A", "B"]).map(str)
    return images


def test_a_weak_class_is_less_remarkable():
    # Class A is called B in five of six compounds, class C is called D in one of six.
    wrong = {c: "B" for c in ("A1x", "A1y", "A1z", "A2x", "A2y")} | {"C1x": "D"}
    ranked = rank(called(three_times(), wrong), CLASSES, resamples=20)
    assert ranked["compound"].iloc[0] == "C1x"
    assert ranked.set_index("compound").loc["A1x", "expected_label"] < 0.6


def test_a_class_of_the_same_batch_is_less_remarkable_where_batches_pull():
    # Four compounds are called a class of their own batch, the fifth, D2z, is not.
    wrong = {"A1x": "B", "B1y": "A", "C1z": "D", "D1x": "C", "D2z": "A"}
    table = called(three_times(), wrong)
    known = rank(table, CLASSES, resamples=20).set_index("compound")["score"]
    unknown = rank(table.drop(columns="batch"), CLASSES, resamples=20)
    unknown = unknown.set_index("compound")["score"]
    assert known["D2z"] > known["D1x"]
    assert known["D2z"] > unknown["D2z"] and known["D1x"] < unknown["D1x"]


def test_wells_are_compared_with_the_same_compound():
    images = screen()
    names = images["label"].where(images["compound"] != "B1", "D").tolist()
    swapped = ((images["plate"] == "W1P2") & (images["well"] == "C02")).to_numpy()  # of B1
    other = ((images["plate"] == "W2P1") & (images["well"] == "B02")).to_numpy()  # of A2
    for i in np.flatnonzero(other):
        names[i] = "C"
    table = with_summary(images, calling(names))
    ranked = rank(table, CLASSES, "well", resamples=20)
    first = ranked.iloc[0]
    assert (first["plate"], first["well"], first["compound"], first["suspected"]) == (
        "W2P1",
        "B02",
        "A2",
        "C",
    )
    # B1 is wrong everywhere: its wells agree with each other, so that no single well is suspect.
    own = ranked[ranked["compound"] == "B1"]
    assert (own["score"] < 0.3 * first["score"]).all()
    assert len(ranked) == len(images[["plate", "well"]].drop_duplicates())
    assert swapped.sum() == 2


def test_treatments_are_ranked_by_dose():
    images = screen()
    low = ((images["compound"] == "C2") & (images["concentration"] == 1)).to_numpy()
    names = images["label"].where(~low, "A").tolist()
    first = rank(with_summary(images, calling(names)), CLASSES, "treatment", resamples=20).iloc[0]
    assert (first["compound"], first["concentration"], first["suspected"]) == ("C2", 1.0, "A")
    assert (first["n_units"], first["unit"]) == (3, "well")


def test_doses_and_wells_weigh_alike_whatever_the_number_of_images():
    images = screen()
    # Ten times as many images at the one dose that is called wrong.
    extra = images[(images["compound"] == "B1") & (images["concentration"] == 1)]
    images = pd.concat([images, *[extra] * 9], ignore_index=True)
    low = ((images["compound"] == "B1") & (images["concentration"] == 1)).to_numpy()
    names = images["label"].where(~low, "D").tolist()
    ranked = rank(with_summary(images, calling(names)), CLASSES, resamples=20).set_index("compound")
    assert ranked.loc["B1", "p_label"] == pytest.approx((0.9 + 0.1 / 3) / 2, abs=1e-6)


def test_a_second_opinion_keeps_what_both_say():
    table = called(screen(), {"B1": "D", "C1": "A"})
    second = called(screen(), {"B1": "D"}).assign(compound=lambda t: t["compound"].str.lower())
    ranked = rank(table, CLASSES, second=second, resamples=20).set_index("compound")
    assert ranked.index[0] == "B1"
    assert ranked.loc["C1", "score"] < 0.1 < 0.5 < ranked.loc["B1", "score"]
    assert ranked.loc["B1", "second_p_suspected"] == pytest.approx(0.9, abs=1e-6)


@pytest.mark.parametrize("as_a, suspected", [(5, "A"), (3, "D")])
def test_only_classes_with_half_the_images_of_the_commonest_are_suspected(as_a, suspected):
    """12 wrong images, some as A, the others as D; the second opinion predicts A.

    5 are at least half of the other 7, 3 are less than half of the other 9.
    """
    images = screen()
    names = images["label"].copy()
    rows = np.flatnonzero(images["compound"] == "B1")
    names.iloc[rows] = ["A"] * as_a + ["D"] * (12 - as_a)
    second = called(images, {"B1": "A"}, sure=0.65)
    ranked = rank(with_summary(images, calling(list(names))), CLASSES, second=second, resamples=5)
    assert ranked.set_index("compound").loc["B1", "suspected"] == suspected


def test_a_compound_that_the_second_opinion_lacks_keeps_its_score():
    table = called(screen(), {"B1": "D", "C1": "A"})
    second = called(screen(), {})
    alone = rank(table, CLASSES, resamples=20).set_index("compound")
    both = rank(table, CLASSES, second=second[second["compound"] != "C1"], resamples=20)
    both = both.set_index("compound")
    assert both.loc["C1", "score"] == pytest.approx(alone.loc["C1", "score"])
    assert np.isnan(both.loc["C1", "second_score"]) and np.isnan(both.loc["C1", "second_p_label"])
    assert both.loc["B1", "score"] < 0.1


def test_a_second_opinion_of_other_classes_and_columns_joins():
    table = called(screen(), {"B1": "D"})
    second = called(screen(), {"B1": "D"}).drop(columns=["concentration", "plate", "well", "p_C"])
    second = second[second["label"] != "C"]
    ranked = rank(table, CLASSES, "treatment", second=second, resamples=20)
    assert set(ranked["compound"].iloc[:2]) == {"B1"}
    assert ranked["second_score"].notna().sum() == 12


def test_a_second_opinion_without_the_suspected_class_has_none_on_it():
    table = called(screen(), {"B1": "D"})
    second = called(screen(), {"B1": "A"}, sure=0.5)
    second = second[second["label"] != "D"].drop(columns="p_D")
    alone = rank(table, CLASSES, resamples=20).set_index("compound")
    both = rank(table, CLASSES, second=second, resamples=20).set_index("compound")
    assert both.loc["B1", "suspected"] == "D"
    assert both.loc["B1", "score"] == pytest.approx(alone.loc["B1", "score"])
    # It has one on the label: where that gets what it should, nothing is suspect.
    right = called(screen(), {})
    right = right[right["label"] != "D"].drop(columns="p_D")
    assert (
        rank(table, CLASSES, second=right, resamples=20).set_index("compound").loc["B1", "score"]
        <= 0
    )


def test_a_second_opinion_without_a_compound_in_common_changes_nothing():
    table = called(screen(), {"B1": "D"})
    alone = rank(table, CLASSES, resamples=20)
    for second in (
        table.assign(label="Z"),
        table.drop(columns="compound"),
        table.assign(compound="none of them"),
    ):
        both = rank(table, CLASSES, second=second, resamples=20)
        assert both["second_score"].isna().all()
        np.testing.assert_allclose(both["score"], alone["score"])


def test_the_interval_needs_more_than_one_unit_and_narrows_with_many():
    few = called(screen(wells_per_dose=1, images_per_well=1), {})
    rows = few[few["concentration"] == 1]
    assert rank(rows.reset_index(drop=True), CLASSES, resamples=20)["low"].isna().all()

    rng = np.random.default_rng(0)
    widths = []
    for wells in (2, 32):
        images = screen(wells_per_dose=wells, images_per_well=1)
        p = rng.dirichlet(np.full(4, 0.5), len(images))
        ranked = rank(with_summary(images, p), CLASSES, resamples=200)
        widths.append((ranked["high"] - ranked["low"]).mean())
    assert widths[0] > 2 * widths[1]


def test_the_interval_is_students_t_of_one_degree_of_freedom_less_than_units():
    """Closed form: t(0.975) is 12.706, 4.303 and 2.571 at 1, 2 and 5 degrees of freedom."""
    drawn = np.array([[0.1], [0.2], [0.3]]) @ np.ones((1, 4))
    spread = np.sqrt(2 / 3) * 0.1
    low, high = score_interval(np.full(4, 0.2), drawn, np.array([1, 2, 3, 6]))
    assert np.isnan(low[0]) and np.isnan(high[0])
    np.testing.assert_allclose(low[2:], 0.2 - np.array([4.302653, 2.570582]) * spread, atol=1e-6)
    np.testing.assert_allclose(high[2:], 0.2 + np.array([4.302653, 2.570582]) * spread, atol=1e-6)
    assert (low[1], high[1]) == (pytest.approx(0.2 - 12.706205 * spread), 1)  # cut at 1
    low, high = score_interval(np.full(4, -0.2), drawn, np.array([1, 2, 3, 6]))
    assert (low[1], high[1]) == (-1, pytest.approx(-0.2 + 12.706205 * spread))  # cut at -1


class Chosen:
    """A random generator whose uniform numbers are given."""

    def __init__(self, numbers: np.ndarray):
        self.numbers = numbers

    def random(self, size: tuple[int, int], dtype: type) -> np.ndarray:
        assert size == (len(self.numbers), 1)
        return self.numbers[:, None].astype(dtype)


def test_two_of_three_units_are_drawn_and_the_variance_of_their_mean_is_unbiased():
    """All nine draws of two from three fixed wells: the variance is s² / n, s² with n - 1."""
    images = screen(images_per_well=1)
    images = images[images["concentration"] == 1].reset_index(drop=True)
    p = calling(images["label"], 0.7)
    first = np.flatnonzero(images["compound"] == "A1")
    p[first, 0] = [0.2, 0.5, 0.9]
    p[first, 1:] = ((1 - p[first, 0]) / 3)[:, None]
    source = Disagreement.of(with_summary(images, p), CLASSES, "compound")
    means = []
    for i in range(3):
        for j in range(3):
            numbers = np.zeros(16)
            numbers[:2] = (np.array([i, j]) + 0.5) / 3
            drawn = source._draw_units(Chosen(numbers), 1)
            assert drawn.sum() == 16 and drawn[:3].sum() == 2
            means.append(source._means_of(drawn)[0, 0, 0])
    assert np.mean(means) == pytest.approx(np.mean([0.2, 0.5, 0.9]))
    assert np.var(means) == pytest.approx(np.var([0.2, 0.5, 0.9], ddof=1) / 3)


@pytest.mark.parametrize("level", ["compound", "treatment"])
@pytest.mark.parametrize("cached", [1, 100_000])
def test_resamples_are_those_of_a_plain_loop(level, cached, monkeypatch):
    monkeypatch.setattr("bnn_core.suspects.disagreement._CACHED", cached)
    images = screen(wells_per_dose=3, images_per_well=1)
    p = np.random.default_rng(2).dirichlet(np.full(4, 0.5), len(images))
    source = Disagreement.of(with_summary(images, p), CLASSES, level)
    scores = list(source.resampled(np.random.default_rng(5), 3))
    rng = np.random.default_rng(5)
    drawn = source._draw_units(rng, 3)
    groups, sizes = len(source.labels), source.groups["n_units"].to_numpy()
    for resample, score in enumerate(scores):
        means = np.empty((groups, 4))
        for group, (start, size) in enumerate(zip(source.starts, sizes, strict=True)):
            units = slice(start, start + size)
            assert drawn[units, resample].sum() == max(size - 1, 1)
            means[group] = np.average(
                source.unit_means[units],
                axis=0,
                weights=source.unit_weights[units] * drawn[units, resample],
            )
        count = len(source.errors.labels)
        weights = np.bincount(rng.integers(count, size=count), minlength=count)
        expected = source.errors.expected_if(weights)[source.compounds]
        plain = contrast(expected, means, source.labels)
        np.testing.assert_allclose(score, plain, atol=1e-5)


def test_the_interval_of_images_that_agree_in_wells_is_that_of_wells():
    """Twelve images of one well are one observation: copies do not narrow the interval."""
    rng = np.random.default_rng(1)
    images = screen(wells_per_dose=4, images_per_well=1)
    p = rng.dirichlet(np.full(4, 0.5), len(images))
    once = rank(with_summary(images, p), CLASSES, resamples=100)
    copies = rank(
        with_summary(images.loc[images.index.repeat(12)], np.repeat(p, 12, axis=0)),
        CLASSES,
        resamples=100,
    )
    np.testing.assert_allclose(once["low"], copies["low"])
    np.testing.assert_allclose(once["high"], copies["high"])


def test_without_wells_the_interval_says_what_was_drawn():
    images = screen().drop(columns=["plate", "well"])
    images = images[(images["compound"] != "A1") | (images["concentration"] == 1)]
    ranked = rank(called(images, {}), CLASSES, resamples=20).set_index("compound")
    assert ranked.loc["A1", "unit"] == "image" and ranked.loc["A2", "unit"] == "treatment"
    assert ranked.loc["A1", "n_units"] == 6 and ranked.loc["A2", "n_units"] == 2


def test_the_same_seed_gives_the_same_ranking_whatever_the_order_of_rows():
    table = called(screen(), {"B1": "D"}, sure=0.7)
    shuffled = table.sample(frac=1, random_state=3).reset_index(drop=True)
    a, b = (
        rank(t, CLASSES, resamples=30).set_index("compound").sort_index()
        for t in (table, table.copy())
    )
    pd.testing.assert_frame_equal(a, b)
    c = rank(shuffled, CLASSES, resamples=30).set_index("compound").sort_index()
    np.testing.assert_allclose(a["score"], c["score"])


def test_unscored_and_unpredictable_rows_do_not_count():
    table = called(screen(), {"B1": "D", "C1": "A"})
    table.loc[table["compound"] == "B1", "role"] = "unlabelled"
    table["unpredictable"] = table["compound"] == "C1"
    ranked = rank(table, CLASSES, resamples=20)
    assert not {"B1", "C1"} & set(ranked["compound"])


def test_a_table_without_compounds_has_no_such_ranking():
    images = pd.DataFrame({"label": ["A", "B"], "image_id": ["1", "2"]})
    table = with_summary(images, calling(["A", "C"]))
    for level in ("compound", "treatment", "well"):
        assert rank(table, CLASSES, level).empty
    assert rank_images(table)["image_id"].tolist() == ["2", "1"]


def test_images_are_ranked_by_label_quality():
    images = screen()
    names = images["label"].tolist()
    names[7] = "D"
    ranked = rank_images(with_summary(images, calling(names)))
    assert ranked["row"].iloc[0] == 7
    assert ranked["image_id"].iloc[0] == images["image_id"].iloc[7]
    assert ranked["label_quality"].is_monotonic_increasing


def test_images_with_a_margin_in_training_are_ranked_by_it():
    """Image 7 is called by its label, but training resisted that label; image 3 the other way round."""
    images = screen()
    names = images["label"].tolist()
    names[3] = "D"
    margin = np.where(np.arange(len(images)) == 7, -2.0, 3.0)
    table = with_summary(images, calling(names)).assign(training_margin=margin)
    assert rank_images(table)["row"].iloc[0] == 7
    assert rank_images(table.drop(columns="training_margin"))["row"].iloc[0] == 3


def test_the_published_table(authors, shared_data):
    """A check of sense: colchicine first, where low confidence has it in the middle."""
    table, classes = published_table(authors, shared_data), authors.classes
    ranked = rank(table, classes, resamples=100)
    assert len(ranked) == 38
    assert ranked["compound"].iloc[0] == "colchicine"
    assert ranked["suspected"].iloc[0] == "Kinase inhibitors"
    assert ranked["n_suspected"].iloc[0] == 11 and ranked["n_wrong"].iloc[0] == 12
    assert {"cytochalasin D", "PP-2"} <= set(ranked["compound"].iloc[:5])
    by_confidence = table.groupby("compound")["confidence"].mean().rank()
    assert by_confidence["colchicine"] == 19
