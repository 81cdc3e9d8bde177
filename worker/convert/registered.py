"""What converters with a schema registry share: Confluent's wire format, subjects, and which schema is written.

A message is a zero byte, the schema's id in four bytes, big-endian, and the value. Source: Confluent's
AbstractKafkaSchemaSerDe and its subclasses (8.x).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from headwater.worker.api import (
    ConfigError,
    Converter,
    DataError,
    Encoder,
    Problem,
    Schema,
    SchemaAndValue,
    Values,
)

from .registry import REFUSAL_KEPT_S, SchemaRegistry, Text
from .registry_options import contradictions, strategy_of
from .schema_formats import Form, Format, Read, Write

__all__ = ["RegistryConverter"]

T = TypeVar("T")
_MAGIC: Final = 0
_HEAD: Final = 5


class RegistryConverter(Converter):
    """A converter's `configure` says which `Format` it is of."""

    def use(self, schemas: Format, values: Values, is_key: bool) -> None:
        """Raises `ConfigError`."""
        if wrong := contradictions(values):
            raise ConfigError([Problem(option, message, hint) for option, message, hint in wrong])
        self._format = schemas
        self._registry = SchemaRegistry(values)
        self._suffix = "key" if is_key else "value"
        self._strategy = strategy_of(values[f"{self._suffix}.subject.name.strategy"])
        self._register: bool = values["auto.register.schemas"]
        self._latest: bool = values["use.latest.version"]
        self._latest_s: int = values["latest.cache.ttl.sec"]
        self._id: int = values["use.schema.id"]
        self._strict: bool = values["id.compatibility.strict" if self._id >= 0 else "latest.compatibility.strict"]
        self._rehearsing = False
        self._size: int = values["schemas.cache.config"]
        self._forms: dict[Schema | None, Form] = {}
        self._reads: dict[tuple[str, int], Read] = {}

    def rehearse(self) -> None:
        self._rehearsing = True

    def encoder(self, topic: str, schema: Schema | None) -> Encoder:
        """Nothing is asked of the registry before there is a value to write. Null is a tombstone.

        A refusal is kept for some seconds: a thousand records of one schema are not a thousand calls.
        """
        head_and_write: tuple[bytes, Write] | None = None
        until, refused, refused_until = float("inf"), "", 0.0

        def encode(value: Any) -> bytes | None:
            nonlocal head_and_write, until, refused, refused_until
            if value is None:
                return self._tombstone(schema)
            if head_and_write is None or (until < time.monotonic()):
                if refused and time.monotonic() < refused_until:
                    raise DataError(refused)
                try:
                    number, write = self._chosen(topic, schema)
                except DataError as error:
                    refused, refused_until = str(error), time.monotonic() + REFUSAL_KEPT_S
                    raise
                head_and_write = b"\0" + number.to_bytes(4, "big"), write
                if self._latest and self._latest_s >= 0:
                    until = time.monotonic() + self._latest_s
            head, write = head_and_write
            return head + write(value)

        return encode

    @staticmethod
    def _tombstone(schema: Schema | None) -> None:
        if schema is not None and not schema.optional:
            raise DataError("is null, but its schema says that it is required")

    def _chosen(self, topic: str, schema: Schema | None) -> tuple[int, Write]:
        """The id that goes before values, and what writes them."""
        own = self._form(schema)
        subject = self._subject(topic, own.name)
        if self._register:
            register = self._known_or_none if self._rehearsing else self._registry.register
            return register(subject, own.text), self._format.write_as(schema, own, True)
        if self._id < 0 and not self._latest:
            return self._registry.find(subject, own.text), self._format.write_as(schema, own, True)
        if self._id >= 0:
            number, text = self._id, self._registry.by_id(self._id)
            what = f"the schema with id {number} (use.schema.id)"
        else:
            latest = self._registry.latest(subject)
            number, text = latest.id, latest.schema
            what = f"version {latest.version} of subject {subject!r}, the latest (use.latest.version)"
        self._check_kind(text, what)
        try:
            return number, self._format.write_as(schema, self._format.parsed(text), self._strict)
        except DataError as error:
            raise DataError(
                f"records of topic {topic!r} cannot be written with {what}: {error}. Register a schema that holds "
                "them, or set auto.register.schemas to true"
            ) from error

    def _known_or_none(self, subject: str, text: Text) -> int:
        """The schema's id; 0, which none has, for one that would be registered now."""
        try:
            return self._registry.find(subject, text)
        except DataError:
            return 0

    def _form(self, schema: Schema | None) -> Form:
        form = self._forms.get(schema)
        if form is None:
            if len(self._forms) >= self._size:
                self._forms.clear()
            form = self._forms[schema] = self._format.form_of(schema)
        return form

    def _subject(self, topic: str, name: str | None) -> str:
        if self._strategy == "TopicNameStrategy":
            return f"{topic}-{self._suffix}"
        if not name:
            raise DataError(
                f"{self._suffix}.subject.name.strategy is {self._strategy}, and the {self._suffix} is no record, "
                "which has no name"
            )
        return name if self._strategy == "RecordNameStrategy" else f"{topic}-{name}"

    def decode(self, topic: str, data: bytes | None) -> SchemaAndValue:
        if data is None:
            return SchemaAndValue(None, None)
        if len(data) < _HEAD or data[0] != _MAGIC:
            raise DataError(
                f"is not in the format of Confluent's schema registry (a zero byte, then a schema's id; it begins with "
                f"{data[:5].hex(' ') or 'nothing'}): was it written with another converter?"
            )
        number = int.from_bytes(data[1:_HEAD], "big")
        read = self._reads.get((topic, number))
        if read is None:
            if len(self._reads) >= self._size:
                self._reads.clear()
            read = self._reads[topic, number] = self._reader(topic, number)
        return read(data)

    def _reader(self, topic: str, number: int) -> Read:
        text = self._registry.by_id(number)
        self._check_kind(text, f"the schema with id {number}")
        form = _of_registry(number, lambda: self._format.parsed(text))
        subject = f"{topic}-{self._suffix}" if self._strategy == "TopicNameStrategy" else None
        if subject is None and form.name:
            subject = self._subject(topic, form.name)
        version = None if subject is None else self._registry.version(number, subject)
        return _of_registry(number, lambda: self._format.read_as(text, version))

    def _check_kind(self, text: Text, what: str) -> None:
        if text.kind != self._format.kind:
            name, kind = type(self).__name__, self._format.kind
            raise DataError(f"{what} is of type {text.kind}, and {name} reads and writes {kind}")


def _of_registry(number: int, make: Callable[[], T]) -> T:
    """Names the schema in what goes wrong with it; others may have registered anything."""
    try:
        return make()
    except DataError as error:
        raise DataError(f"the schema with id {number} is of no use: {error}") from error
    except RecursionError as error:
        raise DataError(f"the schema with id {number} is too deep") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"the schema with id {number} is no valid one ({type(error).__name__}: {error})") from error
