"""Ways to damage files: bytes of any format, cells of tables, nodes of JSON, arrays, SQL cells."""

import copy
import gzip
import io
import json
import random
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq

#: Values that programs stumble over, as texts.
ODD_TEXTS = (
    "", " ", "nan", "NaN", "None", "null", "inf", "-inf", "1e999", "-0", "1e-320", "0x10", "1_000",
    "١٢", "1,5", "1.5.2", "TRUE", "=1+1", "@SUM(A1)", "-2+3|cmd", "<script>alert(1)</script>",
    "a\0b", "\ud7ff", "\u202eabc", "\ufeff", "é" * 300, "x" * 70_000, '"', '""', "'", ",", ";", "\t",
    "\n", "\r", "a\nb", "../../etc/passwd", "/", "C:\\x", "2024-13-45", "9" * 400, "A00", "ZZ99",
    "P24", "μM", "1 µM", "10 nM", "-1", "2", "1e308", "0.3333333333333333333333333333", "😀", "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
)  # fmt: skip
#: The same in JSON.
ODD_VALUES = (
    None, True, False, 0, -1, 5, 2**31, 2**63, -(2**70), 1.5, 1e308, "", "x", "\ud800", "a\0b",
    "x" * 10_000, [], {}, [[]], [None], {"": {}}, {"a": 1}, [1, "a", None], [[[[[[]]]]]],
)  # fmt: skip
_NUMBERS = (0, 1, 2, 3, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)


