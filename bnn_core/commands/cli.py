"""The command `bnn`: parse, one call of the engine, print."""

import argparse
import importlib
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import NoReturn

import bnn_core
from bnn_core.base.errors import InputError
from bnn_core.base.wording import did_you_mean

DESCRIPTION = """Which image labels can I not trust, and why?

Bayesian and standard networks on labelled images, the predictions of many sampled networks, and
the studies that the app shows (streamlit run app.py)."""

#: Name -> (module of bnn_core.commands, one line). Only the module that is asked for is imported.
COMMANDS = {
    "study": ("study", "make a study: train networks, draw samples, summarise"),
    "predict": ("predict", "apply a study's networks to more images"),
    "fold": ("fold", "run one cross-validation fold of a planned study"),
    "import": ("import_", "make a study from a table of existing predictions"),
    "data": ("data", "download MNIST, EMNIST or BBBC021"),
    "list": ("list_", "list the studies in the cache"),
    "metrics": ("metrics", "accuracy and calibration of the methods of a study"),
    "check": ("check", "check a study's files, tables and numbers"),
    "export": ("export", "write the flagged images, or any selection, as a table"),
    "review": ("review", "import decisions from an edited list into the review log"),
    "report": ("report", "write a study as one HTML file, to read offline"),
    "second-opinion": ("second_opinion", "predict labels from a table of measured features"),
    "completion": ("completion", "print a script that completes commands in a shell"),
    "serve": ("serve", "serve the app, also to other machines"),
}


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, and name what was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Raise InputError in place of printing the usage, which fills a screen."""
        command = self.prog.removeprefix("bnn").strip()
        plain = _plain(message, list(_flags(self)))
        raise InputError(f"{command}{': ' * bool(command)}{plain}; see '{self.prog} --help'")

    def parse_known_args(self, args=None, namespace=None):
        """As argparse, but words after a flag still belong to a list of words (`predict`)."""
        namespace, rest = super().parse_known_args(args, namespace)
        names = [action.dest for action in self._get_positional_actions() if action.nargs == "*"]
        if names and not any(word.startswith("-") for word in rest):
            setattr(namespace, names[0], [*getattr(namespace, names[0]), *rest])
            rest = []
        return namespace, rest


def _plain(message: str, flags: list[str]) -> str:
    """argparse's message in plain words, with a suggestion for a typing mistake."""
    if wrong := re.fullmatch(
        r"argument (.+): invalid choice: '(.*)' \(choose from (.*)\)", message
    ):
        known = [name.strip("' ") for name in wrong[3].split(",")]
        return (
            f"{wrong[1]} '{wrong[2]}' is unknown{did_you_mean(wrong[2], known)}; choose one of "
            f"{', '.join(known)}"
        )
    if wrong := re.fullmatch(r"unrecognized arguments: (.*)", message):
        words = [word for word in wrong[1].split() if word.startswith("-")] or [wrong[1]]
        return "unknown: " + ", ".join(w + did_you_mean(w.split("=")[0], flags) for w in words)
    if wrong := re.fullmatch(r"the following arguments are required: (.*)", message):
        return f"missing: {wrong[1]}"
    return message.removeprefix("argument ")


def _flags(parser: argparse.ArgumentParser) -> Iterator[str]:
    """All flags of a parser and of the commands below it."""
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _flags(below)


def make_parser(*chosen: str) -> argparse.ArgumentParser:
    """The command line, with the flags of the chosen commands."""
    parser = Parser(
        prog="bnn", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"bnn {bnn_core.__version__}")
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for name, (file, line) in COMMANDS.items():
        if name not in chosen:
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


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """Ctrl-C ends the process in the block: nothing is made yet, and PyTorch, which is being imported,
    would answer with a traceback or abort."""
    if current_thread() is not main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status (0 done, 2 bad input, 130 interrupted)."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        with _ending_at_once():
            args = make_parser(*argv[:1]).parse_args(argv)
        line = args.run(args)
    except InputError as error:
        print(f"bnn: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # of a path that cannot be, or a folder that is not this user's
        where = f"{error.filename}: " if error.filename else ""
        print(f"bnn: {InputError(where + (error.strerror or str(error)))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # a second one ends at once
        print("\nbnn: interrupted; run the same command again to continue", file=sys.stderr)
        return 130
    try:
        if line:
            print(line, flush=True)
    except BrokenPipeError:  # of `bnn ... | head`; the interpreter flushes once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
