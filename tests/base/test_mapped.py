"""Arrays in mapped files: their room is taken at once."""

import errno
import os

import numpy as np
import pytest

from bnn_core.base.errors import InputError
from bnn_core.base.mapped import mapped_array


def test_the_room_of_a_mapped_array_is_taken_at_once(tmp_path):
    path = tmp_path / "a.npy"
    array = mapped_array(path, np.float16, (1000, 300))
    assert path.stat().st_blocks * 512 >= 600_000  # not sparse
    array[:] = 1
    array.flush()
    assert np.load(path).sum(dtype=np.int64) == 300_000


def test_a_full_disk_ends_in_one_line_with_what_is_needed(tmp_path, monkeypatch):
    def full(descriptor, offset, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    words = r"cannot write \S*/a.npy: No space left on device.* and 601 kB are needed"
    with pytest.raises(InputError, match=words):
        mapped_array(tmp_path / ".a.part", np.float16, (1000, 300), tmp_path / "a.npy")
