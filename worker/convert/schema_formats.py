"""What a format of schemas gives to the converters with a schema registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from headwater.worker.api import Schema, SchemaAndValue

from .registry import Text

Write = Callable[[Any], bytes]
"""From a value to its bytes, without the id before them. Raises `DataError`."""

Read = Callable[[bytes], SchemaAndValue]
"""From a whole message to its value. Raises `DataError`."""


class Form(NamedTuple):
    """A schema in one format: as text, as the format's own code holds it, and its record's full name, if any."""

    text: Text
    parsed: Any
    name: str | None


class Format(Protocol):
    """One format of schemas and values. Every method raises `DataError`, and so do the functions that they return."""

    kind: str
    """The registry's word for it."""

    def form_of(self, schema: Schema | None) -> Form: ...

    def parsed(self, text: Text) -> Form:
        """A schema of the registry, to write with."""

    def write_as(self, schema: Schema | None, form: Form, strict: bool) -> Write:
        """For values of `schema`. `strict`: raise at once where some of them could not be written."""

    def read_as(self, text: Text, version: int | None) -> Read:
        """`version`: of the schema within its subject."""
