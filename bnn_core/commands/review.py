"""Import decisions from an exported list, edited in Excel or elsewhere, into the review log.

FILE (CSV, Excel or Parquet) needs the columns image_id, reason and decision; new_label and note are
used where they are there. Edited rows count as decisions of --reviewer, made now; rows equal to the
current decision change nothing. Nothing is written while a row cannot be used.

  bnn export demo --out flagged.xlsx --short     # edit it in Excel
  bnn review demo flagged.xlsx --dry-run
  bnn review demo flagged.xlsx --reviewer Ann
"""

import argparse
import getpass
from pathlib import Path

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.commands.flags import add_cache_flag, add_study_argument
from bnn_core.review.importing import FlagImport, import_flags
from bnn_core.review.log import ReviewLog
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import open_study

MOST_PROBLEMS = 5


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    parser.add_argument("file", metavar="FILE", type=Path, help="exported list, edited or not")
    parser.add_argument(
        "--reviewer", metavar="NAME", help="who decided (default: your name on this machine)"
    )
    parser.add_argument(
        "--replace",
        action="store_true",
        help="also import edited rows where somebody made a newer decision than the list has",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="show what would change; write nothing"
    )
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    study, log = open_study(args.study, root), ReviewLog(root)
    reviewer = args.reviewer or _user()
    changes = import_flags(args.file, study, log, reviewer)
    if changes.problems:
        more = len(changes.problems) - MOST_PROBLEMS
        lines = changes.problems[:MOST_PROBLEMS] + ([f"and {more:,} more"] if more > 0 else [])
        raise InputError(
            f"{count(len(changes.problems), 'row')} cannot be used, nothing was written: "
            + "; ".join(lines)
        )
    events = changes.events + [r.event for r in changes.replacing if args.replace]
    if events and not args.dry_run:
        log.record(study, events, reviewer=reviewer)
    return _sentence(changes, len(events), reviewer, args)


def _sentence(changes: FlagImport, imported: int, reviewer: str, args: argparse.Namespace) -> str:
    verb = "would be imported" if args.dry_run else "imported"
    text = (
        f"{count(imported, 'decision')} {verb} as decisions of {reviewer}; {changes.known:,} already in "
        "the log"
    )
    if changes.older:
        text += f"; {changes.older:,} skipped, because there are newer decisions"
    if changes.replacing and not args.replace:
        first = changes.replacing[0]
        text += (
            f"; {len(changes.replacing):,} skipped, because {first.reviewer} and others decided "
            "later: --replace imports them"
        )
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError) as error:
        raise InputError(
            "your user name is unknown; give the reviewer with --reviewer NAME"
        ) from error
