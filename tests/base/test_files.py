"""What is said where a file cannot be written."""

import errno
import os
import shutil
import socket
import sys

import numpy as np
import pandas as pd
import pytest

from bnn_core.base.array_files import write_array, write_arrays
from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, copy_folder, unwritable, write_bytes
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


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
@pytest.mark.parametrize(
    ("write", "needed"),
    [
        (lambda path: write_bytes(path, bytes(2_000_000)), "2.0"),
        (lambda path: write_array(path, np.zeros((3, 500_000), np.float16)), "3.0"),
        (lambda path: write_array(path, np.zeros((500_000, 3), "f4").T), "6.0"),
        (lambda path: write_arrays(path, a=np.zeros(10**6, "u1"), b=np.zeros(10**6)), "9.0"),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, write, needed):
    part = tmp_path / f".a.{socket.gethostname()}.{os.getpid()}.part"
    part.symlink_to("/dev/full")
    words = rf"cannot write \S*/a: No space left on device \(.* and {needed} MB are needed\)"
    with pytest.raises(InputError, match=words):
        write(tmp_path / "a")
    assert not list(tmp_path.iterdir())


def test_arrays_are_written_as_they_are(tmp_path):
    for array in (np.arange(6.0).reshape(2, 3).T, np.array(["a", "bc"]), np.zeros((0, 4), "f2")):
        write_array(tmp_path / "a.npy", array)
        read = np.load(tmp_path / "a.npy")
        assert read.dtype == array.dtype and np.array_equal(read, array)


def test_a_full_disk_says_how_much_a_copied_folder_needs(tmp_path, monkeypatch):
    def full(source, target, **how):
        raise shutil.Error([(source, target, "[Errno 28] No space left on device: 'a'")])

    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(bytes(4_000_000))
    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(InputError, match=r"No space left on device \(.* and 4\.0 MB are needed"):
        copy_folder(tmp_path / "a", tmp_path / "x", "choose another folder")
