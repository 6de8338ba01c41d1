"""Joins of metadata: on exact keys, else on names as programs change them; contradictions listed."""

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.tables.joining import join_metadata
from bnn_core.tables.matching import positions


def join(table, metadata, tmp_path, on=()):
    table = pd.DataFrame(table)
    table.index = pd.RangeIndex(2, len(table) + 2)
    return join_metadata(
        table, pd.DataFrame(metadata), tmp_path / "meta.csv", tmp_path / "ours.csv", on
    )


def test_join_takes_what_is_single_and_leaves_the_rest_empty(tmp_path):
    metadata = {
        "compound": ["a", "a", "taxol", "taxol"],
        "batch": ["W1", "W1", "W1", "W2"],
        "well": ["A01", "A02", "B01", "B02"],
        "moa": ["m", None, None, None],
    }
    joined, notes = join({"compound": ["a", "taxol", "a"]}, metadata, tmp_path)
    assert joined["batch"].tolist() == ["W1", None, "W1"]
    assert joined["moa"].tolist() == ["m", None, "m"]
    assert "well" not in joined  # never one value per compound
    assert notes[1].startswith("Empty on 1 row: batch")


def test_join_on_decimals_and_several_columns(tmp_path):
    keys = {"compound": ["a", "a"], "concentration": [0.1, 0.3]}
    metadata = pd.DataFrame(keys | {"moa": ["x", "y"]}).iloc[::-1]
    joined, _ = join(keys, metadata, tmp_path)
    assert joined["moa"].tolist() == ["x", "y"]


def test_rows_without_a_partner_stay_empty_and_are_counted(tmp_path):
    metadata = {"compound": ["a", "d"], "moa": ["x", "y"]}
    joined, notes = join({"compound": ["a", "b", "b", "d", "a"]}, metadata, tmp_path)
    assert joined["moa"].tolist() == ["x", None, None, "y", "x"]
    assert notes[1].startswith("2 rows of 5 have no partner") and "rows 3, 4" in notes[1]
    _, notes = join({"compound": ["a", "b", None]}, metadata, tmp_path)
    assert notes[1].startswith("WARNING: 2 rows of 3")


def test_tables_that_do_not_join_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"meta\.csv has no row for any row .* 'b' here, 'a' there"
    ):
        join({"compound": ["b"]}, {"compound": ["a"], "moa": ["x"]}, tmp_path)
    with pytest.raises(InputError, match="no column in common"):
        join({"compound": ["b"]}, {"batch": ["a"], "moa": ["x"]}, tmp_path)
    with pytest.raises(InputError, match="adds nothing"):
        join({"compound": ["b"]}, {"compound": ["b"]}, tmp_path)


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (["im/1.png", "im/2.png"], ["im/1.png", "im/2.png"], ""),
        (["im\\1.png", "im\\2.png"], ["im/1.png", "./im/2.png"], ""),
        (["im/1.png", "im/2.png"], ["1.png", "2.png"], "without its folder"),
        (["1.png", "2.png"], ["old/1", "old/2"], "without its ending"),
        (["A1.PNG", "A2.PNG"], ["a1.tif", "a2.ome.tif"], "in any case"),
        (["001", "002"], ["1", "2"], "leading zeros"),
    ],
)
def test_names_of_images_match_in_the_most_precise_way(ours, theirs, words):
    wanted, known = (pd.DataFrame({"path": names}) for names in (ours, theirs))
    partners, how = positions(wanted, known)
    assert [list(p) for p in partners] == [[0], [1]] and words in how and bool(words) == bool(how)


def test_a_reading_that_merges_two_names_is_not_used():
    wanted = pd.DataFrame({"path": ["P1/a.tif", "P2/a.tif"]})
    partners, _ = positions(wanted, pd.DataFrame({"path": ["a.tif", "b.tif"]}))
    assert [len(p) for p in partners] == [0, 0]


def test_an_image_may_be_called_by_its_file_or_its_id(tmp_path):
    metadata = {"image_id": ["1", "2"], "label": ["x", "y"]}
    joined, _ = join({"path": ["2.png", "1.png"]}, metadata, tmp_path)
    assert joined["label"].tolist() == ["y", "x"]


def plate(size=384, fields=2):
    rows = [(f"{chr(65 + i // 24)}{i % 24 + 1:02d}", f) for i in range(size) for f in range(fields)]
    return pd.DataFrame(
        {
            "plate": "P1",
            "well": [well for well, _ in rows],
            "site": [str(f) for _, f in rows],
            "compound": [f"c{i // fields}" for i in range(len(rows))],
        }
    )


def test_planted_contradictions_are_named_well_by_well(tmp_path):
    table = plate()
    layout = table.drop_duplicates("well").drop(columns="site").assign(concentration=1.0)
    swapped = np.random.default_rng(0).choice(384, 36, replace=False)
    layout.loc[layout.index[swapped], "compound"] += "x"
    joined, notes = join(table, layout, tmp_path)
    (note,) = [n for n in notes if n.startswith("WARNING")]
    assert "compound contradicts meta.csv in 36 of 384 wells" in note
    wells = layout["well"].iloc[swapped]
    assert all(f"P1/{well} 'c" in note for well in wells) and note.count("there") == 36
    assert joined["compound"].tolist() == table["compound"].tolist()


def test_empty_cells_of_a_shared_column_are_filled(tmp_path):
    table = {"plate": ["P"] * 3, "well": ["A01", "A02", "A03"], "compound": ["x", None, "Z"]}
    layout = {"well": ["A01", "A02", "A03"], "compound": ["x", "y", "z"], "batch": ["1"] * 3}
    joined, notes = join(table, layout, tmp_path)
    assert joined["compound"].tolist() == ["x", "y", "Z"] and len(notes) == 1


def test_one_layout_for_every_plate_but_not_one_of_several(tmp_path):
    table = {"plate": ["P1", "P2"], "well": ["A01", "A01"]}
    assert join(table, {"well": ["A01"], "moa": ["m"]}, tmp_path)[0]["moa"].tolist() == ["m", "m"]
    layout = {"plate": ["P1", "P2"], "well": ["A01", "A01"], "moa": ["m", "n"]}
    with pytest.raises(InputError, match="no column in common"):
        join({"well": ["A01"]}, layout, tmp_path)


def test_two_labels_of_one_compound_are_listed_with_their_rows(tmp_path):
    metadata = {"compound": ["a", "b", "b"], "moa": ["x", "y", "z"], "concentration": [1.0, 2, 3]}
    joined, notes = join({"compound": ["a", "b", "b"]}, metadata, tmp_path)
    assert joined["moa"].tolist() == ["x", None, None]
    (warning,) = [note for note in notes if note.startswith("WARNING")]
    assert "moa" in warning and "b has 'y' on row 1, 'z' on row 2" in warning
    assert notes[-1].startswith("Empty on 2 rows: concentration")  # several doses are usual
