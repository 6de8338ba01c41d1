"""`bnn list`: the studies in the cache."""

import argparse

from bnn_core.commands.flags import add_cache_flag
from bnn_core.study.folder import MAKING, cache_root, list_studies


def arguments(parser: argparse.ArgumentParser) -> None:
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    entries = list_studies(root)
    lines = []
    for entry in entries:
        what = entry.problem or f"{entry.rows:>9,} images  {entry.created[:10]}  {entry.title}"
        lines.append(f"{entry.name:<20} {what}")
    unfinished = sorted(root.glob(f"*{MAKING}")) if root.is_dir() else []
    lines += [
        f"{path.name.removesuffix(MAKING):<20} unfinished: run the command that began it again"
        for path in unfinished
    ]
    return "\n".join(lines) or f"no studies in {root}; make one: bnn study digits"
