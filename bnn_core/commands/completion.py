"""Print a script that completes bnn's commands and flags in a shell.

bnn completion bash > ~/.local/share/bash-completion/completions/bnn
bnn completion zsh > "${fpath[1]}/_bnn"
bnn completion fish > ~/.config/fish/completions/bnn.fish
"""

import argparse

from bnn_core.base.errors import InputError

SHELLS = ("bash", "zsh", "tcsh", "fish")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help=", ".join(SHELLS))


def run(args: argparse.Namespace) -> str:
    try:
        import shtab
    except ImportError as error:
        raise InputError("completion needs shtab: pip install shtab") from error
    if args.shell not in shtab.SUPPORTED_SHELLS:
        raise InputError(f"this shtab cannot write for {args.shell}: pip install --upgrade shtab")
    from bnn_core.commands.cli import COMMANDS, make_parser

    parser = make_parser(*COMMANDS)
    return shtab.complete(parser, args.shell)
