"""Apicurio's own serializers and deserializers of JSON Schema and Protobuf, run by a small Java program.

They are set to Confluent's wire format. Serdes.java says how it is spoken to.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.servers.registry import Registry, serdes

from ..java_program import JavaProgram


class JavaSerdes:
    """The running program. All methods raise `RuntimeError`. Values are JSON, Protobuf's in its JSON mapping."""

    def __init__(self, program: JavaProgram) -> None:
        self._program = program

    def write_json(self, topic: str, schema: str, value: str, as_map: bool = False) -> bytes:
        """A message, its schema registered. `as_map`: of a Java Map, whose nulls the serializer leaves out."""
        verb = "write-map" if as_map else "write-json"
        return self._program.ask(verb, topic.encode(), schema.encode(), value.encode())[0]

    def read_json(self, topic: str, message: bytes) -> str:
        """The value, checked against the registered schema."""
        return self._program.ask("read-json", topic.encode(), message)[0].decode()

    def write_protobuf(self, topic: str, files: bytes, name: str, value: str) -> bytes:
        """A message, its schema registered. `files`: a FileDescriptorSet, the message's last. `name`: in full."""
        return self._program.ask("write-protobuf", topic.encode(), files, name.encode(), value.encode())[0]

    def read_protobuf(self, topic: str, name: str, message: bytes) -> tuple[str, bytes]:
        """The value, and it serialized again. `name`: of the message, without its package."""
        value, again = self._program.ask("read-protobuf", topic.encode(), name.encode(), message)
        return value.decode(), again


@contextlib.contextmanager
def running(registry: Registry) -> Iterator[JavaSerdes]:
    """Raises `MissingTool`, `RuntimeError`."""
    with JavaProgram(Path(__file__).parent / "Serdes.java", serdes(), registry.own_url) as program:
        yield JavaSerdes(program)
