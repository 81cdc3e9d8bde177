"""What is to be done with a document, and its lines in a bulk request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import orjson

from headwater.worker.api import Record

_PER_OPERATION: Final = 200
"""Bytes that an operation's first line takes, about."""


class Place(NamedTuple):
    """A document. `target`: the alias or data stream that is written to."""

    target: str
    id: str


@dataclass(slots=True)
class Operation:
    """`source` None: delete. `version` None: not compared. `appends`: to a data stream.

    `before`: the operation of the same document that this one has replaced before it was sent: the server's refusal of
    this one brings it back. `fill`: makes `source` of what the document was (None: not there); None where `source` does
    not depend on that.
    """

    place: Place
    record: Record
    source: bytes | None
    version: int | None
    appends: bool = False
    before: Operation | None = None
    fill: Callable[[dict[str, Any] | None], bytes] | None = None

    @property
    def size(self) -> int:
        return _PER_OPERATION + len(self.place.id) + len(self.source or b"")


class Rejected(NamedTuple):
    """The server will never take it."""

    operation: Operation
    reason: str


def bulk_body(operations: Sequence[Operation]) -> bytes:
    """Newline-delimited JSON."""
    lines: list[bytes] = []
    for operation in operations:
        about: dict[str, object] = {"_index": operation.place.target, "_id": operation.place.id}
        if operation.version is not None:
            about |= {"version": operation.version, "version_type": "external_gte"}
        verb = "delete" if operation.source is None else "create" if operation.appends else "index"
        lines.append(orjson.dumps({verb: about}))
        if operation.source is not None:
            lines.append(operation.source)
    lines.append(b"")
    return b"\n".join(lines)
