"""One schema for rows of different times: columns come, go and widen, and every value stays what it was.

What a column may become: a wider whole number, a double from a float, a decimal with more digits (also from a whole
number), and text from a boolean, a whole number or a decimal. Structs, lists and maps follow their parts.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa

from headwater.worker.api import Fatal

from .canonical import text_form
from .kinds import LARGEST_PRECISION

_WHOLE: Final = {pa.int8(): 3, pa.int16(): 5, pa.int32(): 10, pa.int64(): 19}
"""Decimal digits that each can need."""
_WHOLE_ORDER: Final = list(_WHOLE)


class Incompatible(Fatal):
    """A column cannot hold both what it has and what comes. `column`: `order.lines.element.price` in nested ones."""

    def __init__(self, column: str, old: Any, new: Any) -> None:
        super().__init__(
            f"column {column}: the view has it as {old}, new records as {new}, and no type holds both without loss. "
            "Nothing of these records was written. Give one of the two another name, or leave it out, with a "
            "transform (ReplaceField), then rebuild the view; or put the column back at the source."
        )
        self.column, self.old, self.new = column, old, new


def merge(old: pa.Schema, new: pa.Schema) -> pa.Schema:
    """The schema for rows of both: `old`'s columns, in their order, widened, then those that `new` adds.

    Metadata are those of the newer. Raises `Incompatible`.
    """
    return pa.schema(_merged_fields("", list(old), list(new)), metadata=new.metadata or old.metadata)


def cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same rows under a schema that `merge` made of theirs: missing columns are null.

    Raises `Incompatible` for a column that `schema` lacks or has with a narrower type.
    """
    if batch.schema.equals(schema, check_metadata=True):
        return batch
    for field in batch.schema:
        if schema.get_field_index(field.name) < 0:
            raise Incompatible(field.name, "absent", field.type)
    arrays = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            arrays.append(pa.nulls(batch.num_rows, field.type))
        else:
            arrays.append(_cast(field.name, batch.column(index), field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _merged_fields(path: str, old: list[pa.Field], new: list[pa.Field]) -> list[pa.Field]:
    coming = {field.name: field for field in new}
    fields = []
    for field in old:
        other = coming.pop(field.name, None)
        if other is not None:
            metadata = other.metadata or field.metadata
            field = pa.field(field.name, _widened(path + field.name, field.type, other.type), metadata=metadata)
        fields.append(field)
    return [*fields, *coming.values()]


def _widened(path: str, old: pa.DataType, new: pa.DataType) -> pa.DataType:
    if old == new and not pa.types.is_nested(new):
        return new
    if pa.types.is_struct(old) and pa.types.is_struct(new):
        return pa.struct(_merged_fields(f"{path}.", list(old.fields), list(new.fields)))
    if pa.types.is_map(old) and pa.types.is_map(new):
        key = _widened(f"{path}.key", old.key_type, new.key_type)
        item = _widened(f"{path}.value", old.item_type, new.item_type)
        return pa.map_(new.key_field.with_type(key), new.item_field.with_type(item))
    if pa.types.is_list(old) and pa.types.is_list(new):
        item = _widened(f"{path}.element", old.value_type, new.value_type)
        return pa.list_(new.value_field.with_type(item))
    if old in _WHOLE and new in _WHOLE:
        return max(old, new, key=_WHOLE_ORDER.index)
    if pa.types.is_floating(old) and pa.types.is_floating(new):
        return pa.float64()
    if pa.types.is_string(old) or pa.types.is_string(new):
        if _textual(old) and _textual(new):
            return pa.string()
    elif (one := _digits(old)) and (other := _digits(new)):
        whole, scale = max(one[0], other[0]), max(one[1], other[1])
        if whole + scale <= LARGEST_PRECISION:
            return pa.decimal128(whole + scale, scale)
    raise Incompatible(path, old, new)


def _digits(type: pa.DataType) -> tuple[int, int] | None:
    """Digits before and after the point; None: no exact number."""
    if type in _WHOLE:
        return _WHOLE[type], 0
    return (type.precision - type.scale, type.scale) if pa.types.is_decimal(type) else None


def _textual(type: pa.DataType) -> bool:
    return pa.types.is_string(type) or pa.types.is_boolean(type) or _digits(type) is not None


def _cast(path: str, array: Any, type: pa.DataType) -> Any:
    """Equal types may differ in the metadata of their parts, so nested ones are taken apart all the same."""
    kind = array.type
    if pa.types.is_struct(type) and pa.types.is_struct(kind):
        return _cast_struct(path, array, type)
    if pa.types.is_map(type) and pa.types.is_map(kind):
        keys, items = (
            _cast(f"{path}.key", array.keys, type.key_type),
            _cast(f"{path}.value", array.items, type.item_type),
        )
        return pa.MapArray.from_arrays(_offsets(array), keys, items, type=type)
    if pa.types.is_list(type) and pa.types.is_list(kind):
        values = _cast(f"{path}.element", array.values, type.value_type)
        return pa.ListArray.from_arrays(_offsets(array), values, type=type)
    if kind == type:
        return array
    try:
        fits = _widened(path, type, kind) == type
    except Incompatible:
        fits = False
    if not fits:
        raise Incompatible(path, type, kind)
    if pa.types.is_string(type):
        return text_form(array)
    return array.cast(type)


def _cast_struct(path: str, array: Any, type: pa.DataType) -> Any:
    for field in array.type.fields:
        if type.get_field_index(field.name) < 0:
            raise Incompatible(f"{path}.{field.name}", "absent", field.type)
    arrays = []
    for field in type.fields:
        index = array.type.get_field_index(field.name)
        if index < 0:
            arrays.append(pa.nulls(len(array), field.type))
        else:
            arrays.append(_cast(f"{path}.{field.name}", pa.compute.struct_field(array, index), field.type))
    return pa.StructArray.from_arrays(arrays, fields=list(type.fields), mask=array.is_null())


def _offsets(array: Any) -> Any:
    """Offsets into `array.values`, null where the list is."""
    if not array.null_count:
        return array.offsets
    offsets, valid = array.offsets.to_pylist(), array.is_valid().to_pylist()
    return pa.array([at if ok else None for at, ok in zip(offsets, valid, strict=False)] + offsets[-1:], pa.int32())
