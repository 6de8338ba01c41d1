"""Serve the app to more than this machine, with limits on what its users may read and make.

Everyone who reaches the address can look at every study and review its images, unless --login asks
who they are: without it serve inside a network that you trust. Users may name tables and
images under --data-root only; their uploads and the studies are readable too.

  bnn serve                                            # this machine only, like 'streamlit run'
  bnn serve --address 0.0.0.0 --data-root /data/screens --read-only
  bnn serve --address 0.0.0.0 --data-root /data --host cells.example.org --login secrets.toml

The secrets for --login are those of Streamlit's st.login, an OpenID Connect provider (needs
pip install ".[login]"):

  [auth]
  redirect_uri = "https://cells.example.org/oauth2callback"
  cookie_secret = "32 random characters or more"
  client_id = "..."
  client_secret = "..."
  server_metadata_url = "https://provider.example.org/.well-known/openid-configuration"

Behind a proxy that logs users in, --user-header names the header in which it writes who the user is.
The proxy must remove this header from what browsers send, and nobody may reach the server past it.
"""

import argparse
import importlib
import ipaddress
import os
import re
import socket
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import bnn_core
from bnn_core.base.errors import InputError, first_line
from bnn_core.base.roots import CACHE, DATA_ROOTS, LOGIN, READ_ONLY, TRAINING
from bnn_core.commands.flags import add_cache_flag, whole_number
from bnn_core.study.catalogue import cache_root

#: Keys of the section [auth], and the fewest characters of its cookie_secret.
_AUTH = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_SECRET_LENGTH = 32
_HEADER = re.compile(r"[A-Za-z0-9-]+")
LOCAL = ("localhost", "127.0.0.1", "::1")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--address",
        metavar="ADDR",
        default="localhost",
        help="address to listen on; 0.0.0.0 for all addresses of this machine (default: localhost)",
    )
    parser.add_argument(
        "--port", metavar="N", type=whole_number(1), default=8501, help="port (default: 8501)"
    )
    parser.add_argument(
        "--data-root",
        metavar="DIR",
        type=Path,
        action="append",
        default=[],
        help="folder whose tables and images may be read; repeatable; needed outside localhost",
    )
    parser.add_argument(
        "--host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name by which browsers reach this server; others are refused "
        "(default: the machine's own names and addresses); repeatable",
    )
    parser.add_argument(
        "--read-only",
        action="store_true",
        help="make no study, replace none, download nothing; images can still be flagged",
    )
    parser.add_argument(
        "--allow-training",
        action="store_true",
        help="users may train networks on this machine from the page Your data, one study at a time "
        "(always allowed without --data-root)",
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--login",
        metavar="SECRETS",
        type=Path,
        help="users log in with the OpenID Connect provider in this TOML file (see above); the "
        "name of the login is the reviewer's name",
    )
    who.add_argument(
        "--user-header",
        metavar="NAME",
        help="header in which a proxy names the user, such as X-Forwarded-User (default: none)",
    )
    add_cache_flag(parser)


def run(args: argparse.Namespace) -> None:
    app = Path(bnn_core.__file__).parents[1] / "app.py"
    if not app.is_file():
        raise InputError(f"{app} is missing: the app needs a complete copy of the repository")
    _demand_servable(args)
    names = hosts(args.address, args.host)
    command = [sys.executable, "-m", "streamlit", "run", str(app), *_server_options(args, names)]
    readable = ", ".join(map(str, args.data_root)) or "every file of this user"
    print(
        f"listening on {args.address}, port {args.port}, for browsers that ask for "
        f"{', '.join(names)}\nreadable: {readable}{'; read-only' if args.read_only else ''}",
        file=sys.stderr,
        flush=True,
    )
    environment = os.environ | _settings(args)
    if os.name == "posix":
        os.execve(command[0], command, environment)
    sys.exit(subprocess.call(command, env=environment))


