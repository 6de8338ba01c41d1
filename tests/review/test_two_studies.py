"""Two studies of the same images, on planted changes."""

import shutil

import numpy as np
import pytest
from page_studies import write_animals

from bnn_core.base.errors import InputError
from bnn_core.measures.intervals import paired_difference
from bnn_core.measures.judged_units import independent_groups
from bnn_core.measures.levels import scored_rows
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
    groups = independent_groups(result.table)
    value = paired_difference(right[1].astype(float), right[0].astype(float), groups)
    assert result.difference() == value
    assert np.isclose(value.value, right[1].mean() - right[0].mean())


def test_images_with_another_picture_or_label_are_counted_and_not_compared(pair, tmp_path):
    study = pair[0]
    again = open_study(shutil.copytree(study.path, tmp_path / "again"))
    images = again.images
    scored = images.index[scored_rows(study.table("vi"))]
    picture, label, both, unlearned = scored[:2], scored[2:5], scored[5], scored[6:10]
    images.loc[[*picture, both], "content_hash"] = "another"
    for row in (*label, both):
        images.loc[row, "label"] = next(c for c in study.classes if c != images.loc[row, "label"])
    # The network was not trained on their class, so that an accuracy does not count them.
    images["unpredictable"] = images.index.isin(unlearned)
    result = compare_two(study, again, ("vi", "vi"))
    assert (result.other_picture, result.relabelled) == (2, 4)
    assert (result.only_first, result.only_second) == (4, 0)
    assert result.table["row_first"].tolist() == scored[10:].tolist()
    one, two = pair  # other seeds: other labels and other pictures under the same names
    with pytest.raises(InputError, match="share no scored image"):
        compare_two(one, two, ("vi", "vi"))


def test_rows_are_in_the_order_of_the_first_study(pair, tmp_path, monkeypatch):
    study = pair[0]
    again = open_study(shutil.copytree(study.path, tmp_path / "again"))
    order = np.random.default_rng(0).permutation(len(study.images))
    for table in (again.images, summary := again.summary("vi")):
        table.loc[:] = table.iloc[order].to_numpy()
    monkeypatch.setattr(again, "summary", lambda method: summary)
    table = compare_two(study, again, ("vi", "vi")).table
    assert table["row_first"].is_monotonic_increasing
    assert (order[table["row_second"]] == table["row_first"]).all()
    assert set(table["change"]) <= {"both right", "both wrong"}
