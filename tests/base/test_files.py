"""What is said where a file cannot be written."""

import errno
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, unwritable, write_bytes
from bnn_core.study.folder import write_table


def said(path, number, part=None):
    return str(unwritable(OSError(number, os.strerror(number)), path, "choose", part))


def test_numbers_are_given_for_a_full_disk_only(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(9, 4, 5e6))
    path, part = tmp_path / "new" / "a", tmp_path / "part"
    assert "(5.0 MB are free);" in said(path, errno.ENOSPC)
    part.touch()
    assert "(5.0 MB are free);" in said(path, errno.ENOSPC, part)
    part.write_bytes(bytes(1_000_000))
    assert "(5.0 MB are free, and more than 6.0 MB are needed);" in said(path, errno.ENOSPC, part)
    assert f"{os.strerror(errno.EDQUOT)}; choose" in said(path, errno.EDQUOT, part)


def test_a_disk_that_does_not_say_how_full_it_is(tmp_path, monkeypatch):
    def fail(folder):
        raise OSError(errno.EIO, "no answer")

    monkeypatch.setattr(shutil, "disk_usage", fail)
    with (
        pytest.raises(InputError, match="No space left on device; free"),
        atomic_path(tmp_path / "a"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_says_how_much_a_table_needs(tmp_path, monkeypatch):
    table = pd.DataFrame({"x": np.random.default_rng(0).random(200_000)})
    write_table(tmp_path / "a.parquet", table)
    needed = (tmp_path / "a.parquet").stat().st_size / 1e6

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=rf"and {needed:.1f} MB are needed"):
        write_table(tmp_path / "b.parquet", table)
    with pytest.raises(InputError, match=r"and 2\.0 MB are needed"):
        write_bytes(tmp_path / "c", bytes(2_000_000))
