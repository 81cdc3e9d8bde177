"""pgvector's `vector` [1,2,3], `halfvec` and `sparsevec` {1:0.5,3:2}/5.

Source: io.debezium.data.vector of Debezium 3.7.
"""

from __future__ import annotations

from typing import Any, Final

from headwater.connectors.debezium.names import double_vector, float_vector, sparse_double_vector

from .column_type import ColumnType


def _numbers(text: bytes) -> list[float]:
    if text[:1] != b"[" or text[-1:] != b"]":
        raise ValueError("not a vector")
    return [float(number) for number in text[1:-1].split(b",")] if len(text) > 2 else []


def _sparse(text: bytes) -> dict[str, Any]:
    elements, slash, dimensions = text.partition(b"/")
    if not slash or elements[:1] != b"{" or elements[-1:] != b"}":
        raise ValueError("not a sparse vector")
    vector = {}
    for element in elements[1:-1].split(b",") if len(elements) > 2 else []:
        index, _, number = element.partition(b":")
        vector[int(index)] = float(number)
    return {"dimensions": int(dimensions), "vector": vector}


VECTOR: Final = ColumnType(double_vector(), _numbers)
HALF_VECTOR: Final = ColumnType(float_vector(), _numbers)
SPARSE_VECTOR: Final = ColumnType(sparse_double_vector(), _sparse)
