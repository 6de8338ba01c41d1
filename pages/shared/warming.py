"""What the first visitor would wait for: imports, and what Overview shows of the first study.

A thread of the server does this as soon as it starts. Then it computes the tables that large studies
keep (`recipes.kept`), where they are missing.
"""

import ctypes
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from bnn_core.base.errors import InputError

_NAME = "warming"
#: M_ARENA_MAX and M_MMAP_THRESHOLD of malloc.h.
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3
_MINUTE = 60.0
# Arrow reads this when it is imported: a pool of its own would give nothing back.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
#: Streamlit warns of every cached function that is called outside a page.
_CONTEXT_LOGGER = "streamlit.runtime.scriptrunner_utils.script_run_context"


def start() -> threading.Thread:
    """Begin in a thread that ends with the process."""
    start_giving_memory_back()
    thread = threading.Thread(target=warm, name=_NAME, daemon=True)
    thread.start()
    return thread


def start_giving_memory_back() -> None:
    """Let the memory of the server stay flat, in a thread that ends with the process.

    glibc keeps what pages no longer use: it gives each thread a pool of its own, and every run of a page
    is a thread; and pools have holes between small things that live long. So there are two pools, arrays
    of a megabyte are outside of them, and holes are given back every minute.
    """
    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_ARENA_MAX, 2)
        libc.mallopt(_MMAP_THRESHOLD, 2**20)
        threading.Thread(target=_give_back, args=(libc.malloc_trim,), daemon=True).start()


def _give_back(malloc_trim: Callable[[int], int]) -> None:
    while True:
        time.sleep(_MINUTE)
        malloc_trim(0)


def warm() -> None:
    """Do all of it; a study that cannot be read is left to its page, which shows the reason."""
    logging.getLogger(_CONTEXT_LOGGER).addFilter(
        lambda record: threading.current_thread().name != _NAME
    )
    # Here, not above: these imports take seconds.
    from bnn_core.recipes import kept

    kept.make_elsewhere()
    from pages.shared import filters, rankings, studies
    from pages.shared.baselines import baselines_of

    entries = [entry for entry in studies.entries() if entry.problem is None]
    for number, entry in enumerate(entries):
        with suppress(InputError, OSError):
            study = studies.opened(entry.name)
            if number == 0:
                for method in study.methods:
                    studies.table(study, method)
                filters.column_codes(study, "label")
                rankings.ranking(study, "compound")
                baselines_of(study)
            kept.fill_derived(study)
