"""Label quality: the label's own probability, and what the image's groups fell short of."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from bnn_core.suspects.label_quality import label_fit, label_quality, shares_of_expected
from bnn_core.suspects.usual_errors import PRIOR_COMPOUNDS


def images(p_by_compound: dict[str, list[list[float]]]) -> pd.DataFrame:
    """Compound -> its wells' images' p_label; the label is the compound's first letter."""
    return pd.DataFrame([
        {"compound": name, "label": name[0], "plate": "P", "well": f"{name}{w}", "p_label": p}
        for name, wells in p_by_compound.items() for w, well in enumerate(wells)
        for p in well])  # fmt: skip


def test_without_groups_it_is_self_confidence():
    np.testing.assert_array_equal(label_quality(np.array([0.2, 0.9])), [0.2, 0.9])
    assert shares_of_expected(pd.DataFrame({"label": ["a"], "p_label": [0.3]})) == []


def test_the_margin_in_training_counts_where_it_is_known():
    np.testing.assert_array_equal(label_fit([0.2, 0.9]), [0.2, 0.9])
    got = label_fit([0.2, 0.9, 0.3], [np.log(3), -np.log(3), np.nan])
    np.testing.assert_allclose(got, [0.75, 0.25, 0.3])


def test_with_groups_it_is_times_the_geometric_mean_of_their_shares():
    got = label_quality([0.5, 0.5, 0.8], [np.array([1, 0.25, 1]), np.array([1, 1, 0])])
    np.testing.assert_allclose(got, [0.5, 0.25, 0])


def test_a_compound_gets_what_others_of_its_label_get():
    rows = images({"A1": [[0.2], [0.2]], "A2": [[0.8], [0.8]], "B1": [[0.8], [0.8]]})
    by_compound, by_well = shares_of_expected(rows)
    expected = (0.8 + PRIOR_COMPOUNDS * 0.8) / (1 + PRIOR_COMPOUNDS)
    np.testing.assert_allclose(by_compound, [0.2 / expected] * 2 + [1] * 4)
    np.testing.assert_allclose(by_well, 1)


def test_a_hard_mechanism_is_no_suspect():
    """All compounds of A get 0.3 for their label, those of B 0.9: no compound is suspect."""
    rows = images({f"{c}{i}": [[p], [p]] for c, p in (("A", 0.3), ("B", 0.9)) for i in range(6)})
    hard = shares_of_expected(rows)[0][rows["label"] == "A"]
    lonely = shares_of_expected(rows[~rows["compound"].isin([f"A{i}" for i in range(1, 6)])])
    assert hard.min() > 0.5 and lonely[0][0] < 0.35


def test_a_swapped_well_differs_from_its_compound():
    rows = images({"A1": [[0.9], [0.9], [0.09]], "A2": [[0.9], [0.9], [0.9]]})
    by_well = shares_of_expected(rows)[1]
    np.testing.assert_allclose(by_well, [1, 1, 0.1, 1, 1, 1])


def test_wells_without_compounds_are_compared_by_label():
    rows = images({"A1": [[0.1], [0.8]], "B1": [[0.8], [0.8]]}).drop(columns="compound")
    (by_well,) = shares_of_expected(rows)
    np.testing.assert_allclose(by_well, [0.125, 1, 1, 1])


def test_an_image_of_no_known_group_is_a_group():
    rows = images({"A1": [[0.1], [0.8]], "A2": [[0.8], [0.8]]})
    rows.loc[0, "compound"] = None
    by_compound, _ = shares_of_expected(rows)
    assert by_compound[0] == 1
    alone = images({"A1": [[0.1]]})
    np.testing.assert_array_equal(shares_of_expected(alone), [[1], [1]])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 3), st.integers(0, 3), st.booleans()),
                min_size=1))  # fmt: skip
def test_it_stays_in_range(drawn):
    rows = pd.DataFrame(drawn, columns=["p_label", "compound", "well", "label"])
    rows = rows.assign(plate="P", label=rows["label"].map({True: "a", False: "b"}))
    quality = label_quality(rows["p_label"], shares_of_expected(rows))
    assert ((quality >= 0) & (quality <= rows["p_label"])).all()
