"""What the first visitor would wait for: imports, and what Overview shows of the first study.

A thread of the server does this as soon as it starts. Then it computes the tables that large studies
keep (`recipes.kept`), where they are missing.
"""

import ctypes
import logging
import threading
from contextlib import suppress

from bnn_core.base.errors import InputError

_NAME = "warming"
#: M_ARENA_MAX of malloc.h.
_ARENA_MAX = -8
#: Streamlit warns of every cached function that is called outside a page.
_CONTEXT_LOGGER = "streamlit.runtime.scriptrunner_utils.script_run_context"


def start() -> threading.Thread:
    """Begin in a thread that ends with the process."""
    _share_memory()
    thread = threading.Thread(target=warm, name=_NAME, daemon=True)
    thread.start()
    return thread


def _share_memory() -> None:
    """Let all threads take memory from two pools of glibc. It would give each thread one of its own, and
    as every run of a page is a thread, a server with ten users would grow by megabytes a minute."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").mallopt(_ARENA_MAX, 2)


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
