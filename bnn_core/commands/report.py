"""Write a study as one HTML file that needs nothing else: to mail, to archive, to read offline.

Accuracy at every level, cut-offs, calibration, every compound, the first suspects with their
explanations, the flagged images with their pictures, and how the study was made. The file is the
same as that of the button in the app.

  bnn report demo --out demo.html
  bnn report demo --paper              # figures 1 to 6 of the paper for this study, to print
"""

import argparse
from pathlib import Path

from bnn_core.commands.flags import add_cache_flag, add_study_argument
from bnn_core.figures.paper import write_paper
from bnn_core.figures.report import write_report
from bnn_core.study.catalogue import cache_root
from bnn_core.study.folder import open_study


def arguments(parser: argparse.ArgumentParser) -> None:
    add_study_argument(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="file to write (default: <study>-report.html in this folder)",
    )
    parser.add_argument(
        "--paper",
        action="store_true",
        help="the figures of Deodato et al. (2020) for this study instead (<study>-figures.html)",
    )
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> str:
    root = cache_root(args.cache)
    study = open_study(args.study, root)
    path = (
        write_paper(study, args.out) if args.paper else write_report(study, args.out, reviews=root)
    )
    return f"{path}: {study.meta['title']}, {path.stat().st_size / 1e6:.1f} MB"
