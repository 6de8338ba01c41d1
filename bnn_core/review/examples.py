"""Decisions that came with a study, to look at: put into the log on request only."""

from pathlib import Path

from bnn_core.review.importing import import_flags
from bnn_core.review.log import ReviewLog
from bnn_core.study.folder import REVIEWS, Study


def example_files(study: Study) -> list[Path]:
    """The review lists in the study's folder, by name; none for most studies."""
    return sorted((study.path / REVIEWS).glob("*.csv"))


def load_examples(study: Study, log: ReviewLog, reviewer: str) -> int:
    """Import the study's example lists as actions of `reviewer`; returns the number of decisions.

    Each list's decisions keep the reviewer and time in the file. What the log has already, and what
    is older than a current decision, is left out: no decision of a user is replaced. Raises
    InputError for a damaged list.
    """
    loaded = 0
    for file in example_files(study):
        events = import_flags(file, study, log, reviewer).events
        if events:
            log.record(study, events, reviewer=reviewer)
        loaded += len(events)
    return loaded
