"""Protection of the app in a network: allowed hosts and origins, and security headers."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

import streamlit as st
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Streamlit's page runs inline scripts, and its components come as blobs.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}


class SafeHeaders:
    """ASGI middleware: HEADERS on every response."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        await self.app(scope, receive, with_headers if scope["type"] == "http" else send)


class OwnOrigin:
    """ASGI middleware: 403 for a request from another site's page.

    Streamlit refuses its WebSocket too, but first asks a server outside for the address of this machine,
    and answers nobody meanwhile. names: host names of this server, with "*" as in a shell.
    """

    def __init__(self, app: ASGIApp, names: Sequence[str]):
        self.app, self.names = app, [name.lower() for name in names]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asks = scope["type"] in ("http", "websocket")
        origin = Headers(scope=scope).get("origin") if asks else None
        if origin is None or self._is_own(origin):
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("this page is of another site\n", 403)(scope, receive, send)

    def _is_own(self, origin: str) -> bool:
        try:
            host = urlsplit(origin).hostname
        except ValueError:
            return False
        return host is not None and any(fnmatchcase(host, name) for name in self.names)


def middleware() -> list[Middleware]:
    """For `st.App`: the headers, and checks of the Host and Origin headers."""
    names = st.get_option("server.allowedHosts") or ["*"]
    # Starlette writes an IPv6 address in brackets, Streamlit without.
    allowed = [f"[{name}]" if ":" in name else name for name in names]
    return [
        Middleware(SafeHeaders),
        Middleware(OwnOrigin, names=names),
        Middleware(TrustedHostMiddleware, allowed_hosts=allowed, www_redirect=False),
    ]
