"""Fetching one large file over HTTP; an incomplete file is never used.

Interrupted transfers continue where they stopped (Range), also in later runs. Servers that stall, cut
short, ignore Range, change the file in between or announce a wrong length are met in practice.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bnn_core
from bnn_core.base.errors import InputError
from bnn_core.base.files import alone, unwritable, write_json
from bnn_core.base.roots import demand_making

_CHUNK = 1 << 18
_LONGEST_PAUSE = 30.0
#: Answers that will not change by asking again.
_FINAL_STATUS = {400, 401, 403, 404, 405, 410, 451, 501}


class NotThereError(InputError):
    """The server has no such file."""


class StoppedError(Exception):
    """The caller's `stop` asked to end the transfer; what arrived is kept for the next run."""


@dataclass
class _State:
    """What is known of a partial file: the version it belongs to and its full length."""

    validator: str | None = None
    total: int | None = None


def download(
    url: str,
    target: Path,
    *,
    check: Callable[[Path], None] | None = None,
    progress: Callable[[int], None] = lambda count: None,
    stop: Callable[[], bool] = lambda: False,
    timeout: float = 30.0,
    attempts: int = 6,
    pause: float = 1.0,
) -> Path:
    """Fetch `url` into `target`; a partial file `<target>.part` is continued.

    check: raises when the finished file is not sound (a zip's integrity); the file is then fetched
    once more from the start. progress: called with the change in bytes at hand, negative when they are
    thrown away. timeout: seconds without a byte after which the connection is given up. attempts:
    tries in a row that bring nothing new before it is an error, with growing pauses between them.

    Raises NotThereError when the server has no such file, InputError when it cannot be had whole or
    written, or not over https (`demand_secure`), StoppedError on `stop`.
    """
    demand_secure(url)
    demand_making()
    target = Path(target)
    part = _part(target)
    lock = part.with_name(part.name + ".lock")
    with _writable(target), alone(lock, f"{part} is being fetched by another run; wait for it"):
        for last in (False, True):
            _fetch(url, part, progress, stop, timeout, attempts, pause)
            try:
                if check is not None:
                    check(part)
                break
            except Exception as error:
                progress(-part.stat().st_size)
                _forget(part)
                if last:
                    raise InputError(
                        f"{url} arrived damaged twice ({error}); try later or from another mirror"
                    ) from error
        os.replace(part, target)
        _notes(part).unlink(missing_ok=True)
    return target


def demand_secure(url: str) -> None:
    """InputError for an address that is not https; http is accepted from this machine only."""
    try:
        parts = urllib.parse.urlsplit(url)
        local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
        secure = bool(parts.hostname) and (parts.scheme == "https" or local)
    except ValueError:
        secure = False
    if not secure:
        raise InputError(
            f"{url} is no https:// address: what comes over plain http may be changed on its way; "
            "name a mirror that has https"
        )


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server's redirect only to addresses that `demand_secure` accepts."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str):
        demand_secure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_SecureRedirects)


def remote_size(url: str, timeout: float = 30.0) -> int | None:
    """What the server says is the length of a file, for a progress bar; None when it does not."""
    try:
        with _OPENER.open(_request(url, method="HEAD"), timeout=timeout) as answer:
            return int(answer.headers["Content-Length"])
    except (OSError, http.client.HTTPException, TypeError, ValueError, InputError):
        return None


