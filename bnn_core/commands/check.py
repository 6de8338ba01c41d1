"""Is a study complete and consistent?

Every file is compared with the checksum that study.json keeps of it, every table with the others,
and every score with its formula. Exit status 2 where something is wrong, with --json too.

  bnn check demo
  bnn check demo --record

--record accepts the files as they are now: after study.json was changed by hand
(image_root of images that were moved), or for a study from before there were checksums.
"""

import argparse
import json

from bnn_core.base.errors import InputError
from bnn_core.base.wording import count
from bnn_core.commands.flags import add_cache_flag, add_json_flag, add_study_argument
from bnn_core.study.catalogue import cache_root, study_path
from bnn_core.study.checking import check_study, record_checksums


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    parser.add_argument(
        "--record", action="store_true", help="record the files' checksums as they are now"
    )
    add_cache_flag(parser)
    add_json_flag(parser)


def run(args: argparse.Namespace) -> str:
    path = study_path(args.study, cache_root(args.cache))
    if args.record:
        return f"{path}: {count(record_checksums(path), 'checksum')} recorded"
    problems = check_study(path)
    if args.json:
        report = {"study": str(path.resolve()), "sound": not problems, "problems": problems}
        print(json.dumps(report, indent=1, ensure_ascii=False))
    if problems:
        raise InputError(f"study {path} has {len(problems)} problem(s): " + "; ".join(problems))
    return "" if args.json else f"{path}: sound"
