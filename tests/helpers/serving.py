"""A local web server that misbehaves on demand, for the tests of downloading."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """Files by path, how each misbehaves, and what was asked.

    faults[path]: a list of faults, used up one per GET; a trailing "..." repeats the one before.
    Faults: "ok", "stall" (half, then silence), "cut" (half, then closed), "trickle 7" (7 bytes,
    then closed), "no range" (the whole file whatever was asked), "short length", "long length"
    (announces another length than it has), "wrong start" (206 from the first byte), "503", "404",
    "redirect URL", "html" (a login page), "no length".
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    etags: dict[str, str | None] = field(default_factory=dict)
    #: Last-Modified by path.
    changed: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    #: If-Range of every request.
    conditions: list[str | None] = field(default_factory=list)
    url: str = ""
    stall_seconds: float = 1.0

    def next_fault(self, path: str) -> str:
        left = self.faults.get(path, [])
        if not left:
            return "ok"
        if len(left) > 1 and left[1] == "...":
            return left[0]
        return left.pop(0)


@contextmanager
def serve(site: Site) -> Iterator[Site]:
    """Serve on a free port of this machine until the block ends; fills in `site.url`."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            asked = self.headers.get("Range")
            site.requests.append((self.command, self.path, asked))
            fault = site.next_fault(self.path) if body else "ok"
            if self.path not in site.files or fault == "404":
                return self.refuse(404)
            if fault.startswith("redirect "):
                return self.refuse(302, location=fault.split()[1])
            if fault == "503":
                return self.refuse(503)
            if fault == "html":
                return self.send(200, b"<html>please log in</html>", body, fault)
            data, tag = site.files[self.path], site.etags.get(self.path, '"v1"')
            start = 0
            condition = self.headers.get("If-Range")
            site.conditions.append(condition)
            # A weak tag never matches (RFC 9110, 13.1.5).
            strong = tag if not (tag or "").startswith("W/") else object()
            unchanged = condition in (None, strong, site.changed.get(self.path, object()))
            if asked and unchanged and fault != "no range":
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                if start >= len(data):
                    return self.refuse(416, f"bytes */{len(data)}")
                if fault == "wrong start":
                    start = 0
                span = f"bytes {start}-{len(data) - 1}/{len(data)}"
                return self.send(206, data[start:], body, fault, tag, span)
            return self.send(200, data, body, fault, tag)

        def refuse(self, status, span=None, location=None):
            self.send_response(status)
            if location:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            if span:
                self.send_header("Content-Range", span)
            self.end_headers()

        def send(self, status, data, body, fault, tag=None, span=None):
            length = {"short length": len(data) // 2, "long length": len(data) + 1000}.get(
                fault, len(data)
            )
            self.send_response(status)
            if fault == "no length":
                self.close_connection = True
            else:
                self.send_header("Content-Length", str(length))
            if tag:
                self.send_header("ETag", tag)
            if self.path in site.changed:
                self.send_header("Last-Modified", site.changed[self.path])
            if span:
                self.send_header("Content-Range", span)
            self.end_headers()
            if not body:
                return
            word, _, count = fault.partition(" ")
            stop = {
                "stall": len(data) // 2,
                "cut": len(data) // 2,
                "trickle": int(count) if count.isdigit() else 0,
                "short": length,
            }.get(word, len(data))
            self.wfile.write(data[:stop])
            self.wfile.flush()
            if word == "stall":
                time.sleep(site.stall_seconds)
            if word in ("stall", "cut", "trickle", "short", "long"):
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
