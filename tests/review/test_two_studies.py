"""Two studies of the same images, on planted changes."""

import numpy as np
import pandas as pd
import pytest
from page_studies import write_animals

from bnn_core.base.errors import InputError
from bnn_core.measures.intervals import paired_difference
from bnn_core.review.two_studies import CHANGES, compare_two
from bnn_core.study.folder import open_study


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    root = tmp_path_factory.mktemp("cache")
    write_animals(root, "a", n=60)
    write_animals(root, "b", n=60, seed=1)
    return open_study(root / "a"), open_study(root / "b")


def test_a_study_compared_with_itself_changes_nothing(pair):
    study = pair[0]
    result = compare_two(study, study, (study.reading_method,) * 2)
    assert len(result.table) == int((study.images["role"] == "scored").sum())
    assert result.difference().value == 0 and not result.table["differ"].any()
    assert set(result.table["change"]) <= {"both right", "both wrong"}
    assert (result.by("label")[["gained", "lost", "difference"]] == 0).all(axis=None)
    assert (result.relabelled, result.other_picture, result.only_first) == (0, 0, 0)


def test_two_methods_of_one_study_count_as_their_tables_say(pair):
    study = pair[0]
    result = compare_two(study, study, ("standard", "vi"))
    tables = [study.table(method) for method in ("standard", "vi")]
    right = [table.loc[result.table["row_first"], "correct"].to_numpy(bool) for table in tables]
    assert (result.table["right_first"] == right[0]).all()
    assert (result.table["right_second"] == right[1]).all()
    expected = {
        CHANGES[0]: (~right[0] & right[1]).sum(),
        CHANGES[1]: (right[0] & ~right[1]).sum(),
        CHANGES[2]: (~right[0] & ~right[1]).sum(),
        CHANGES[3]: (right[0] & right[1]).sum(),
    }
    assert {k: (result.table["change"] == k).sum() for k in CHANGES} == expected
    by_label = result.by("label").set_index("label")
    assert by_label["images"].sum() == len(result.table)
    assert by_label["gained"].sum() == expected[CHANGES[0]]
    assert by_label["lost"].sum() == expected[CHANGES[1]]
    groups = result.table["compound"].to_numpy(object)
    if pd.isna(groups).all():
        groups = result.table["image_id"].to_numpy(object)
        assert (result.groups() == groups).all()
    value = paired_difference(right[1].astype(float), right[0].astype(float), result.groups())
    assert result.difference() == value
    assert np.isclose(value.value, right[1].mean() - right[0].mean())


def test_images_with_another_picture_or_label_are_counted_and_not_compared(pair):
    one, two = pair  # other seeds: other labels and other pictures under the same names
    both = one.images.merge(two.images, on="image_id")
    both = both[(both["role_x"] == "scored") & (both["role_y"] == "scored")]
    relabelled = int((both["label_x"] != both["label_y"]).sum())
    assert relabelled > 0
    with pytest.raises(InputError, match="share no scored image"):
        compare_two(one, two, ("vi", "vi"))
