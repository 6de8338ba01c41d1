"""`bnn check STUDY`: is a study whole and consistent?"""

import argparse

from bnn_core.base.errors import InputError
from bnn_core.commands.flags import add_cache_flag
from bnn_core.study.checking import check_study
from bnn_core.study.folder import cache_root, study_path


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help="name under the cache, or a folder")
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    path = study_path(args.study, cache_root(args.cache))
    problems = check_study(path)
    if problems:
        raise InputError(f"study {path} has {len(problems)} problem(s): " + "; ".join(problems))
    return f"{path}: sound"
