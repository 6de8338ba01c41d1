import json
import shutil

import numpy as np
import pandas as pd
import pytest
from page_studies import pages, text_of, write_animals
from study_writing import write_study

from bnn_core.review.two_studies import compare_two
from bnn_core.study.describing import LEFT_OUT
from bnn_core.study.folder import open_study

PAGE = "compare_studies/page.py"
CLEANED = "did cleaning help?"


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Two studies of the same images: the second is a copy made later, read by another method."""
    root = tmp_path_factory.mktemp("cache")
    write_animals(root)
    return root


def test_alone_it_says_what_a_second_study_is(monkeypatch, cache):
    app = pages(monkeypatch, cache, PAGE)
    assert not app.exception and f"--out {cache / 'animals-again'}" in app.info[0].value


def test_two_studies_of_the_same_images(monkeypatch, cache):
    again = shutil.copytree(cache / "animals", cache / "again")
    meta = json.loads((again / "study.json").read_text())
    settings = {"settings": {"leave_out": "batch"}}
    (again / "study.json").write_text(json.dumps(meta | {"title": "again"} | settings))
    app = pages(monkeypatch, cache, PAGE, study="animals")
    app.selectbox(key="method_second").set_value("standard").run()
    assert not app.exception
    one, two = open_study(cache / "animals"), open_study(again)
    expected = compare_two(one, two, (one.reading_method, "standard"))
    assert [app.selectbox(key="with").value, app.selectbox(key="method_second").value] == [
        "again",
        "standard",
    ]
    shares = [100 * expected.table[f"right_{side}"].mean() for side in ("first", "second")]
    assert [m.value for m in app.metric[:3]] == [
        f"{shares[0]:.1f} %",
        f"{shares[1]:.1f} %",
        f"{100 * expected.difference().value:+.1f} points",
    ]
    assert f"again predicts {LEFT_OUT['batch']}" in app.info[0].value
    differ = int(expected.table["differ"].sum())
    assert app.metric[3].value == f"{differ} of {len(expected.table)}"
    table = next(d.value for d in app.dataframe if "gained" in d.value)
    assert (table["gained"].sum(), table["lost"].sum()) == (
        (expected.table["change"] == "only the second right").sum(),
        (expected.table["change"] == "only the first right").sum(),
    )
    assert 1 < table["first"].max() <= 100  # percent, with one digit each
    # Each kind of change shows its images.
    for option in app.segmented_control(key="change").options:
        app.segmented_control(key="change").set_value(option).run()
        assert not app.exception


def test_cleaning_is_judged_on_untouched_images(monkeypatch, cache):
    study = open_study(cache / "animals")
    images, summary = study.images.copy(), study.summary("vi").copy()
    out = np.flatnonzero(~summary["correct"].astype(bool))[:3]
    images.loc[out, ["label", "role"]] = [None, "unlabelled"]
    summary["correct"] = pd.array(summary["correct"], dtype="boolean")
    summary.loc[out, ["correct", "p_label"]] = [pd.NA, np.nan]
    write_study(
        cache / "cleaned",
        title="Cleaned",
        kind="import",
        classes=study.classes,
        images=images,
        summaries={"vi": summary},
        methods={"vi": {"num_samples": 20}},
    )
    asked = {"study": "animals", "with": "cleaned", "studies_view": CLEANED}
    app = pages(monkeypatch, cache, PAGE, **asked)
    assert not app.exception
    said = text_of(app)
    assert "297 unchanged images" in said and "+0.0 points" in said
    assert "3 excluded" in said and "number is too good" in said
