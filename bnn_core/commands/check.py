"""Check a study: its files against their recorded sizes, its tables and numbers against each other.

Exit status 2 where something is wrong, with --json too.
"""

import argparse
import json

from bnn_core.base.errors import InputError
from bnn_core.commands.flags import add_cache_flag, add_json_flag
from bnn_core.study.catalogue import cache_root, study_path
from bnn_core.study.checking import check_study


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name under the cache, or a folder")
    add_cache_flag(parser)
    add_json_flag(parser)


def run(args: argparse.Namespace) -> str:
    path = study_path(args.study, cache_root(args.cache))
    problems = check_study(path)
    if args.json:
        report = {"study": str(path.resolve()), "sound": not problems, "problems": problems}
        print(json.dumps(report, indent=1, ensure_ascii=False))
    if problems:
        raise InputError(f"study {path} has {len(problems)} problem(s): " + "; ".join(problems))
    return "" if args.json else f"{path}: sound"
