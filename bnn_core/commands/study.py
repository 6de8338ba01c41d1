"""Make a study: train networks, predict with them, summarise."""

import argparse

from bnn_core.commands import (
    study_bbbc021,
    study_demo,
    study_digits,
    study_features,
    study_mnist,
    study_plate,
)

STUDY_KINDS = (study_mnist, study_digits, study_plate, study_features, study_bbbc021, study_demo)


def arguments(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(
        title="kinds of study", dest="kind", metavar="KIND", required=True
    )
    for module in STUDY_KINDS:
        sub = kinds.add_parser(
            module.NAME,
            help=module.HELP,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(sub)
        sub.set_defaults(run_kind=module.run)


def run(args: argparse.Namespace) -> str:
    return args.run_kind(args)
