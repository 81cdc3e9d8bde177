"""Confluent's own Avro serializer and deserializer, run by a small Java program on a schema registry.

Avro.java says how it is spoken to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers.registry import serializers

from ..java_program import JavaProgram


class JavaAvro:
    """The running program."""

    def __init__(self, program: JavaProgram) -> None:
        self._program = program

    def write(self, topic: str, schema: str, value: str) -> bytes:
        """A message. `value`: in Avro's JSON. Raises `RuntimeError`."""
        return self._program.ask("write", topic.encode(), schema.encode(), value.encode())[0]

    def read(self, topic: str, message: bytes) -> tuple[str, str, bytes]:
        """Schema, value, and the value serialized again. Raises `RuntimeError`."""
        schema, value, again = self._program.ask("read", topic.encode(), message)
        return schema.decode(), value.decode(), again


@contextlib.contextmanager
def running(url: str) -> Iterator[JavaAvro]:
    """`url`: of the registry. Raises `MissingTool`, `RuntimeError`."""
    with JavaProgram(Path(__file__).parent / "Avro.java", serializers(), url) as program:
        yield JavaAvro(program)
