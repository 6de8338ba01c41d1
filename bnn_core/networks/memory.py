"""Memory of large tensors on a CPU: kept by the process when freed, instead of given back."""

import ctypes
from functools import cache

#: Names and values of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3


@cache
def keep_freed_memory() -> None:
    """Let glibc reuse the memory of freed tensors; without effect on other C libraries.

    By default it gives blocks above 128 kB to 32 MB back to the system, which clears them page by
    page when they are asked for again: a tenth to a quarter of the time of a training step. The
    peak of a process's memory stays as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # macOS, musl, Windows
        return
    mallopt(M_MMAP_THRESHOLD, 1 << 30)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
