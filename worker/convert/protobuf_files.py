"""Protobuf schemas as text, compiled by protoc (of grpcio-tools) into the descriptors that the library works with.

Sources: Protocol Buffers language guide (proto3); the messages of Confluent's and Google's well-known files, by name
and number: confluent/meta.proto, confluent/type/decimal.proto, google/type/{date,timeofday}.proto.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from headwater.worker.api import ConfigError, DataError, Problem

from .registry import REFUSAL_KEPT_S, Text

__all__ = ["DATE", "DECIMAL", "META", "TIME", "TIMESTAMP", "WRAPPERS", "File", "compiled", "message_class", "require"]

DECIMAL: Final = "confluent.type.Decimal"
DATE: Final = "google.type.Date"
TIME: Final = "google.type.TimeOfDay"
TIMESTAMP: Final = "google.protobuf.Timestamp"
WRAPPERS: Final = {
    f"google.protobuf.{kind}Value"
    for kind in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
}
"""Messages that hold one value, so that null is told from zero."""
META: Final = "confluent/meta.proto"
_KEPT: Final = 500
_USES_META: Final = re.compile(r"\(\s*\.?confluent\.\w+_meta\s*\)")
_IMPORTS_META: Final = re.compile(r'import\s+(public\s+|weak\s+)?["\']confluent/meta\.proto["\']')
_MARKS_ENTRY: Final = re.compile(r"\boption\s+map_entry\s*=\s*true\s*;")
_MAIN: Final = "headwater-main.proto"
"""Like no file that a schema refers to."""
_refused: dict[Text, tuple[float, str]] = {}
"""What protoc does not take, since when, and why: a process for every message of such a schema would be too many."""
_EXTENDED: Final = {"File": "file", "Message": "message", "Field": "field", "Enum": "enum", "EnumValue": "enum_value"}
_KNOWN: Final = {
    META: 'syntax = "proto3"; package confluent; import "google/protobuf/descriptor.proto";'
    "message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }"
    + "".join(
        f"extend google.protobuf.{kind}Options {{ Meta {name}_meta = 1088; }}" for kind, name in _EXTENDED.items()
    ),
    "confluent/type/decimal.proto": 'syntax = "proto3"; package confluent.type;'
    "message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }",
    "google/type/date.proto": 'syntax = "proto3"; package google.type;'
    "message Date { int32 year = 1; int32 month = 2; int32 day = 3; }",
    "google/type/timeofday.proto": 'syntax = "proto3"; package google.type;'
    "message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }",
}


class File:
    """A compiled file: the pool with all that it imports, and its own descriptor."""

    def __init__(self, pool: Any, descriptor: Any) -> None:
        self.pool = pool
        self.descriptor = descriptor
        self._messages = _in_order(descriptor)

    def message(self, path: tuple[int, ...]) -> Any:
        """The descriptor at these indexes: of the file's messages, of that one's, and so on. Raises `DataError`.

        The entries of maps do not count where the text does not write them out: Java takes the indexes from it.
        """
        try:
            found = self._messages[path[0]]
            for index in path[1:]:
                found = [inner for inner in found.nested_types if not inner.GetOptions().map_entry][index]
        except IndexError:
            raise DataError(f"names the message {list(path)}, which its Protobuf schema does not have") from None
        return found

    def meta(self, field: Any) -> dict[str, str]:
        """The params of a field's `confluent.field_meta`."""
        raw = field.GetOptions().SerializeToString()
        if not raw:
            return {}
        try:
            options = message_class(self.pool.FindMessageTypeByName("google.protobuf.FieldOptions"))
            extension = self.pool.FindExtensionByName("confluent.field_meta")
        except KeyError:
            return {}
        return dict(options.FromString(raw).Extensions[extension].params)


def _in_order(descriptor: Any) -> list[Any]:
    from google.protobuf import descriptor_pb2

    proto = descriptor_pb2.FileDescriptorProto()
    descriptor.CopyToProto(proto)
    return [descriptor.message_types_by_name[message.name] for message in proto.message_type]


def require() -> None:
    """Raises `ConfigError` where the libraries are not installed."""
    try:
        import google.protobuf
        import grpc_tools  # noqa: F401
    except ImportError as error:
        problem = Problem("", f"ProtobufConverter needs {error.name}", "pip install 'headwater[protobuf]'")
        raise ConfigError([problem]) from error
    assert google.protobuf


def message_class(descriptor: Any) -> Any:
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(descriptor)


def compiled(text: Text) -> File:
    """Raises `DataError` with what protoc says, and does not ask it again for some seconds."""
    since, said = _refused.get(text, (0.0, ""))
    if said and time.monotonic() - since < REFUSAL_KEPT_S:
        raise DataError(said)
    try:
        return _compiled(text)
    except DataError as error:
        if len(_refused) >= _KEPT:
            _refused.clear()
        _refused[text] = time.monotonic(), str(error)
        raise


@lru_cache(_KEPT)
def _compiled(text: Text) -> File:
    from google.protobuf import descriptor_pb2, descriptor_pool

    with tempfile.TemporaryDirectory(prefix="headwater-protobuf-") as name:
        folder = Path(name).resolve()
        for path, content in {**_KNOWN, **_used(text), _MAIN: text.text}.items():
            _write(folder, path, content)
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", "--include_imports",
                   f"--descriptor_set_out={folder / 'out'}", _MAIN]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise DataError(f"a Protobuf schema cannot be compiled: {done.stderr.strip()[:1000]}")
        found = descriptor_pb2.FileDescriptorSet.FromString((folder / "out").read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in found.file:
        pool.AddSerializedFile(file.SerializeToString())
    return File(pool, pool.FindFileByName(_MAIN))


def _used(text: Text) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, used in text.references:
        found |= _used(used)
        found[name] = used.text
    return found


def _write(folder: Path, path: str, content: str) -> None:
    target = (folder / path).resolve()
    if not target.is_relative_to(folder) or path.startswith("google/protobuf/"):
        return  # Google's own come with the compiler
    if _USES_META.search(content) and not _IMPORTS_META.search(content) and path != META:
        content = f'{content}\nimport "{META}";\n'  # Java's converter leaves it out: its library knows the file
    # Java's serializers register the schemas of classes with the messages that stand for their maps, which protoc
    # refuses. As plain messages they are told by their names, and count among the indexes, as they do in Java.
    content = _MARKS_ENTRY.sub("", content)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content, "utf-8")
