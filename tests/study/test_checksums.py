"""Every file of a study has a checksum: a changed byte is found, by `check` and on first use."""

import json
import random

import pytest
from small_studies import parts

from bnn_core.base.errors import InputError
from bnn_core.commands.cli import main
from bnn_core.study import checksums
from bnn_core.study.checking import check_study, record_checksums, record_file
from bnn_core.study.folder import file_sizes, open_study
from bnn_core.study.working_folder import open_making
from bnn_core.study.writing import finish_study


@pytest.fixture
def folder(tmp_path):
    """A study with files of every kind: tables, samples, embedding, thumbnails, a fold's files."""
    making = open_making(tmp_path / "s", {})
    fold = making / "folds/0/vi"
    fold.mkdir(parents=True)
    (fold / "weights.safetensors").write_bytes(bytes(range(256)))
    (fold / "config.json").write_text('{"epochs": 1}')
    (fold / "history.csv").write_text("epoch,nll,kl,accuracy\n1,0.5,9,0.5\n")
    (making / "pictures").mkdir()
    (making / "pictures/a.png").write_bytes(b"picture")
    return finish_study(making, **parts())


def change(path, place, to=None):
    data = bytearray(path.read_bytes())
    data[place] = data[place] ^ 1 if to is None else to
    path.write_bytes(data)


def is_noticed(folder):
    try:
        return bool(check_study(folder))
    except InputError:
        return True


def test_one_changed_byte_is_found_in_any_file(folder):
    chance = random.Random(0)
    names = [*file_sizes(folder), "study.json"]
    assert len(names) == 11 and check_study(folder) == []
    for name in names:
        whole = (folder / name).read_bytes()
        tries = 200 if name == "study.json" else 5
        for place in [0, len(whole) - 1, *chance.choices(range(len(whole)), k=tries)]:
            change(folder / name, place, to=whole[place] ^ chance.randrange(1, 256))
            assert is_noticed(folder), (name, place)
            (folder / name).write_bytes(whole)
    assert check_study(folder) == []


def test_a_file_that_is_added_later_is_recorded_too(folder):
    (folder / "later.bin").write_bytes(b"abc")
    record_file(folder, "later.bin")
    assert check_study(folder) == []
    change(folder / "later.bin", 1)
    assert check_study(folder) == ["later.bin is damaged: its checksum differs"]
    record_file(folder, "later.bin")
    assert check_study(folder) == []
    # A study.json that was changed by hand is not made to look as if it were not.
    changed = (folder / "study.json").read_text().replace('"synthetic": false', '"synthetic": true')
    (folder / "study.json").write_text(changed)
    record_file(folder, "later.bin")
    assert (folder / "study.json").read_text() == changed and is_noticed(folder)


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("images.parquet", lambda study: study.images),
        ("summary/vi.parquet", lambda study: study.table("vi")),
        ("samples/vi.npy", lambda study: study.samples("vi")),
        ("embedding.npy", lambda study: study.embedding),
        ("thumbnails.npy", lambda study: study.has_thumbnail(1)),
        ("thumbnails.bin", lambda study: study.thumbnail(1)),
        ("folds/0/vi/history.csv", lambda study: study.history(0, "vi")),
    ],
)
def test_a_damaged_file_is_refused_when_it_is_first_used(folder, name, use):
    use(open_study(folder))
    change(folder / name, -2)
    with pytest.raises(InputError, match=f"{name} is damaged"):
        use(open_study(folder))


def test_a_long_file_is_compared_by_its_length_on_first_use(folder, monkeypatch):
    monkeypatch.setattr(checksums, "SMALL", 10)
    change(folder / "embedding.npy", -2)
    assert open_study(folder).embedding.shape == (12, 4)
    assert "embedding.npy" in check_study(folder)[0]
    (folder / "embedding.npy").write_bytes((folder / "embedding.npy").read_bytes() + b"0")
    with pytest.raises(InputError, match=r"embedding\.npy is damaged"):
        _ = open_study(folder).embedding


def test_a_study_from_before_checksums_is_read_checked_and_can_be_recorded(folder, capsys):
    meta = json.loads((folder / "study.json").read_text())
    del meta["checksums"]
    (folder / "study.json").write_text(json.dumps(meta))
    assert check_study(folder) == [] and len(open_study(folder).images) == 12
    change(folder / "folds/0/vi/weights.safetensors", 7)
    assert check_study(folder) == []
    assert main(["check", str(folder), "--record"]) == 0
    change(folder / "folds/0/vi/weights.safetensors", 7)
    assert len(check_study(folder)) == 1


def test_a_changed_description_is_found_until_it_is_recorded(folder):
    text = (folder / "study.json").read_text()
    (folder / "study.json").write_text(text.replace('"Small"', '"Large"'))
    assert len(check_study(folder)) == 1
    assert open_study(folder).meta["title"] == "Large"
    assert record_checksums(folder) == 10
    assert check_study(folder) == [] and open_study(folder).meta["title"] == "Large"


def test_a_study_that_contradicts_itself_is_not_recorded(folder):
    before = (folder / "study.json").read_bytes()
    (folder / "folds/0/vi/weights.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights\.safetensors is missing"):
        record_checksums(folder)
    change(folder / "images.parquet", -2)
    with pytest.raises(InputError, match=r"images\.parquet"):
        record_checksums(folder)
    assert (folder / "study.json").read_bytes() == before
