"""Saved views: names, limits, damage."""

import json

import pytest

from bnn_core.base.errors import InputError
from bnn_core.base.roots import READ_ONLY
from bnn_core.review.saved_views import (
    LONGEST_VIEW_NAME,
    VIEWS_FILE,
    remove_view,
    save_view,
    saved_views,
)


def test_views_are_kept_by_name_and_replaced(tmp_path):
    assert saved_views(tmp_path) == []
    save_view(tmp_path, "  my   suspects ", "suspect_labels", "study=demo&label=a&label=b")
    save_view(tmp_path, "Before", "overview", "study=demo")
    save_view(tmp_path, "my suspects", "mechanisms", "study=other")
    views = saved_views(tmp_path)
    assert [(v["name"], v["page"], v["query"]) for v in views] == [
        ("Before", "overview", "study=demo"),
        ("my suspects", "mechanisms", "study=other"),
    ]
    remove_view(tmp_path, "Before")
    remove_view(tmp_path, "Before")
    assert [v["name"] for v in saved_views(tmp_path)] == ["my suspects"]


def test_a_server_that_only_shows_studies_keeps_its_views(tmp_path, monkeypatch):
    save_view(tmp_path, "a", "overview", "")
    monkeypatch.setenv(READ_ONLY, "1")
    for change in (lambda: save_view(tmp_path, "b", "map", ""), lambda: remove_view(tmp_path, "a")):
        with pytest.raises(InputError, match="only shows studies"):
            change()
    assert [v["name"] for v in saved_views(tmp_path)] == ["a"]


@pytest.mark.parametrize("name", ["", "  \n ", "x" * (LONGEST_VIEW_NAME + 1)])
def test_a_name_has_a_few_letters(tmp_path, name):
    with pytest.raises(InputError, match=f"1 to {LONGEST_VIEW_NAME}"):
        save_view(tmp_path, name, "overview", "")
    assert saved_views(tmp_path) == []


def test_a_damaged_file_is_named_and_not_overwritten(tmp_path):
    script = {"name": "a", "page": "javascript:x", "query": "", "saved": ""}
    for text in ("[", '{"views": [{"name": 3}]}', json.dumps({"views": [script]})):
        (tmp_path / VIEWS_FILE).write_text(text)
        with pytest.raises(InputError, match=VIEWS_FILE):
            save_view(tmp_path, "a", "overview", "")
        assert (tmp_path / VIEWS_FILE).read_text() == text


def test_nothing_is_saved_that_could_not_be_read(tmp_path):
    for page, query in (
        ("", "a=1"),
        ("javascript:x", ""),
        ("overview", "\ud800"),
        ("overview", "\0"),
    ):
        with pytest.raises(InputError, match="cannot be saved"):
            save_view(tmp_path, "a", page, query)
    save_view(tmp_path, "n\0u\u202el\ud800", "overview", "")
    assert [v["name"] for v in saved_views(tmp_path)] == ["nul"]
