"""A generation's manifest: which files it is made of and how far it is. What a manifest does not name, nobody reads.

`manifests/g<generation>/<version>.json`, each made by one writer from the one before it, only if there is none yet:
`{"format":1,"generation","version","created_ms","made_ms","by","complete","dropped","mode","partitions":[{"topic","partition",
"topic_id","owner","next"}],"tables":{NAME:{"schema","schema_file","topics","key"}},"files":[…],"lists":[{"path",
"files","rows","bytes"}],"removed":[{"path","at_ms"}]}`. `schema` is Arrow's IPC form in base64. Long lists of files
are put away into files of their own (`lists`), which never change.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson
import pyarrow as pa

from headwater.worker.api import Fatal, TopicPartition

FORMAT: Final = 1


@dataclass(frozen=True, slots=True)
class FileEntry:
    """`path`: below the view's root. `first`: the offset that its rows begin at. `bucket`: see `buckets`."""

    path: str
    table: str
    rows: int
    bytes: int
    topic: str
    partition: int
    first: int
    bucket: str = ""

    @property
    def place(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class ListRef:
    """A file that holds `files` entries."""

    path: str
    files: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class PartitionState:
    """`owner`: the incarnation of a task that alone may write here. `next` None: nothing was written yet."""

    topic_id: str
    owner: str
    next: int | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """`schema`: holds the rows of every file. `schema_file`: a file of that schema without rows. `topics`: of the log,
    those that it is made from. `key`: columns, of a latest state."""

    schema: pa.Schema
    schema_file: str
    topics: tuple[str, ...]
    key: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """`created_ms`, of the generation, and `made_ms`: milliseconds since 1970. `removed`: files that were replaced, and
    when."""

    generation: int
    version: int
    mode: str
    created_ms: int
    made_ms: int
    complete: bool = True
    dropped: bool = False
    partitions: Mapping[TopicPartition, PartitionState] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    files: tuple[FileEntry, ...] = ()
    lists: tuple[ListRef, ...] = ()
    removed: tuple[tuple[str, int], ...] = ()

    @property
    def rows(self) -> int:
        return sum(f.rows for f in self.files) + sum(part.rows for part in self.lists)

    @property
    def bytes(self) -> int:
        return sum(f.bytes for f in self.files) + sum(part.bytes for part in self.lists)

    @property
    def offsets(self) -> dict[TopicPartition, int]:
        return {tp: state.next for tp, state in self.partitions.items() if state.next is not None}

    def with_(self, **changes: Any) -> Manifest:
        return replace(self, **changes)


def dump(manifest: Manifest) -> bytes:
    """`by` is random: no two writers ever make the same bytes."""
    return orjson.dumps(
        {
            "format": FORMAT,
            "generation": manifest.generation,
            "version": manifest.version,
            "created_ms": manifest.created_ms,
            "made_ms": manifest.made_ms,
            "by": secrets.token_hex(8),
            "mode": manifest.mode,
            "complete": manifest.complete,
            "dropped": manifest.dropped,
            "partitions": [
                {"topic": tp.topic, "partition": tp.partition, "topic_id": s.topic_id, "owner": s.owner, "next": s.next}
                for tp, s in sorted(manifest.partitions.items())
            ],
            "tables": {name: _dump_table(table) for name, table in sorted(manifest.tables.items())},
            "files": manifest.files,
            "lists": manifest.lists,
            "removed": [{"path": path, "at_ms": at} for path, at in manifest.removed],
        }
    )


def _dump_table(table: Table) -> dict[str, Any]:
    schema = base64.b64encode(table.schema.serialize().to_pybytes()).decode()
    return {"schema": schema, "schema_file": table.schema_file, "topics": table.topics, "key": table.key}


def load(data: bytes, where: str) -> Manifest:
    """Raises `Fatal` for what this Headwater cannot read."""
    try:
        document = orjson.loads(data)
        if document["format"] != FORMAT:
            raise Fatal(
                f"{where} has format {document['format']}, this Headwater knows {FORMAT}. Nothing was changed. Use the "
                "version of Headwater that wrote it, or rebuild the view in another folder."
            )
        return Manifest(
            generation=document["generation"],
            version=document["version"],
            mode=document["mode"],
            created_ms=document["created_ms"],
            made_ms=document["made_ms"],
            complete=document["complete"],
            dropped=document["dropped"],
            partitions={
                TopicPartition(p["topic"], p["partition"]): PartitionState(p["topic_id"], p["owner"], p["next"])
                for p in document["partitions"]
            },
            tables={name: _load_table(table) for name, table in document["tables"].items()},
            files=tuple(FileEntry(**entry) for entry in document["files"]),
            lists=tuple(ListRef(**entry) for entry in document["lists"]),
            removed=tuple((entry["path"], entry["at_ms"]) for entry in document["removed"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, pa.ArrowException) as error:
        raise Fatal(
            f"{where} is damaged: {error!r}. Nothing was changed. Put the file back from a backup of the folder, or "
            "rebuild the view in another folder."
        ) from error


def _load_table(document: Mapping[str, Any]) -> Table:
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(document["schema"])))
    return Table(schema, document["schema_file"], tuple(document["topics"]), tuple(document["key"]))


def dump_list(entries: Iterable[FileEntry]) -> bytes:
    return orjson.dumps({"format": FORMAT, "by": secrets.token_hex(8), "files": list(entries)})


def load_list(data: bytes, where: str) -> tuple[FileEntry, ...]:
    """Raises `Fatal`."""
    try:
        document = orjson.loads(data)
        if document["format"] != FORMAT:
            raise Fatal(f"{where} has format {document['format']}, this Headwater knows {FORMAT}")
        return tuple(FileEntry(**entry) for entry in document["files"])
    except (KeyError, TypeError, ValueError) as error:
        raise Fatal(f"{where} is damaged: {error!r}. Rebuild the view in another folder.") from error
