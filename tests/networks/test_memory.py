"""Freed tensors stay with the process where the C library can be told so."""

import ctypes
import platform
import resource

import pytest
import torch

from bnn_core.networks.memory import keep_freed_memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
def test_large_tensors_are_not_cleared_again_and_again():
    keep_freed_memory()

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            torch.ones(4_000_000)  # 16 MB, 3,906 pages
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    faults()
    # Without it all five are new pages. One may be: the heap grows where other tests left it full.
    assert faults() < 2 * 3_906


def test_other_libraries_are_left_alone(monkeypatch):
    def none(name):
        raise TypeError

    monkeypatch.setattr(ctypes, "CDLL", none)
    keep_freed_memory.__wrapped__()
