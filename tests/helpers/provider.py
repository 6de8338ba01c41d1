"""A small OpenID Connect provider on this machine, which logs everybody in as one person."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "bnn", "the secret of the client"


@contextmanager
def provider(person: dict[str, str]) -> Iterator[str]:
    """Its address until the block ends. person: claims beside sub, such as name and email; read at
    each login."""
    key = RSAKey.generate_key(2048, {"kid": "k"})
    asked: dict[str, dict[str, str]] = {}

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args):
            pass

        def answer(self, content, status=200, **headers):
            data = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
            given = {name: values[0] for name, values in query.items()}
            if path == "/authorize" and given["client_id"] == CLIENT:
                asked[code := secrets.token_hex(8)] = given
                back = urlencode({"code": code, "state": given["state"]})
                self.answer({}, 302, Location=f"{given['redirect_uri']}?{back}")
            elif path == "/keys":
                self.answer({"keys": [key.as_dict(private=False)]})
            else:
                self.answer(
                    {
                        "issuer": url,
                        "authorization_endpoint": f"{url}/authorize",
                        "token_endpoint": f"{url}/token",
                        "jwks_uri": f"{url}/keys",
                        "id_token_signing_alg_values_supported": ["RS256"],
                        "code_challenge_methods_supported": ["S256"],
                    }
                )

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            given = {name: values[0] for name, values in parse_qs(body).items()}
            login = asked.pop(given["code"])
            digest = hashlib.sha256(given["code_verifier"].encode()).digest()
            assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == login["code_challenge"]
            now = int(time.time())
            claims = {
                **{"iss": url, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 600},
                **{"nonce": login["nonce"]} | person,
            }
            token = jwt.encode({"alg": "RS256", "kid": "k"}, claims, key)
            self.answer({"access_token": "a", "token_type": "Bearer", "id_token": token})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_secrets(path: Path, url: str, server: str) -> Path:
    """The file for `bnn serve --login`. server: address by which browsers reach the app."""
    path.write_text(
        f'[auth]\nredirect_uri = "{server}/oauth2callback"\n'
        f'cookie_secret = "{secrets.token_hex(32)}"\nclient_id = "{CLIENT}"\n'
        f'client_secret = "{SECRET}"\n'
        f'server_metadata_url = "{url}/.well-known/openid-configuration"\n'
    )
    return path
