"""Tables computed from a large study once and kept in its folder, so that pages open quickly.

`derived/<name>.arrow` is an Arrow file that is mapped, not read: numbers and texts stay on disk until
a page looks at them, and all processes share them. Its metadata hold a key made of the checksums of
the tables it comes from, and its last bytes are a checksum of all others. A file with another key, or
a damaged one, is made again, by one process at a time. Where a study may not be written
(`roots.read_only`, a folder of somebody else's) they are kept in the folder $BNN_DERIVED, which a
server sets to one that ends with it.

Making one takes the interpreter for seconds, in which no other session of a server is answered. So a
server sets `elsewhere`, and another process makes it.
"""

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.ipc
from xxhash import xxh3_64_digest

import bnn_core
from bnn_core.base.digests import short_digest
from bnn_core.base.errors import InputError
from bnn_core.base.files import alone, atomic_path
from bnn_core.base.roots import DERIVED, read_only, readable

DERIVED_FOLDER, SUFFIX = "derived", ".arrow"
#: Tables of smaller studies are computed at once: most are not kept.
LARGE = 50_000
#: So many seconds a process waits for another one that makes the same table.
PATIENCE = 600.0
#: To be raised when a kept table changes its meaning.
VERSION = 4
_KEY = b"bnn"
_CHECKSUM_BYTES = 8
_writing = threading.Lock()
#: Makes the table of a study that some words describe, in another process; None: none is asked.
elsewhere: Callable[[Path, Sequence[str]], None] | None = None
#: Path of a table -> lock of who makes it.
_making: dict[Path, threading.RLock] = {}


def kept(
    study: Path,
    meta: Mapping[str, Any],
    name: str,
    sources: Sequence[str],
    make: Callable[[], pd.DataFrame],
    words: Sequence[str] = (),
    always: bool = False,
) -> pd.DataFrame:
    """`make()`, kept in the folder of a large study until one of its files `sources` changes.

    name: of the table, a file name without suffix. The table has a RangeIndex and plain columns.
    Where no folder can be written, the table is made every time. words: what `elsewhere` is told to
    make; () where it is always made here. always: of a small study too.
    """
    known = [meta["checksums"].get(source) for source in sources]
    if (meta["rows"] < LARGE and not always) or None in known:
        return make()
    folders, writable = _folders(study)
    paths = [folder / f"{name}{SUFFIX}" for folder in folders]
    key = json.dumps([VERSION, bnn_core.__version__, pd.__version__, known]).encode()
    with _making.setdefault(paths[0], threading.RLock()):
        table = _first(paths, key)
        if table is None and elsewhere and words and writable:
            elsewhere(study, words)
            table = _first(paths, key)
        if table is None:
            table = _made(paths[-1], key, make) if writable else make()
    return table


def _made(path: Path, key: bytes, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """`make()`, kept at `path`, or what another process kept there meanwhile."""
    with ExitStack() as held:
        # A folder that cannot be written, or another maker that hangs: the table is made all the same.
        with suppress(OSError, InputError):
            path.parent.mkdir(exist_ok=True)  # not its parents: the study may have been deleted
            lock = readable(path).with_suffix(".lock")
            held.enter_context(alone(lock, "", patience=PATIENCE))
        if (table := _mapped(path, key)) is None:
            table = make()
            with suppress(OSError, InputError, pa.ArrowException):
                if path.parent.is_dir():
                    _write(path, table, key)
    return table


def _folders(study: Path) -> tuple[list[Path], bool]:
    """Where the tables of a study may be, and whether the last of these folders may be written."""
    own = study / DERIVED_FOLDER
    if not read_only() and os.access(own if own.is_dir() else study, os.W_OK):
        return [own], True
    if spare := os.environ.get(DERIVED):
        with suppress(OSError):
            os.makedirs(spare, exist_ok=True)
        return [own, Path(spare) / short_digest(os.fsencode(os.path.abspath(study)))], True
    return [own], False


def _first(paths: Sequence[Path], key: bytes) -> pd.DataFrame | None:
    """The table of the first of the files that has this key, else None."""
    return next((table for path in paths if (table := _mapped(path, key)) is not None), None)


def forget(study: Path) -> None:
    """Remove all kept tables of a study; they are made again when a page needs them."""
    for path in (study / DERIVED_FOLDER).glob(f"*{SUFFIX}"):
        with suppress(OSError):
            path.unlink()


def _mapped(path: Path, key: bytes) -> pd.DataFrame | None:
    """The table of a file with this key, else None."""
    with suppress(OSError, InputError, ValueError, pa.ArrowException):
        with pa.memory_map(str(readable(path))) as file:
            whole = file.read_buffer()
        content = whole.slice(0, max(0, whole.size - _CHECKSUM_BYTES))
        if whole[len(content) :].to_pybytes() != xxh3_64_digest(content):
            return None
        reader = pa.ipc.open_file(pa.BufferReader(content))
        if (reader.schema.metadata or {}).get(_KEY) == key:
            return reader.read_all().to_pandas(split_blocks=True)
    return None


def _write(path: Path, table: pd.DataFrame, key: bytes) -> None:
    readable(path)  # no link leads out of the folders of a server
    schema = pa.Schema.from_pandas(table, preserve_index=False)
    # Not from_pandas: it makes nan a missing value, and columns with those are copied when read.
    arrays = [
        pa.array(column.to_numpy(), field.type, from_pandas=False)
        if column.dtype.kind == "f"
        else pa.array(column, field.type, from_pandas=True)
        for (_, column), field in zip(table.items(), schema, strict=True)
    ]
    whole = pa.Table.from_arrays(arrays, schema=schema).combine_chunks()
    whole = whole.replace_schema_metadata({**schema.metadata, _KEY: key})
    with _writing, atomic_path(path) as temporary:
        with pa.ipc.new_file(temporary, whole.schema) as file:
            file.write_table(whole, max_chunksize=max(len(table), 1))
        with pa.memory_map(str(temporary)) as written:
            checksum = xxh3_64_digest(written.read_buffer())
        with open(temporary, "ab") as file:
            file.write(checksum)
