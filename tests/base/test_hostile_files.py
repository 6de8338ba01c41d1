"""Damaged files of every format are read or refused in one line (long form: benchmarks/fuzz.py)."""

import gzip
import struct
import warnings
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import tifffile
import torch
from hostile_formats import formats
from safetensors.torch import save_file
from small_studies import forget_files, parts
from study_writing import write_study

from bnn_core.base.errors import InputError
from bnn_core.base.reading import read_array, read_arrays, read_parquet
from bnn_core.datasets.image_sets import open_image_set
from bnn_core.datasets.mnist import read_idx
from bnn_core.images.decoding import read_image
from bnn_core.networks.saved import read_weights
from bnn_core.study.folder import open_study
from bnn_core.tables.predictions import read_predictions
from bnn_core.tables.reading import read_table
from bnn_core.tables.samples import load_samples

#: Damaged files of each format.
TRIES = 4


def test_damaged_files_of_every_format_are_read_or_refused_in_one_line(tmp_path):
    names, refused = [], 0
    with warnings.catch_warnings():
        # Odd numbers overflow on their way to be refused.
        warnings.simplefilter("ignore")
        for kind in formats(tmp_path / "formats"):
            names.append(kind.name)
            kind.read(kind.files[0])  # sound: what the reader does is up to date
            for number in range(TRIES):
                try:
                    kind.try_case(number)
                except InputError as error:
                    refused += 1
                    assert str(error).isprintable() and len(str(error)) < 3000
                except Exception as error:
                    raise AssertionError(f"{kind.name} {number}") from error
    assert len(names) == len(set(names)) > 40
    # Most damage is no longer the format at all; some does no harm.
    assert 0.4 < refused / (TRIES * len(names)) < 0.95


def idx(*shape, data=b""):
    return bytes((0, 0, 8, len(shape))) + struct.pack(f">{len(shape)}I", *shape) + data


@pytest.mark.parametrize(
    "content",
    [idx(2**31, 2**31, 4), idx(0, 2**31, 2**31), idx(2**32 - 1), idx(3, 2, 2), idx(1, 1, 1, data=b"ab")],
    ids=["2^64", "none", "2^32", "too short", "too long"],
)  # fmt: skip
def test_an_idx_file_that_claims_another_length_is_refused(tmp_path, content):
    path = tmp_path / "x-images-idx3-ubyte"
    path.write_bytes(content)
    for read in (read_idx, lambda path: open_image_set(str(path), tmp_path)):
        with pytest.raises(InputError, match="idx3-ubyte"):
            read(path)