def damage_bytes(data: bytes, chance: random.Random) -> bytes:
    """Flipped, replaced, removed, repeated, cut or inserted bytes, or a number with an odd one."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        if not out:
            return bytes(chance.randbytes(chance.randrange(64)))
        # Headers are at the start, and in some formats at the end.
        where = chance.choice((64, len(out), len(out)))
        place = chance.randrange(min(where, len(out)))
        place = len(out) - 1 - place if chance.random() < 0.2 else place
        length = min(chance.choice((1, 2, 4, 16, 200)), len(out) - place)
        kind = chance.randrange(8)
        if kind == 0:
            out[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            out[place] = chance.randrange(256)
        elif kind == 2:
            del out[place : place + length]
        elif kind == 3:
            out[place:place] = out[place : place + length] * chance.choice((1, 2, 50))
        elif kind == 4:
            del out[place:]
        elif kind == 5:
            out[place:place] = chance.randbytes(length)
        elif kind == 6:
            code = chance.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
            number = chance.choice(_NUMBERS) % (1 << 8 * struct.calcsize(code))
            out[place : place + struct.calcsize(code)] = struct.pack(code, number)
        else:
            other = chance.randrange(len(out))
            out[place : place + length] = out[other : other + length]
    return bytes(out)


def damage_png(data: bytes, chance: random.Random) -> bytes:
    """A PNG with a damaged chunk whose checksum is right again; a third of the time as bytes."""
    if chance.random() < 0.34:
        return damage_bytes(data, chance)
    out, place = data[:8], 8
    chunks = []
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    which = chance.choice((0, chance.randrange(len(chunks))))
    for index, (kind, content) in enumerate(chunks):
        if index == which:
            if kind == b"IDAT" and chance.random() < 0.5:
                content = zlib.compress(damage_bytes(zlib.decompress(content), chance))
            else:
                content = damage_bytes(content, chance)
        out += len(content).to_bytes(4, "big") + kind + content
        out += zlib.crc32(kind + content).to_bytes(4, "big")
    return out


def damage_packed(data: bytes, chance: random.Random, damage=damage_bytes) -> bytes:
    """A gzip file with damaged content; a third of the time damaged as bytes, or much longer."""
    kind = chance.randrange(12)
    if kind < 4:
        return damage_bytes(data, chance)
    content = gzip.decompress(data)
    if kind == 4:
        return gzip.compress(content + chance.choice((b"\0", b"1,", b"\n")) * (50 << 20), 1)
    return gzip.compress(damage(content, chance))


def damage_text_table(data: bytes, chance: random.Random) -> bytes:
    """A text table with odd cells, names or separators; now and then damaged as bytes."""
    if chance.random() < 0.25:
        return damage_bytes(data, chance)
    separator = chance.choice((",", ",", ",", ";", "\t"))
    rows = [line.split(",") for line in data.decode().splitlines()]
    for _ in range(chance.choice((1, 1, 2, 5))):
        row = 0 if chance.random() < 0.3 else chance.randrange(len(rows))
        column = chance.randrange(len(rows[row]))
        kind = chance.randrange(8)
        if kind <= 3:
            rows[row][column] = chance.choice(ODD_TEXTS)
        elif kind == 4:
            odd = chance.choice(ODD_TEXTS)
            for cells in rows[1:]:
                cells[min(column, len(cells) - 1)] = odd
        elif kind == 5:
            for cells in rows:
                del cells[min(column, len(cells) - 1)]
                cells += [""] * (not cells)
        elif kind == 6:
            rows[row] = rows[chance.randrange(len(rows))][:]
        else:
            other = chance.randrange(len(rows[0]))
            for cells in rows:
                cells[min(column, len(cells) - 1)] = cells[min(other, len(cells) - 1)]
    quoted = chance.random() < 0.5
    text = "\n".join(
        separator.join(f'"{cell}"' if quoted and '"' not in cell else cell for cell in cells)
        for cells in rows
    )
    return text.encode(chance.choice(("utf-8",) * 8 + ("utf-16", "latin-1")), "replace")


def damage_json(data: bytes, chance: random.Random) -> bytes:
    """JSON with odd values, lost or renamed keys; now and then damaged as bytes."""
    if chance.random() < 0.2:
        return damage_bytes(data, chance)
    try:
        value = json.loads(data)
    except ValueError:  # damaged before
        return damage_bytes(data, chance)
    for _ in range(chance.choice((1, 1, 1, 3))):
        value = _damage_node(value, chance)
    return json.dumps(value).encode()


def _damage_node(value, chance: random.Random):
    if isinstance(value, dict | list) and value and chance.random() < 0.8:
        key = chance.choice(list(value) if isinstance(value, dict) else range(len(value)))
        if isinstance(value, dict) and chance.random() < 0.15:
            inner = value.pop(key)
            if chance.random() < 0.5:
                value[str(chance.choice(ODD_VALUES))] = inner
        else:
            value[key] = _damage_node(value[key], chance)
        return value
    return copy.deepcopy(chance.choice(ODD_VALUES))


def damage_parquet(data: bytes, chance: random.Random) -> bytes:
    """A Parquet table with odd types, names, values or metadata; half the time damaged as bytes."""
    if chance.random() < 0.5:
        return damage_bytes(data, chance)
    return _damage_table(data, chance, pq.read_table, pq.write_table)


def damage_feather(data: bytes, chance: random.Random) -> bytes:
    """The same of a Feather file."""
    if chance.random() < 0.5:
        return damage_bytes(data, chance)
    return _damage_table(data, chance, feather.read_table, feather.write_feather)


def _damage_table(
    data: bytes, chance: random.Random, read: Callable[..., pa.Table], write: Callable[..., None]
) -> bytes:
    out = io.BytesIO()
    write(_damage_columns(read(io.BytesIO(data)), chance), out)
    return out.getvalue()


def _damage_columns(table: pa.Table, chance: random.Random) -> pa.Table:
    for _ in range(chance.choice((1, 1, 2))):
        if not table.num_columns:
            break
        table = _damage_column(table, chance)
    return table


def _damage_column(table: pa.Table, chance: random.Random) -> pa.Table:
    index, rows = chance.randrange(table.num_columns), table.num_rows
    name = table.column_names[index]
    kind = chance.randrange(7)
    if kind == 0:
        return table.drop_columns([name]) if table.column_names.count(name) == 1 else table
    if kind == 1:
        names = list(table.column_names)
        names[index] = chance.choice((*ODD_TEXTS[:20], *names))
        return table.rename_columns(names)
    if kind == 2:
        return table.slice(0, chance.choice((0, 1, max(rows - 1, 0))))
    if kind == 3:
        metadata = dict(table.schema.metadata or {})
        for key in list(metadata) or [b"pandas"]:
            metadata[key] = chance.choice((damage_json, damage_bytes))(
                metadata.get(key) or b"{}", chance
            )
        return table.replace_schema_metadata(metadata)
    return table.set_column(index, name, chance.choice(_ODD_COLUMNS)(rows, chance))


_ODD_COLUMNS = (
    lambda n, chance: pa.nulls(n),
    lambda n, chance: pa.array([[1]] * n),
    lambda n, chance: pa.array([{"a": 1}] * n, pa.struct([("a", pa.int64())])),
    lambda n, chance: pa.array([b"\xff\xfe"] * n),
    lambda n, chance: pa.array([None, *[1.5] * n][:n]),
    lambda n, chance: pa.array([True] * n),
    lambda n, chance: pa.array([2**62] * n),
    lambda n, chance: pa.array([float("nan")] * n),
    lambda n, chance: pa.array([float("inf")] * n),
    lambda n, chance: pa.array([0] * n, pa.timestamp("us")),
    lambda n, chance: pa.array([0] * n, pa.date32()),
    lambda n, chance: pa.array([1] * n, pa.decimal128(10, 2)),
    lambda n, chance: pa.array(["x"] * n).dictionary_encode(),
    lambda n, chance: pa.array([chance.choice(ODD_TEXTS) for _ in range(n)]),
    lambda n, chance: pa.array([chance.choice(_NUMBERS) for _ in range(n)], pa.uint64()),
    lambda n, chance: pa.array([0] * n, pa.duration("s")),
)


def damage_array(data: bytes, chance: random.Random) -> bytes:
    """An .npy file with another header, type or values; half the time damaged as bytes."""
    kind = chance.randrange(8)
    if kind < 4:
        return damage_bytes(data, chance)
    if kind == 4:  # the header's text
        length = struct.unpack("<H", data[8:10])[0]
        head = data[10 : 10 + length].decode("latin-1")
        for old, new in (
            ("'fortran_order': False", "'fortran_order': True"),
            ("'descr': '", f"'descr': '{chance.choice(('|O', '<U', '|V', '<M8[s]', '>f8', ''))}"),
            ("(", chance.choice(("(-1, ", "(0, ", "(4294967296, ", "(((((", "(2, 2, 2, 2, "))),
            ("}", chance.choice(("}}", ", 'x': 1}", "", "[" * 200))),
        ):
            head = head.replace(old, new, 1) if chance.random() < 0.4 else head
        return (
            data[:8] + struct.pack("<H", len(head)) + head.encode("latin-1") + data[10 + length :]
        )
    if kind == 5:
        return b"PK\3\4" + data[4:]
    array = np.load(io.BytesIO(data), allow_pickle=False)
    out = io.BytesIO()
    np.save(out, _odd_array(array, chance), allow_pickle=True)
    return out.getvalue()


def _odd_array(array: np.ndarray, chance: random.Random) -> np.ndarray:
    try:
        return chance.choice(_ODD_ARRAYS)(array, chance)
    except (IndexError, TypeError, ValueError):  # not for this shape or type
        return np.array(["a", "b"])


_ODD_ARRAYS = (
    lambda a, chance: a.reshape(-1),
    lambda a, chance: a[None],
    lambda a, chance: a[:0],
    lambda a, chance: a[1:],
    lambda a, chance: a.T,
    lambda a, chance: np.array(5),
    lambda a, chance: a.astype(object),
    lambda a, chance: a.astype("U5"),
    lambda a, chance: a.astype(complex),
    lambda a, chance: np.full(a.shape, "2020-01-01", "M8[D]"),
    lambda a, chance: np.zeros(a.shape, [("x", "f4")]),
    lambda a, chance: (a.astype(float) * 1e300).astype(float),
    lambda a, chance: np.full(a.shape, np.nan),
    lambda a, chance: np.full(a.shape, -1),
    lambda a, chance: np.full(a.shape, 2**62),
    lambda a, chance: a.astype(">f8"),
    lambda a, chance: a.astype(bool),
)


def damage_arrays(data: bytes, chance: random.Random) -> bytes:
    """An .npz file with one odd, lost or renamed array; half the time damaged as bytes."""
    if chance.random() < 0.5:
        return damage_bytes(data, chance)
    with np.load(io.BytesIO(data), allow_pickle=False) as loaded:
        arrays = dict(loaded)
    name = chance.choice(list(arrays))
    if chance.random() < 0.2:
        array = arrays.pop(name)
        arrays |= (
            {chance.choice(("x", "", "../x", "images")): array} if chance.random() < 0.5 else {}
        )
    else:
        arrays[name] = _odd_array(arrays[name], chance)
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


_BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">%s]>""" % b"".join(
    b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)
)
_ODD_XML = (
    b"<x/>", b"</x>", b"<", b"&j;", b"&nothing;", b"&#0;", b"\xff", b"<![CDATA[", b"<!--", b"9" * 400,
    b"-1", b"4294967296", b"1048577", b"ZZZ9999999", b"<a>" * 3000, b'="', b"../../x", b"inf", b"",
)  # fmt: skip


