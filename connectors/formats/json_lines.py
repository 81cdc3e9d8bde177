"""JSON lines: a JSON value a line. Rows have a schema where the types of their fields are given.

A number is what it says: where a float would be another one, it is read exactly if its type can hold it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson

from headwater.worker.api import Schema, struct

from .contract import RAW_SHOWN, BadRow, Content, Place, Row
from .field_types import FieldType
from .line_feed import BOM, lines
from .text_lines import too_long_reason

_MANY_DIGITS: Final = re.compile(rb"\d[\d.]{15}")
"""15 digits and less come out of a float as they went in."""


class JsonLines:
    """`types`: the fields of every row; without them rows are as they come and have no schema."""

    whole = False
    fields = True

    def __init__(self, types: Mapping[str, FieldType], most: int) -> None:
        self._types = dict(types)
        self._most = most
        self._schema: Schema | None = None
        if types:
            self._schema = struct({name: kind.schema for name, kind in types.items()})

    def rows(self, content: Content, start: Place) -> Iterator[Row | BadRow]:
        byte, number, _, _ = start
        with content.open(byte) as stream:
            for text, size, ended, too_long in lines(stream, self._most):
                if not ended and not content.complete:
                    return
                if not byte:
                    text = text.removeprefix(BOM)
                byte += size
                number += 1
                place = Place(byte, number)
                if too_long:
                    yield BadRow(text, too_long_reason(size, self._most), number, place)
                    continue
                if not text or text.isspace():
                    continue
                try:
                    value = orjson.loads(text)
                    if _MANY_DIGITS.search(text):
                        value = self._exact(text)
                    value = self._typed(value)
                except orjson.JSONDecodeError as error:
                    yield BadRow(text[:RAW_SHOWN], f"is not JSON: {error}", number, place)
                except RecursionError:
                    yield BadRow(text[:RAW_SHOWN], "holds lists or objects within each other too often", number, place)
                except ValueError as error:
                    yield BadRow(text[:RAW_SHOWN], str(error), number, place)
                else:
                    yield Row(value, self._schema, number, place, size)

    def _exact(self, text: bytes) -> Any:
        """`text` is JSON. Raises `ValueError` for a whole number without a type that is longer than 64 bits."""
        if self._types:
            return json.loads(text, parse_float=Decimal)
        return json.loads(text, parse_int=_integer)

    def _typed(self, value: Any) -> Any:
        """Raises `ValueError` for what is not as `types` says."""
        if not self._types:
            return value
        if not isinstance(value, dict):
            raise ValueError("is no JSON object, which the option types asks for")
        if unknown := value.keys() - self._types.keys():
            raise ValueError(f"has fields that the option types does not list: {', '.join(sorted(unknown))}")
        return {name: kind.from_json(name, value.get(name)) for name, kind in self._types.items()}


def _integer(text: str) -> int:
    if len(text) > 20 or not -(1 << 63) <= (value := int(text)) < 1 << 64:
        raise ValueError(f"holds a whole number that is longer than 64 bits: {text[:100]}")
    return value
