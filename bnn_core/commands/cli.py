"""The command `bnn`: parse, one library call, one line out."""

import argparse
import importlib
import sys
from collections.abc import Sequence

import bnn_core
from bnn_core.base.errors import InputError

DESCRIPTION = """Which image labels can I not trust, and why?

Bayesian and standard networks over labelled images, their Monte Carlo predictions, and the
studies that the app shows (streamlit run app.py)."""

#: Name -> (module of bnn_core.commands, one line). Only the module that is asked for is imported.
COMMANDS = {
    "study": ("study", "make a study: train networks, draw samples, summarise"),
    "predict": ("predict", "apply a study's networks to more images"),
    "fold": ("fold", "run one cross-validation fold of a planned study"),
    "import": ("import_", "make a study from anybody's predictions"),
    "data": ("data", "download MNIST, EMNIST or BBBC021, resumably"),
    "serve": ("serve", "serve the app, to more than this machine if asked"),
    "list": ("list_", "list the studies in the cache"),
    "check": ("check", "check a study's files, tables and numbers"),
    "export": ("export", "write the flagged list, or any selection, of a study"),
    "report": ("report", "write a study as one HTML file, to read offline"),
    "second-opinion": ("second_opinion", "what a plain model on a feature table says"),
}


def make_parser(chosen: str | None) -> argparse.ArgumentParser:
    """The command line, with the flags of the chosen command."""
    parser = argparse.ArgumentParser(
        prog="bnn", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"bnn {bnn_core.__version__}")
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name, (file, line) in COMMANDS.items():
        if name != chosen:
            subparsers.add_parser(name, help=line)
            continue
        module = importlib.import_module(f"bnn_core.commands.{file}")
        sub = subparsers.add_parser(
            name,
            help=line,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.arguments(sub)
        sub.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 2 bad input, 130 interrupted)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        args = make_parser(argv[0] if argv else None).parse_args(argv)
        line = args.run(args)
    except InputError as error:
        print(f"bnn: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nbnn: interrupted; run the same command again to go on", file=sys.stderr)
        return 130
    if line:
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
