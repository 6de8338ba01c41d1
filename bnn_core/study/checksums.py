"""A checksum for every file of a study, kept in study.json: is each file as it was written?

A checksum is BLAKE2b with 16 bytes (RFC 7693), in hexadecimal. study.json holds its own too, over
its text with zeros in the place of the digits.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bnn_core.base.files import write_bytes

STUDY_FILE = "study.json"
#: Key of study.json: file name (relative, with "/") -> checksum.
CHECKSUMS = "checksums"
#: The app compares files up to so many bytes whenever it first reads one; longer ones by size only.
SMALL = 16 << 20
_BYTES = 16
_ZEROS = "0" * 2 * _BYTES
_ITSELF = re.compile(rb'"study\.json": "([0-9a-f]{%d})"' % (2 * _BYTES))


def of_bytes(data: bytes) -> str:
    """Checksum of a file's content."""
    return hashlib.blake2b(data, digest_size=_BYTES).hexdigest()


def of_file(path: Path) -> str:
    """Checksum of a file of any length. Raises OSError where it cannot be read."""
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file,
            lambda: hashlib.blake2b(digest_size=_BYTES),  # type: ignore[arg-type]
        ).hexdigest()


def of_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Name -> checksum of files of a folder."""
    names = list(names)
    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(of_file, (folder / name for name in names)), strict=True))


def write_description(folder: Path, meta: Mapping[str, Any]) -> None:
    """Write study.json with the checksum of its own text beside those in `meta[CHECKSUMS]`."""
    meta = {key: value for key, value in meta.items() if key != CHECKSUMS} | {
        CHECKSUMS: dict(meta[CHECKSUMS]) | {STUDY_FILE: _ZEROS}
    }
    text = json.dumps(meta, indent=1, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    start = text.rindex(_ZEROS.encode())
    digits = of_bytes(text).encode()
    write_bytes(folder / STUDY_FILE, text[:start] + digits + text[start + len(digits) :])


def description_problem(text: bytes, meta: Mapping[str, Any]) -> str | None:
    """Why the text of study.json is not as it was written, or None.

    None too for a study that was made before there were checksums.
    """
    matches = list(_ITSELF.finditer(text))
    if not matches and not meta[CHECKSUMS]:
        return None
    if matches and meta[CHECKSUMS]:
        start, end = matches[-1].span(1)
        if of_bytes(text[:start] + _ZEROS.encode() + text[end:]) == matches[-1][1].decode():
            return None
    return "study.json was changed since it was written"
