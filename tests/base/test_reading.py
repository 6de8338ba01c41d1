"""Arrays of damaged files."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bnn_core.base.errors import InputError
from bnn_core.base.reading import COLUMNS_AT_A_TIME, read_array, read_arrays, read_parquet


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("code", [0x110000, 0xFFFFFFFF, 0xD800])
def test_texts_with_numbers_that_are_no_characters_are_refused(tmp_path, code, order):
    texts = np.array([["ab", "\U0010ffff"], ["", "é"]], f"{order}U2")
    np.save(tmp_path / "good.npy", texts)
    np.savez(tmp_path / "good.npz", texts=texts)
    assert read_array(tmp_path / "good.npy", "U").tolist() == texts.tolist()
    assert read_arrays(tmp_path / "good.npz")["texts"].tolist() == texts.tolist()
    codes = texts.view(f"{order}u4").copy()
    codes[1, 2] = code
    bad = codes.view(f"{order}U2")
    np.save(tmp_path / "bad.npy", bad)
    np.savez(tmp_path / "bad.npz", texts=bad)
    for read in (
        lambda: read_array(tmp_path / "bad.npy", "U"),
        lambda: read_arrays(tmp_path / "bad.npz"),
    ):
        with pytest.raises(InputError, match=r"bad\.np"):
            read()


def test_arrays_without_texts_and_empty_ones_pass(tmp_path):
    np.savez(tmp_path / "a.npz", none=np.empty((0, 3), "U4"), zero=np.array("x"), n=np.arange(3))
    assert set(read_arrays(tmp_path / "a.npz")) == {"none", "zero", "n"}


def test_the_message_names_what_can_be_read(tmp_path):
    np.save(tmp_path / "days.npy", np.array(["2020-01-01"], "datetime64[D]"))
    for kinds, needed in (("f", "numbers:"), ("fU", "numbers or texts:")):
        with pytest.raises(InputError, match=needed):
            read_array(tmp_path / "days.npy", kinds)


def test_wide_parquet_tables_are_read_some_columns_at_a_time(tmp_path, monkeypatch):
    names = ["a", "a.b", *(f"f{j}" for j in range(2 * COLUMNS_AT_A_TIME))]
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(5, len(names))), columns=names).assign(t=list("vwxyz"))
    table.loc[2, "f7"] = np.nan
    path = tmp_path / "wide.parquet"
    most = []
    read = pq.ParquetFile.read

    def counted(file, columns=None, **options):
        most.append(len(columns))
        return read(file, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read", counted)
    table.to_parquet(path)
    pd.testing.assert_frame_equal(read_parquet(path), table)
    table.set_index("t").to_parquet(path)
    pd.testing.assert_frame_equal(read_parquet(path), table)
    assert max(most) == COLUMNS_AT_A_TIME
