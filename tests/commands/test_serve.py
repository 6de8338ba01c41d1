"""The server as it is started for real: where it listens, whom it answers, what it lets out."""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from page_studies import ROOT
from PIL import Image

from bnn_core.base.errors import InputError
from bnn_core.commands import cli, serve
from bnn_core.recipes.imports import import_predictions


@contextmanager
def running(command, environment, folder):
    """A server on a free port, until the block ends."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "server.log"
    with open(log, "w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", *command(port)],
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
        )
    try:
        for _ in range(240):
            if process.poll() is not None:
                break
            try:
                if ask(port, "/_stcore/health").startswith("HTTP/1.1 200"):
                    break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail(f"the app did not start:\n{log.read_text()}")
        if process.poll() is not None:
            pytest.fail(f"the app stopped:\n{log.read_text()}")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=20)


def ask(port, path, host="localhost", address="127.0.0.1", **headers) -> str:
    """The answer to a GET, headers and all, with a Host of one's choice."""
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}:{port}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    with socket.create_connection((address, port), timeout=20) as link:
        link.sendall(("\r\n".join([*lines, "", ""])).encode())
        answer = b""
        while b"\r\n\r\n" not in answer and (data := link.recv(65536)):
            answer += data
        length = [
            line.split(b":")[1]
            for line in answer.lower().splitlines()
            if line.startswith(b"content-length:")
        ]
        while length and len(answer.partition(b"\r\n\r\n")[2]) < int(length[0]):
            answer += link.recv(65536)
    return answer.decode("latin-1")


def open_socket(port, host="localhost", origin=None) -> int:
    """Status of an attempt to open Streamlit's WebSocket."""
    answer = ask(
        port,
        "/_stcore/stream",
        host,
        Upgrade="websocket",
        Connection="Upgrade",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAAAA==",
        Origin=origin or f"http://{host}:{port}",
    )
    return int(answer.split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux only")
def test_streamlit_run_listens_on_this_machine_only(tmp_path):
    def command(port):
        return [
            "streamlit",
            "run",
            str(ROOT / "app.py"),
            f"--server.port={port}",
            "--server.headless=true",
        ]

    with running(command, {"BNN_CACHE": str(tmp_path / "cache")}, tmp_path) as port:
        with pytest.raises(ConnectionRefusedError):
            ask(port, "/", address="127.0.0.2")
        for host in ("localhost", "127.0.0.1", "[::1]"):
            assert open_socket(port, host) == 101
        assert open_socket(port, "attacker.example") in (400, 403)
        assert ask(port, "/", "attacker.example").startswith("HTTP/1.1 400")


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux only")
def test_a_shared_server_shows_files_of_its_folders_by_name(tmp_path):
    for folder in ("in", "out"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.full((8, 8), 7, np.uint8)).save(tmp_path / folder / "a.png")
    paths = [str(tmp_path / "in/a.png"), str(tmp_path / "out/a.png"), str(tmp_path / "out/b.png")]
    pd.DataFrame(
        {"path": paths, "label": ["x", "y", "y"], "p_x": [1.0, 0.0, 0.0], "p_y": [0.0, 1.0, 1.0]}
    ).to_csv(tmp_path / "in" / "t.csv", index=False)
    import_predictions(tmp_path / "in" / "t.csv", tmp_path / "cache" / "s t")
    for file in (tmp_path / "cache" / "s t").glob("thumbnails.*"):
        file.unlink()  # nothing but the originals is left to show

    def command(port):
        return [
            "bnn_core",
            "serve",
            "--address",
            "0.0.0.0",
            "--port",
            str(port),
            "--host",
            "cells.example",
            "--data-root",
            str(tmp_path / "in"),
            "--read-only",
            "--cache",
            str(tmp_path / "cache"),
        ]

    with running(command, {}, tmp_path) as port:
        full = f"/image/{quote('s t')}/full/"
        assert ask(port, full + "0", address="127.0.0.2").startswith("HTTP/1.1 200")
        kept, gone = (ask(port, full + row).split("\r\n\r\n") for row in ("1", "2"))
        assert kept[0].startswith("HTTP/1.1 404") and kept[1] == gone[1]
        page = ask(port, "/", "cells.example").lower()
        assert page.startswith("http/1.1 200") and "x-content-type-options: nosniff" in page
        assert "frame-ancestors 'none'" in page
        assert "x-content-type-options: nosniff" in ask(port, full + "0").lower()
        assert open_socket(port, "cells.example") == 101
        assert open_socket(port, "attacker.example") in (400, 403)
        foreign = "http://attacker.example"
        for origin in (foreign, "null", "http://[", "http://cells.example.attacker.example"):
            assert open_socket(port, "cells.example", origin) == 403
        # Not by Streamlit: it would ask a server outside for this machine's address.
        assert "external IP" not in (tmp_path / "server.log").read_text()
        assert ask(port, "/_stcore/health", Origin=foreign).startswith("HTTP/1.1 403")
        assert ask(port, full + "0", "attacker.example").startswith("HTTP/1.1 400")


SECRETS = """[auth]
redirect_uri = "https://cells.example.org/oauth2callback"
cookie_secret = "0123456789abcdef0123456789abcdef"
client_id = "bnn"
client_secret = "x"
server_metadata_url = "https://provider.example.org/.well-known/openid-configuration"
"""


@pytest.mark.parametrize(
    "text, wrong",
    [
        (None, "cannot be read"),
        ("[auth", "cannot be read"),
        ("auth = 3", "lacks redirect_uri"),
        (SECRETS.replace("client_id", "client"), "client_id"),
        (SECRETS.replace("/oauth2callback", "/"), "oauth2callback"),
        (SECRETS.replace("0123456789abcdef", "short"), "cookie_secret"),
    ],
)
def test_secrets_that_cannot_serve_a_login_are_named(tmp_path, text, wrong):
    file = tmp_path / "secrets.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=wrong):
        serve.demand_secrets(file)


def test_secrets_of_a_login(tmp_path):
    pytest.importorskip("authlib")
    (tmp_path / "secrets.toml").write_text(SECRETS)
    serve.demand_secrets(tmp_path / "secrets.toml")


@pytest.mark.parametrize("name", ["", "X User", "X-User:", "X-User\n"])
def test_an_empty_name_of_a_header_does_not_open_the_server(name, capsys):
    assert cli.main(["serve", "--user-header", name]) == 2
    assert "--user-header" in capsys.readouterr().err