def test_arrays_are_never_unpickled_and_never_another_format(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", x=np.array([print], dtype=object))
    np.save(tmp_path / "c.npy", np.ones((2, 3, 2)))
    whole = (tmp_path / "c.npy").read_bytes()
    (tmp_path / "c.npy").write_bytes(b"PK\3\4" + whole[4:])
    for name in ("a.npy", "c.npy"):
        with pytest.raises(InputError, match=name):
            read_array(tmp_path / name)
        with pytest.raises(InputError, match=name):
            load_samples(tmp_path / name)
    with pytest.raises(InputError, match=r"b\.npz"):
        read_arrays(tmp_path / "b.npz")
    np.savez(tmp_path / "d.npz", p=np.ones((2, 3, 2)), classes=np.array("x"))
    assert load_samples(tmp_path / "d.npz")[1] == ["x"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    weights = {"a": torch.ones(3), "b": torch.ones(2, 2)}
    save_file(weights, tmp_path / "weights.safetensors")
    assert set(read_weights(tmp_path)) == {"a", "b"}
    weights["b"][1, 0] = float(value)
    save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(InputError, match="'b' holds weights that are not finite"):
        read_weights(tmp_path)


def test_a_table_that_contradicts_its_metadata_is_refused(tmp_path):
    table = pa.table({"a": [1, 2], "b": ["x", "y"]})
    for metadata in (b"5", b"{", b'{"columns": 5}', b"[[[[", b"\xff"):
        pq.write_table(table.replace_schema_metadata({b"pandas": metadata}), tmp_path / "t.parquet")
        try:
            assert len(read_parquet(tmp_path / "t.parquet")) == 2
        except InputError as error:
            assert "t.parquet" in str(error)
    nested = pa.table({"a": [[1], [2]]})
    pq.write_table(nested, tmp_path / "t.parquet")
    with pytest.raises(InputError, match="'a' holds lists or groups"):
        read_parquet(tmp_path / "t.parquet")
    pq.write_table(pa.table({"a": pa.array([b"x", b"y"])}), tmp_path / "t.parquet")
    assert read_parquet(tmp_path / "t.parquet")["a"].tolist() == ["x", "y"]


def test_a_message_is_one_printable_line_of_bounded_length():
    text = str(InputError("cell 'a\nb\0\u202e" + "x" * 5000 + "' in row 3"))
    assert text.isprintable() and len(text) < 2100
    assert text.startswith("cell 'a b") and text.endswith("in row 3")


def test_a_study_with_wrong_tables_is_an_error_where_it_is_read(tmp_path):
    path = write_study(tmp_path / "s", **parts())
    study = open_study(path)
    good = {"images.parquet": study.images, "summary/vi.parquet": study.summary("vi")}
    wrong = {
        "images.parquet": [
            lambda t: t.assign(image_id="same"),
            lambda t: t.assign(role="king"),
            lambda t: t.assign(fold="x"),
            lambda t: t.assign(plate=5),
            lambda t: t.iloc[:-1],
            lambda t: t.drop(columns="label"),
        ],
        "summary/vi.parquet": [
            lambda t: t.assign(p_cat=np.nan),
            lambda t: t.assign(p_cat="x"),
            lambda t: t.assign(predicted="lion"),
            lambda t: t.assign(confidence="high"),
            lambda t: t.iloc[:-1],
            lambda t: t.drop(columns="p_dog"),
        ],
    }
    forget_files(path)
    for name, changes in wrong.items():
        for change in changes:
            change(good[name]).to_parquet(path / name)
            with pytest.raises(InputError, match=name.replace(".", r"\.")):
                open_study(path).table("vi")
        good[name].to_parquet(path / name)
    assert len(open_study(path).table("vi")) == 12


def test_a_workbook_that_claims_every_cell_is_refused_without_a_crash(tmp_path):
    path = tmp_path / "wide.xlsx"
    pd.DataFrame({"image_id": ["a", "b"], "p": [0.25, 0.75]}).to_excel(path, index=False)
    assert list(read_table(path)["p"]) == ["0.25", "0.75"]
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert b'"B3"' in sheet
    parts["xl/worksheets/sheet1.xml"] = sheet.replace(b'"B3"', b'"XFD1048576"')
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match=r"wide\.xlsx .*memory"):
        read_table(path)


def test_offsets_that_lead_out_of_a_feather_file_are_refused(tmp_path):
    path = tmp_path / "a.feather"
    feather.write_feather(pa.table({"image_id": ["ab", "c"]}), path, compression="uncompressed")
    sound = np.array([0, 2, 3], np.int32).tobytes()
    assert path.read_bytes().count(sound) == 1
    path.write_bytes(path.read_bytes().replace(sound, np.array([0, 2, 2**30], np.int32).tobytes()))
    feather.write_feather(pa.table({"image_id": [b"a", b"\xff"]}), tmp_path / "b.feather")
    for name in ("a.feather", "b.feather"):
        with pytest.raises(InputError, match=name):
            read_table(tmp_path / name)


@pytest.mark.parametrize("line", [b"," * 30_000, b"," * 6_000_000, b"a" * 6_000_000])
@pytest.mark.parametrize("end", [b"", b"\na,b\n"])
def test_an_endless_first_line_is_refused_before_it_is_split(tmp_path, line, end):
    path = tmp_path / "bomb.csv.gz"
    path.write_bytes(gzip.compress(line + end, 1))
    with pytest.raises(InputError, match=r"bomb\.csv\.gz.* (MB|columns)"):
        read_table(path)


def test_a_tiff_that_claims_more_tiles_than_it_has_is_refused(tmp_path):
    path = tmp_path / "wide.tif"
    tifffile.imwrite(path, np.ones((20, 24), np.uint16), tile=(16, 16))
    assert read_image(path).shape[-2:] == (20, 24)
    width = struct.pack("<HHII", 256, 4, 1, 24)
    data = path.read_bytes()
    assert data.count(width) == 1
    path.write_bytes(data.replace(width, struct.pack("<HHII", 256, 4, 1, 16_000_000)))
    with pytest.raises(InputError, match=r"wide\.tif .*pixels are missing"):
        read_image(path)


def test_a_record_without_columns_is_no_table(tmp_path):
    path = tmp_path / "empty.json"
    path.write_text('[{"": {}}]')
    with pytest.raises(InputError, match=r"empty\.json"):
        read_predictions(path)