def damage_xml(data: bytes, chance: random.Random) -> bytes:
    """XML with odd values, lost or repeated elements, or an entity that grows without end."""
    if chance.random() < 0.3:
        return damage_bytes(data, chance)
    marks = [i for i, byte in enumerate(data) if byte in b'<>"']
    out = data
    for _ in range(chance.choice((1, 1, 3))):
        first, last = sorted(chance.choices(marks, k=2))
        if chance.random() < 0.7:  # what is between two neighbouring marks
            place = chance.randrange(len(marks) - 1)
            first, last = marks[place] + 1, marks[place + 1]
        more = chance.choice((*_ODD_XML, data[first:last] * 2))
        out = out[: min(first, len(out))] + more + out[min(last, len(out)) :]
    if chance.random() < 0.1:
        at = out.find(b"?>") + 2 if out.startswith(b"<?xml") else 0
        out = out[:at] + _BOMB + out[at:]
    return out


def damage_workbook(data: bytes, chance: random.Random) -> bytes:
    """An .xlsx with a damaged, lost or renamed part; a third of the time damaged as bytes."""
    if chance.random() < 0.34:
        return damage_bytes(data, chance)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    names = list(parts)
    sheets = [name for name in names if "sheet" in name or "haredStrings" in name]
    name = chance.choice(sheets if chance.random() < 0.6 else names)
    part = parts.pop(name)
    kind = chance.randrange(8)
    if kind > 1:
        parts[name] = damage_xml(part, chance)
    elif kind == 1:
        parts[chance.choice(("x.xml", "../x.xml", *names))] = part
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, content in parts.items():
            archive.writestr(key, content)
    return out.getvalue()