def _demand_servable(args: argparse.Namespace) -> None:
    """InputError for an open address without roots, and for roots, secrets or headers that cannot be."""
    if not is_local(args.address) and not args.data_root:
        raise InputError(
            f"--address {args.address} opens the app to other machines: name the folders that "
            "they may read with --data-root DIR"
        )
    for root in args.data_root:
        if not root.is_dir():
            raise InputError(f"--data-root {root} is not a folder")
        if os.pathsep in str(root.resolve()):
            raise InputError(f"--data-root {root}: a path with '{os.pathsep}' cannot be served")
    if args.login is not None:
        demand_secrets(args.login)
    if args.user_header is not None and not _HEADER.fullmatch(args.user_header):
        raise InputError(
            f"--user-header '{args.user_header}' is not a valid header name, such as X-Forwarded-User"
        )


def _settings(args: argparse.Namespace) -> dict[str, str]:
    """Variables of the environment from which the app reads what it may do."""
    return {
        CACHE: str(cache_root(args.cache).resolve()),
        DATA_ROOTS: os.pathsep.join(str(root.resolve()) for root in args.data_root),
        READ_ONLY: "1" if args.read_only else "",
        TRAINING: "1" if args.allow_training else "",
        LOGIN: "oidc" if args.login else f"header {args.user_header}" if args.user_header else "",
    }


def _server_options(args: argparse.Namespace, names: list[str]) -> list[str]:
    """Streamlit's options for an address. names: of `hosts`."""
    if args.host:
        shown = args.host[0]
    else:
        shown = socket.gethostname() if is_every(args.address) else args.address
    return [
        f"--server.address={args.address}",
        f"--server.port={args.port}",
        "--server.headless=true",
        # Named, so that Streamlit does not ask a server outside for the address of this machine.
        f"--browser.serverAddress={shown}",
        "--server.enableCORS=true",
        "--server.enableXsrfProtection=true",
        *(f"--server.allowedHosts={name}" for name in names),
        *([f"--secrets.files={args.login.resolve()}"] if args.login else []),
    ]


def demand_secrets(path: Path) -> None:
    """InputError where a file lacks what `st.login` needs, or Authlib is not installed."""
    try:
        auth = tomllib.loads(path.read_text(encoding="utf-8")).get("auth", {})
    except (OSError, ValueError) as error:
        raise InputError(f"--login {path} cannot be read: {error}") from error
    missing = [key for key in _AUTH if not isinstance(auth, dict) or not auth.get(key)]
    if missing:
        raise InputError(f"--login {path} lacks {', '.join(missing)} in its section [auth]")
    if not str(auth["redirect_uri"]).endswith("/oauth2callback"):
        raise InputError(f"--login {path}: redirect_uri must end with /oauth2callback")
    if len(str(auth["cookie_secret"])) < _SECRET_LENGTH:
        raise InputError(
            f"--login {path}: cookie_secret is short; use {_SECRET_LENGTH} random characters or more"
        )
    try:
        importlib.import_module("authlib.integrations.starlette_client")
    except ImportError as error:  # Authlib, or the HTTP client that it needs
        raise InputError(f'--login ({first_line(error)}): pip install ".[login]"') from error


def is_local(address: str) -> bool:
    """Whether only this machine can reach a server on this address."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def is_every(address: str) -> bool:
    """Whether an address means all addresses of this machine."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_unspecified
    except ValueError:
        return False


def hosts(address: str, named: list[str]) -> list[str]:
    """Names that a browser may ask for; other names that lead here are an attack (DNS rebinding)."""
    known = [address.strip("[]")]
    if is_every(address):
        name = socket.gethostname()
        known = [name, socket.getfqdn(), *_addresses(name)]
    return sorted({*LOCAL, *known, *named})


def _addresses(name: str) -> list[str]:
    """Addresses of this machine: those of its name, and the one from which it reaches others."""
    addresses = []
    with suppress(OSError):
        addresses = [info[4][0].split("%")[0] for info in socket.getaddrinfo(name, None)]
    for family, other in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        # Connecting a datagram socket sends nothing; it only chooses the address to send from.
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((other, 9))
            addresses.append(probe.getsockname()[0])
    return addresses
