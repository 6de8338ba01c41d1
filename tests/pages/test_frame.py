from urllib.parse import parse_qsl

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from page_studies import pages, write_animals, write_compounds
from streamlit.testing.v1 import AppTest

from bnn_core.base.scores import DEFAULT_SCORE
from bnn_core.review.saved_views import saved_views
from pages.shared import filters, frame, panels, scores, studies, wall


@given(st.lists(st.integers(0, 2_000_000), min_size=1, max_size=frame.MOST_AMONG))
def test_rows_in_an_address_come_back_in_their_order(rows):
    packed = frame._packed(np.array(rows, dtype=np.int64))
    assert packed.isascii() and not set(packed) & set("+/=& #%")
    np.testing.assert_array_equal(frame._unpacked(packed), rows)


def test_500_rows_of_a_million_make_a_short_address():
    rows = np.random.default_rng(0).permutation(1_000_000)[: frame.MOST_AMONG]
    assert len(frame._packed(rows)) < 2500


@given(st.text(max_size=60))
def test_any_other_text_is_refused_quietly(text):
    rows = frame._unpacked(text)
    assert rows is None or rows.min() >= 0


def test_a_squeezed_bomb_stays_small():
    import base64
    import zlib

    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000))).decode().rstrip("=")
    rows = frame._unpacked(bomb)
    assert rows is None or len(rows) <= frame.MOST_AMONG


def test_a_long_selection_is_a_window_around_the_image():
    rows = np.arange(10_000)[::-1]
    part = frame._window(rows, 4000)
    assert len(part) == frame.MOST_AMONG and 4000 in part
    assert abs(int(np.flatnonzero(part == 4000)[0]) - frame.MOST_AMONG // 2) <= 1
    assert len(frame._window(rows, 9999)) == frame.MOST_AMONG and 9999 in frame._window(rows, 9999)


def test_one_image_walks_through_the_selection_of_its_address(monkeypatch, tmp_path):
    write_animals(tmp_path, n=40)
    app = pages(monkeypatch, tmp_path, study="animals")
    app.query_params["image"] = "img-0007"
    app.query_params["among"] = frame._packed(np.array([9, 7, 30]))
    app.switch_page("one_image/page.py").run()
    assert not app.exception


def test_two_images_are_shown_on_one_page(monkeypatch, tmp_path):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    write_compounds(tmp_path)
    monkeypatch.setattr(
        panels, "_picture_with_actions", lambda *_: None
    )  # links need the whole app

    def page() -> None:
        from pages.shared import panels, studies

        for key in ("first", "second"):
            panels.detail(studies.opened("compounds"), 0, key)

    app = AppTest.from_function(page, default_timeout=60).run()
    assert not app.exception
    assert [e.label for e in app.expander] == ["All scores"] * 2


def test_tiles_say_what_a_picture_would(monkeypatch, tmp_path):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    write_compounds(tmp_path)
    study = studies.opened("compounds")
    correct = study.summary("vi")["correct"].fillna(True).to_numpy(dtype=bool)
    wrong = int(np.flatnonzero(~correct)[0])
    first, last = wall._tiles("any", "vi", (wrong, 139), "confidence", frozenset({139}), study)
    assert first["url"] is None and first["id"] == study.images["image_id"][wrong]
    assert first["wrong"] and ", wrong" in first["alt"] and not first["flagged"]
    assert last["label"] is None and "no label" in last["alt"] and last["alt"].endswith("flagged")
    # A negative value is one of signed c, never of c.
    signed, _ = wall._tiles("any", "vi", (wrong, 139), DEFAULT_SCORE, frozenset(), study)
    assert [t["value"].rpartition(" ")[0] for t in (first, signed)] == ["c", "signed c"]


def test_columns_as_numbers_in_reading_order(monkeypatch, tmp_path):
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    write_compounds(tmp_path)
    study = studies.opened("compounds")
    label = filters.column_codes(study, "label")
    assert label.values == ["ant", "bee", "cat", "no label"]
    assert [label.values[i] for i in label.codes[[0, 14, 139]]] == ["ant", "bee", "no label"]
    assert filters.column_codes(study, "concentration").values == ["0.1", "3"]
    assert filters.column_codes(study, "verdict").values == ["right", "wrong", "no label"]
    assert filters.column_codes(study, "moa").values == []


def test_an_exported_file_is_named_after_what_it_holds():
    assert panels.file_name("demo-review list") == "demo-review-list.csv"
    assert panels.file_name("s-a/b, 0.03 µM: c ≥ 0.5") == "s-a-b-0.03-µM-c-0.5.csv"
    assert panels.file_name("x" * 300) == "x" * 80 + ".csv"
    assert panels.file_name("../..") == "selection.csv"


def test_a_cut_off_starts_where_it_keeps_as_many_as_c_in_each_study(monkeypatch, tmp_path):
    write_animals(tmp_path)
    write_animals(tmp_path, "others", seed=4)
    monkeypatch.setenv("BNN_CACHE", str(tmp_path))
    starts = {}
    for name in ("animals", "others"):
        study = studies.opened(name)
        table = studies.table(study, "vi")
        for score in ("predictive_entropy", "mutual_information", "epistemic"):
            low, high, step, start = scores.score_range(study, score)
            kept = (table[score] <= start).mean()
            near = (np.abs(table[score] - start) < 1.01 * step).mean()
            assert (
                low < start < high
                and abs(kept - (table["signed_confidence"] >= 0.5).mean()) <= near
            )
        starts[name] = scores.score_range(study, "predictive_entropy")[3]
    assert starts["animals"] != starts["others"]
    app = pages(monkeypatch, tmp_path, "confidence.py", study="animals", score="predictive entropy")
    assert app.slider(key="cut_predictive_entropy").value == starts["animals"]
    app.selectbox(key="study").set_value("others").run()
    assert not app.exception
    assert app.slider(key="cut_predictive_entropy").value == starts["others"]


def test_a_saved_view_keeps_page_filters_and_study(monkeypatch, tmp_path):
    write_animals(cache := tmp_path, n=30)
    app = pages(monkeypatch, cache, "mechanisms/page.py", study="animals", label="cat")
    app.text_input(key="view_name").set_value("<b>cats</b>").run()
    assert not app.exception
    (view,) = saved_views(cache)
    assert (view["name"], view["page"]) == ("<b>cats</b>", "mechanisms")
    assert dict(parse_qsl(view["query"])) | {"study": "animals", "label": "cat"} == dict(
        parse_qsl(view["query"])
    )
    assert app.text_input(key="view_name").value == ""
    app.button(key="view_remove_0").click().run()
    assert saved_views(cache) == [] and not app.exception
