"""Whatever is wrong in one study.json is one line at that study."""

import json

import pytest
from small_studies import parts
from study_writing import write_study

from bnn_core.base.errors import InputError
from bnn_core.commands.cli import main
from bnn_core.study.catalogue import list_studies
from bnn_core.study.description import ABSENT
from bnn_core.study.folder import open_study

#: Key -> values that it may not have.
WRONG = {
    "schema": [None, "1", 1.5, True, [], -(2**70)],
    "title": [5, None, ["a"], "\ud800", "a\0b"],
    "kind": [5, None, {}],
    "classes": [5, None, [], "abc", [1, 2], ["a", "a"], [""], [["a"]], {"a": 1}],
    "methods": [5, None, [], {}, ["vi"], {"vi": 5}, {"vi": []}, {"": {}}, {"../x": {}},
                {"a/b": {}}, {".hidden": {}}, {"x" * 300: {}}, {"vi": {"num_samples": "many"}},
                {"vi": {"num_samples": 0}}, {"vi": {"seconds": 5}}, {"vi": {"seconds": {"a": 1}}},
                {"vi": {"fitted": {"t": []}}}, {"vi": {"builds_on": 3}}],
    "rows": ["x", None, -1, 1.5, True, 10**12, 10**30, [12]],
    "created": [None, 5, "", "yesterday", "2026-13-45", ["2026-01-01"]],
    "fingerprint": [None, 5, "", {}],
    "roles": [5, [], "x", {"scored": "many"}, {"scored": -1}],
    "levels": [5, "image", [5]],
    "metrics": [5, [], {"vi": 5}, {"vi": {"image": 5}}, {"vi": {"image": {"n": 3}}},
                {"vi": {"image": {"n": 3, "right": 1, "accuracy": "high"}}},
                {"vi": {"image": {"n": 3, "right": 1, "accuracy": None}}}],
    "settings": [5, [], "x"],
    "versions": [5, [], {"numpy": 2}],
    "synthetic": [5, "yes"],
    "notes": [5, "a note", [5], [None], {"a": 1}],
    "channels": [5, "DNA", [], [5], ["a", "a"], [""], {"a": 1}],
    "image_root": [5, [], {}],
    "pixel_size_um": ["0.5", 0, -1, []],
    "intensities": [5, [1], ["a", "b"]],
    "folds": [5, {}, [5], [{"held_out": 5}]],
    "added": [5, {}, [5], [{"name": "x"}], [{"name": "x", "title": "x", "images": "many"}]],
    "seeds": [5, [], {"samples": "x"}],
    "weights_kept": [5, "no"],
    "files": [5, [], ["a"], {"a": "b"}, {"a": -1}, {"../x": 1}, {"/etc/passwd": 1}, {"": 1}],
    "checksums": [5, [], {"a": 5}],
}  # fmt: skip
CASES = [(key, value) for key, values in WRONG.items() for value in values]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = write_study(tmp_path_factory.mktemp("cache") / "good", **parts())
    return json.loads((path / "study.json").read_text())


@pytest.mark.parametrize(("key", "value"), CASES, ids=lambda case: str(case)[:30])
def test_a_wrong_value_is_one_line_at_the_study(tmp_path, good, key, value):
    write_study(tmp_path / "sound", **parts())
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/study.json").write_text(json.dumps(good | {key: value}))
    sound, wrong = list_studies(tmp_path)
    assert sound.problem is None and sound.rows == 12
    assert key in wrong.problem and "\n" not in wrong.problem and len(wrong.problem) < 400
    with pytest.raises(InputError, match=key):
        open_study(tmp_path / "wrong")


@pytest.mark.parametrize(
    "text",
    ["", "5", "null", "[]", "{}", "[" * 100_000, '{"schema":' * 100_000, "\ufeff{}", '{"schema": 1}',
     '{"schema": NaN}', '{"schema": 1' + "0" * 5000 + "}", "\xff\xfe", '{"schema": 1} 5'],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_any_text_is_one_line_at_the_study(tmp_path, capsys, text):
    write_study(tmp_path / "sound", **parts())
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong/study.json").write_bytes(text.encode("latin-1", "replace"))
    for command in ("list", "check wrong", "report wrong", "export wrong --out x.csv"):
        status = main([*command.split(), "--cache", str(tmp_path)])
        out, err = capsys.readouterr()
        assert status == (0 if command == "list" else 2)
        assert len((out + err).splitlines()) == (2 if command == "list" else 1)


def test_a_title_cannot_break_the_list(tmp_path, capsys):
    write_study(tmp_path / "odd", **parts() | {"title": "a\nb\x1b[31m\u2028"})
    assert main(["list", "--cache", str(tmp_path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert "a b [31m" in line and "\x1b" not in line


def test_a_folder_that_is_no_file_is_no_study(tmp_path):
    (tmp_path / "folder/study.json").mkdir(parents=True)
    assert list_studies(tmp_path) == []


@pytest.mark.parametrize("value", [None, "absent"])
@pytest.mark.parametrize("key", ABSENT)
def test_a_key_that_an_older_study_lacks_has_a_value(tmp_path, good, key, value):
    path = write_study(tmp_path / "old", **parts())
    meta = good | {key: None}
    if value:
        del meta[key]
    (path / "study.json").write_text(json.dumps(meta))
    study = open_study(path)
    assert study.meta[key] == ABSENT[key] and len(study.images) == 12


def test_a_newer_description_is_not_judged_by_the_types_of_this_one(tmp_path, good):
    (tmp_path / "study.json").write_text(json.dumps(good | {"schema": 2, "classes": 5}))
    with pytest.raises(InputError, match="update the program"):
        open_study(tmp_path)
