"""The form of a row that verification compares: the same for equal rows, whatever file and column types they are in.

It is made of Arrow's values, so a row to be written and one that was read go the same way. Columns are named, so their
order does not matter; null is left out, so a column that came later does not matter; whole numbers and decimals are
their digits, floats those of 64 bits, so widening (`evolution`) does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from headwater.worker.api import digest

from .kinds import decimal_text

_AT_ONCE: Final = 256 * 1024 * 1024
"""Bytes of rows whose forms are made in one go: their offsets have 32 bits."""
_PLAIN_SCALE: Final = 6
"""Up to this scale Arrow writes decimals without an exponent."""
_EMPTY: Final = pa.scalar(b"", pa.binary())
_COLON: Final = pa.scalar(b":", pa.binary())


def row_digests(batch: pa.RecordBatch, leave_out: Collection[str] = ()) -> list[int]:
    """128 bits for each row, of all columns but those of `leave_out`."""
    columns = sorted((name, i) for i, name in enumerate(batch.schema.names) if name not in leave_out)
    found: list[int] = []
    for part in _pieces(batch):
        pieces = [_named(name, part.column(i)) for name, i in columns if part.column(i).null_count < part.num_rows]
        if pieces:
            found += map(digest, pc.binary_join_element_wise(*pieces, _EMPTY).to_pylist())
        else:
            found += [digest(b"")] * part.num_rows
    return found


def key_texts(batch: pa.RecordBatch, names: Sequence[str]) -> list[bytes]:
    """The canonical key of each row, readable: `id=5`, `id=5,region="eu"`; the names in their order."""
    columns = [[f"{name}={text}" for text in _shown(batch.column(name))] for name in sorted(names)]
    return [",".join(parts).encode() for parts in zip(*columns, strict=True)]


def show_row(batch: pa.RecordBatch, index: int) -> str:
    """For people: `id=5, name="x"`, without what is null."""
    row = batch.slice(index, 1)
    parts = [(name, _readable(row.column(i))) for i, name in enumerate(row.schema.names)]
    return ", ".join(f"{name}={text}" for name, text in parts if text != "null")


def text_form(array: Any) -> Any:
    """The values of an array of numbers, texts, times or booleans as an array of strings, each in its one form."""
    kind = array.type
    if pa.types.is_string(kind):
        return array
    if pa.types.is_decimal(kind):
        return _decimals(array)
    if pa.types.is_float32(kind):
        array = array.cast(pa.float64())
    elif pa.types.is_date32(kind):
        array = array.view(pa.int32())
    elif pa.types.is_timestamp(kind) or pa.types.is_time64(kind) or pa.types.is_duration(kind):
        array = array.view(pa.int64())
    return array.cast(pa.string())


def _decimals(array: Any) -> Any:
    """Digits without zeros at the end: 1.50 is 1.5."""
    if array.type.scale == 0:
        return pa.array([None if v is None else decimal_text(v) for v in array.to_pylist()], pa.string())
    if array.type.scale > _PLAIN_SCALE:
        texts = [None if v is None else decimal_text(v) for v in array.to_pylist()]
        array = pa.array(texts, pa.string())
    else:
        array = array.cast(pa.string())
    return pc.utf8_rtrim(pc.utf8_rtrim(array, "0"), ".")


def _pieces(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.nbytes <= _AT_ONCE or batch.num_rows < 2:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _pieces(batch.slice(0, half))
    yield from _pieces(batch.slice(half))


def _named(name: str, array: Any) -> Any:
    """`<length of the name>:<name><length of the form>:<form>`; empty for null."""
    data = name.encode()
    head = pa.scalar(b"%d:%b" % (len(data), data), pa.binary())
    form = _form(array)
    length = pc.binary_length(form).cast(pa.string()).cast(pa.binary())
    return pc.coalesce(pc.binary_join_element_wise(head, length, _COLON, form, _EMPTY), _EMPTY)


def _form(array: Any) -> Any:
    """An array of bytes, null where `array` is."""
    kind = array.type
    if pa.types.is_binary(kind):
        return array
    if pa.types.is_nested(kind):
        return pa.array(_nested(array), pa.binary())
    return text_form(array).cast(pa.binary())


def _nested(array: Any) -> list[bytes | None]:
    if pa.types.is_struct(array.type):
        return _structs(array)
    if pa.types.is_map(array.type):
        keys, items = _form(array.keys).to_pylist(), _form(array.items).to_pylist()
        return _spans(array, lambda start, end: _map_form(keys[start:end], items[start:end]))
    items = _form(array.values).to_pylist()
    return _spans(array, lambda start, end: b"[" + b"".join(map(_sized, items[start:end])) + b"]")


def _spans(array: Any, form: Callable[[int, int], bytes]) -> list[bytes | None]:
    """`array.values` and `keys` are those of the whole buffer: offsets are absolute."""
    ends = array.offsets.to_pylist()
    valid = array.is_valid().to_pylist()
    return [form(ends[i], ends[i + 1]) if valid[i] else None for i in range(len(array))]


def _structs(array: Any) -> list[bytes | None]:
    parts = []
    for name, i in sorted((array.type.field(i).name, i) for i in range(array.type.num_fields)):
        parts.append(_named(name, pc.struct_field(array, i)).to_pylist())
    valid = array.is_valid().to_pylist()
    return [b"{" + b"".join(row) + b"}" if ok else None for ok, *row in zip(valid, *parts, strict=True)]


def _map_form(keys: list[bytes], items: list[bytes | None]) -> bytes:
    pairs = sorted(zip(keys, items, strict=True), key=lambda pair: pair[0])
    return b"<" + b"".join(_sized(part) for pair in pairs for part in pair) + b">"


def _sized(form: bytes | None) -> bytes:
    return b"-" if form is None else b"%d:%b" % (len(form), form)


def _shown(array: Any) -> list[str]:
    kind = array.type
    if pa.types.is_string(kind):
        return ["null" if v is None else json.dumps(v, ensure_ascii=False) for v in array.to_pylist()]
    if pa.types.is_binary(kind):
        return ["null" if v is None else "\\x" + v.hex() for v in array.to_pylist()]
    if pa.types.is_nested(kind):
        return ["null" if v is None else v.decode(errors="backslashreplace") for v in _nested(array)]
    return ["null" if v is None else v for v in text_form(array).to_pylist()]


def _readable(array: Any) -> str:
    """Of one value. Dates as dates, as far as Python's own types reach."""
    if pa.types.is_time64(array.type) or array.type == pa.timestamp("ns"):
        return _shown(array)[0]
    try:
        value = array[0].as_py()
    except (ValueError, OverflowError):
        return _shown(array)[0]
    if value is None or isinstance(value, str | bytes):
        return _shown(array)[0]
    return str(value)
