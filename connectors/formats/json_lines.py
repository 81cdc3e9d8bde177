"""JSON lines: a JSON value a line. Rows have a schema where the types of their fields are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from headwater.worker.api import Schema, struct

from .contract import RAW_SHOWN, BadRow, Content, Place, Row
from .field_types import FieldType
from .line_feed import BOM, lines
from .text_lines import too_long_reason


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
                    value = self._typed(orjson.loads(text))
                except orjson.JSONDecodeError as error:
                    yield BadRow(text[:RAW_SHOWN], f"is not JSON: {error}", number, place)
                except ValueError as error:
                    yield BadRow(text[:RAW_SHOWN], str(error), number, place)
                else:
                    yield Row(value, self._schema, number, place, size)

    def _typed(self, value: Any) -> Any:
        """Raises `ValueError` for what is not as `types` says."""
        if not self._types:
            return value
        if not isinstance(value, dict):
            raise ValueError("is no JSON object, which the option types asks for")
        if unknown := value.keys() - self._types.keys():
            raise ValueError(f"has fields that the option types does not list: {', '.join(sorted(unknown))}")
        return {name: kind.from_json(name, value.get(name)) for name, kind in self._types.items()}
