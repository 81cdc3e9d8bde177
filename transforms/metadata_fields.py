"""Fields of a change event's metadata that are copied into rows or headers: `op`, `source.ts_ms:event_time`.

Source: FieldReference in io.debezium.transforms.AbstractExtractNewRecordState of Debezium 3.7.0.Final.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from headwater.worker.api import NO_DEFAULT, Schema

_TRANSACTION: Final = ("id", "data_collection_order", "total_order")
_OWN: Final = ("op", "ts_ms", "ts_us", "ts_ns")


class MetadataField(NamedTuple):
    """`block`: the struct in the envelope that holds `field`, or None for the envelope itself."""

    block: str | None
    field: str
    new_name: str

    def schema(self, envelope: Schema) -> Schema | None:
        """Of the copied field, or None where the event has no such field."""
        block = envelope if self.block is None else envelope.get(self.block)
        found = (block.get(self.field) if block is not None else None) or envelope.get(self.field)
        return None if found is None else found.with_(optional=True, default=NO_DEFAULT)

    def value(self, envelope: dict[str, Any]) -> Any:
        block = envelope if self.block is None else envelope.get(self.block)
        if block is None:
            return None
        return block[self.field] if self.field in block else envelope.get(self.field)

    def is_in(self, envelope: dict[str, Any]) -> bool:
        """For events without a schema."""
        block = envelope if self.block is None else envelope.get(self.block)
        return self.field in envelope or (isinstance(block, dict) and self.field in block)


def parse_fields(prefix: str, texts: Iterable[str]) -> tuple[MetadataField, ...]:
    """Raises `ValueError`."""
    return tuple(_parse(prefix, text) for text in texts)


def not_fields(texts: list[str]) -> str | None:
    """For `Option.validate`."""
    try:
        parse_fields("", texts)
    except ValueError as error:
        return str(error)
    return None


def _parse(prefix: str, text: str) -> MetadataField:
    path, *renamed = text.split(":")
    parts = path.split(".")
    if len(renamed) > 1 or len(parts) > 2 or not all((*parts, *renamed)):
        raise ValueError(f"must hold fields like op, source.ts_ms or source.ts_ms:new_name, and {text!r} is none")
    if len(parts) == 2:
        block: str | None = parts[0]
        name = f"{parts[0]}_{parts[1]}"
    else:
        name = parts[0]
        block = "transaction" if name in _TRANSACTION else None if name in _OWN else "source"
    return MetadataField(block, parts[-1], prefix + (renamed[0] if renamed else name))