def damage_database(data: bytes, chance: random.Random, scratch: Path) -> bytes:
    """A review log with odd cells, lost rows or tables; a third of the time damaged as bytes."""
    if chance.random() < 0.34:
        return damage_bytes(data, chance)
    scratch.write_bytes(data)
    connection = sqlite3.connect(scratch)
    try:
        connection.execute("PRAGMA writable_schema = ON")
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for _ in range(chance.choice((1, 1, 3))):
            table = chance.choice(("actions", "events"))
            column = chance.choice(
                [r[1] for r in connection.execute(f"PRAGMA table_info({table})")]
            )
            value = chance.choice((None, 5, -1, 2**62, 1.5, b"\xff\xfe\0", *ODD_TEXTS))
            key = "action_id"
            few = chance.choice(("", f" WHERE {key} = (SELECT max({key}) FROM {table})"))
            statement = chance.choice(
                (f"UPDATE OR IGNORE {table} SET {column} = ?{few}",) * 6
                + (f"DELETE FROM {table} WHERE ? IS NOT 7",)
            )
            try:
                connection.execute(statement, (value,))
            except (sqlite3.Error, OverflowError):
                continue
        if chance.random() < 0.1:
            connection.execute(f"DROP TABLE {chance.choice(('actions', 'events'))}")
        connection.execute(f"PRAGMA user_version = {chance.choice((1,) * 9 + (0, 2, -1))}")
        connection.commit()
    except sqlite3.Error:
        pass
    finally:
        connection.close()
    return scratch.read_bytes()
