"""Is a study whole and consistent?

Every file is compared with the checksum that study.json keeps of it, every table with the others,
and every score with its formula.

  bnn check demo
  bnn check demo --record

--record takes the files as they are now as the right ones: after study.json was changed by hand
(image_root of images that were moved), or for a study from before there were checksums.
"""

import argparse

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.commands.flags import add_cache_flag
from bnn_core.study.checking import check_study, record_checksums
from bnn_core.study.folder import cache_root, study_path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name under the cache, or a folder")
    parser.add_argument(
        "--record", action="store_true", help="record the files' checksums as they are now"
    )
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    path = study_path(args.study, cache_root(args.cache))
    if args.record:
        return f"{path}: {count(record_checksums(path), 'checksum')} recorded"
    problems = check_study(path)
    if problems:
        raise InputError(f"study {path} has {len(problems)} problem(s): " + "; ".join(problems))
    return f"{path}: sound"
