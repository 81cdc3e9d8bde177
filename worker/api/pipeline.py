"""Transforms, predicates and converters: the stages between a connector and the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NamedTuple

from .options import Options, Values
from .record import Record
from .schema import Schema


class Transform:
    """Kafka Connect's single message transform. One instance lives as long as its task.

    `apply` returns the changed record, the same one, None (filtered), or several. Raise `DataError` for a record that
    cannot be transformed.
    """

    options: ClassVar[Options] = Options()
    doc: ClassVar[str] = ""
    events: ClassVar[bool] = False
    """What it routes to other topics are events, of which all count, not only the newest of a key: at a source those
    topics are made to keep everything, whatever the source's own topics do."""
    reveals: ClassVar[bool] = False
    """It makes readable what its topic hides: messages of later errors may quote it, so they are kept out of topics."""

    def configure(self, values: Values) -> None:
        """Called once, before the first record."""

    def rehearse(self) -> None:
        """Called before a preview, after `configure`: from now on nothing outside may change."""

    def apply(self, record: Record) -> Record | Iterable[Record] | None:
        raise NotImplementedError

    def close(self) -> None: ...


class Predicate:
    options: ClassVar[Options] = Options()
    doc: ClassVar[str] = ""

    def configure(self, values: Values) -> None: ...

    def test(self, record: Record) -> bool:
        raise NotImplementedError


class SchemaAndValue(NamedTuple):
    schema: Schema | None
    value: Any


Encoder = Callable[[Any], bytes | None]


class Converter:
    """Bytes <-> value. `encoder` does its work once a schema, so that the call per record is cheap."""

    options: ClassVar[Options] = Options()
    doc: ClassVar[str] = ""

    def configure(self, values: Values, is_key: bool) -> None: ...

    def rehearse(self) -> None:
        """Called before a preview: from now on nothing outside may change, no schema be registered."""

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        """A function from a value of this schema to bytes. The function raises `DataError`."""
        raise NotImplementedError

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        """Raises `DataError`. Schemas that look the same on the log are the same object."""
        raise NotImplementedError
