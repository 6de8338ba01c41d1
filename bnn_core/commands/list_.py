"""The studies in the cache: name, number of images, day and title."""

import argparse
import json

from bnn_core.base.errors import printable
from bnn_core.commands.flags import add_cache_flag, add_json_flag
from bnn_core.study.catalogue import StudyEntry, cache_root, list_studies, unfinished


def arguments(parser: argparse.ArgumentParser) -> None:
    add_cache_flag(parser)
    add_json_flag(parser)


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    entries, begun = list_studies(root), unfinished(root)
    if args.json:
        return json.dumps(
            {
                "studies": [
                    {**vars(entry), "path": str(entry.path.resolve())} for entry in entries
                ],
                "unfinished": begun,
            },
            indent=1,
            ensure_ascii=False,
        )
    lines = [f"{entry.name:<20} {_line(entry)}" for entry in entries]
    lines += [f"{name:<20} unfinished: run its command again to continue" for name in begun]
    return "\n".join(lines) or f"no studies in {root}; make one: bnn study digits"


def _line(entry: StudyEntry) -> str:
    return (
        entry.problem or f"{entry.rows:>9,} images  {entry.created[:10]}  {printable(entry.title)}"
    )
