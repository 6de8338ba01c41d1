"""What this process may use of the machine: processors and memory, inside a container those of it."""

import os
from contextlib import suppress
from pathlib import Path

#: The limits of a container (control groups, version 2).
_CONTAINER = Path("/sys/fs/cgroup")
_MEMORY = Path("/proc/meminfo")


def processors() -> int:
    """How many processors this process may use, 1 or more."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        count = os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        quota, period = (_CONTAINER / "cpu.max").read_text().split()
        count = min(count, int(quota) // int(period))
    return max(count, 1)


def free_memory() -> int:
    """Bytes that more processes may take; 0 where the system does not say it (Windows).

    Of macOS, which says only how much there is, half.
    """
    try:
        lines = dict(line.split(":") for line in _MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", ()):
            return 0
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    with suppress(OSError, ValueError):
        limit = int((_CONTAINER / "memory.max").read_text())
        free = min(free, limit - int((_CONTAINER / "memory.current").read_text()))
    return max(free, 0)
