"""What is said where a file cannot be written."""

import errno
import os
import shutil

import pytest

from bnn_core.base.errors import InputError
from bnn_core.base.files import atomic_path, unwritable


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