def demand_network(url: str, seconds: float = 4.0) -> None:
    """InputError where the host of `url` cannot be reached at all.

    A host that only answers slowly passes, with a line on the error output.
    """
    host = urllib.parse.urlsplit(url).hostname
    try:
        urllib.request.urlopen(_request(url, method="HEAD"), timeout=seconds).close()
    except urllib.error.HTTPError:
        return
    except (OSError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", error), TimeoutError):
            print(f"No answer from {host} yet. Trying again.", file=sys.stderr)
            return
        raise InputError(
            f"no connection to {host}: check the network, or the proxy in $https_proxy"
        ) from error


def _fetch(
    url: str,
    part: Path,
    progress: Callable[[int], None],
    stop: Callable[[], bool],
    timeout: float,
    attempts: int,
    pause: float,
) -> None:
    """Bring `part` to its full length, in as many requests as it takes."""
    furthest = _size(part)
    progress(furthest)
    failures = 0
    reason = ""
    while failures < attempts:
        if failures and not _wait(min(_LONGEST_PAUSE, pause * 2 ** (failures - 1)), stop):
            raise StoppedError
        try:
            if _one_request(url, part, progress, stop, timeout):
                return
            reason = "the connection ended early"
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code in _FINAL_STATUS:
                raise NotThereError(f"{url}: {reason}") from error
        except (OSError, http.client.HTTPException) as error:
            if getattr(error, "filename", None) is not None:
                raise  # the disk, not the network
            cause = getattr(error, "reason", error)
            # Without "[Errno -3]".
            reason = getattr(cause, "strerror", None) or str(cause) or type(error).__name__
        failures = 0 if _size(part) > furthest else failures + 1
        furthest = max(furthest, _size(part))
    raise InputError(
        f"{url}: {attempts} attempts in a row received no new data ({reason}); "
        f"{_size(part):,} bytes are kept, run the same command again to continue"
    )


def _one_request(
    url: str, part: Path, progress: Callable[[int], None], stop: Callable[[], bool], timeout: float
) -> bool:
    """Ask once, for the rest where something is at hand. True when the file is whole."""
    state = _read_state(part)
    have = _size(part)
    headers = {}
    if have and state.validator:
        headers = {"Range": f"bytes={have}-", "If-Range": state.validator}
    elif have:
        # Nothing tells whether the server's file is still the same.
        _throw_away(part, progress)
        have = 0
    try:
        answer = _OPENER.open(_request(url, headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            # Nothing lies beyond what is at hand: whole, or a file that has become shorter.
            whole = _range_total(error.headers) == have
            if not whole:
                _throw_away(part, progress)
            return whole
        raise
    with answer:
        start, total = _announced(answer)
        if start and total is None:
            total = state.total
        if have and (start != have or (state.total and total != state.total)):
            _throw_away(part, progress)
            if start:
                return False
        write_json(_notes(part), {"validator": _validator(answer.headers), "total": total})
        with open(part, "ab", buffering=0) as file:
            while data := answer.read1(_CHUNK):
                _append(file, data)
                progress(len(data))
                if stop():
                    raise StoppedError
    return total is None or _size(part) == total


def _append(file: Any, data: bytes) -> None:
    try:
        file.write(data)
    except OSError as error:
        error.filename = file.name
        raise


def _announced(answer: Any) -> tuple[int, int | None]:
    """First byte of the answer's body and the file's full length (None if unknown)."""
    length = answer.headers.get("Content-Length")
    if answer.status != 206:
        return 0, int(length) if length and length.isdigit() else None
    given = answer.headers.get("Content-Range", "")
    first = given.removeprefix("bytes ").split("-")[0]
    return int(first) if first.isdigit() else -1, _range_total(answer.headers)


def _range_total(headers: Any) -> int | None:
    total = (headers.get("Content-Range") or "").rpartition("/")[2]
    return int(total) if total.isdigit() else None


def _validator(headers: Any) -> str | None:
    """What If-Range may hold: a strong ETag, else the date of the last change."""
    tag = headers.get("ETag")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _request(
    url: str, headers: dict[str, str] | None = None, method: str = "GET"
) -> urllib.request.Request:
    agent = {"User-Agent": f"bnn-cell-images/{bnn_core.__version__}", "Accept-Encoding": "identity"}
    return urllib.request.Request(url, headers=agent | (headers or {}), method=method)


def _wait(seconds: float, stop: Callable[[], bool]) -> bool:
    """Sleep; False as soon as `stop` says so."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if stop():
            return False
        time.sleep(min(0.2, left))
    return not stop()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_state(part: Path) -> _State:
    try:
        return _State(**json.loads(_notes(part).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return _State()


def _throw_away(part: Path, progress: Callable[[int], None]) -> None:
    progress(-_size(part))
    _forget(part)


def _forget(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    """Turn trouble with the disk into one line."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        known = _read_state(_part(target)).total
        size = None if known is None else lambda: known
        raise unwritable(error, target, "choose another folder with --data", size=size) from error
