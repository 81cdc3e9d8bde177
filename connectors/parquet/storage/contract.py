"""What a view's files lie on: a tree of files under one root, with the few promises that exactly-once needs.

Paths are relative to the root, segments joined by "/" (`g1/data/shop.orders+0+42.parquet`); a segment is never empty,
".", ".." or begins with ".~", which is how unfinished local files are named. A folder exists by what lies in it.

Every method raises `Retriable` where the same call may go through later (throttled, server error, timeout, disk full)
and `Fatal` where somebody has to change something (no access, no such bucket); messages say what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol


class FileInfo(NamedTuple):
    path: str
    size_bytes: int
    modified_ms: int
    """Milliseconds since 1970, by the store's clock."""


class Output(Protocol):
    """A file being written, seen by nobody. Ends with one `publish` or `discard`; a killed process leaves nothing
    that a reader or `Storage.list` sees, only what `Storage.abandon_uploads` sweeps up.

    Has what pyarrow asks of a Python file, so `pyarrow.parquet.ParquetWriter(output, schema)` works. `close` and
    the end of the process do not publish.
    """

    @property
    def closed(self) -> bool: ...

    def write(self, data: Any, /) -> int:
        """Takes bytes or a buffer of bytes, all of it; returns their number."""
        ...

    def tell(self) -> int:
        """Bytes written so far."""
        ...

    def flush(self) -> None:
        """Does nothing: durable is what `publish` has returned for."""
        ...

    def close(self) -> None:
        """Does nothing, so that a Parquet writer may close its file before it is decided whether to keep it."""
        ...

    @property
    def buffered_bytes(self) -> int:
        """Of those written, how many are held in memory."""
        ...

    def publish(self) -> None:
        """Make the file visible, whole and durable at once, over whatever was there. Once at most.

        Where it raises `Retriable`, the outcome may be unknown; write the file again.
        """
        ...

    def discard(self) -> None:
        """Leave nothing. May be called in any state, more than once; after `publish` it does nothing. Never raises:
        what cannot be removed now is left to `Storage.abandon_uploads`."""
        ...


class Storage(Protocol):
    root: str
    """As a reader (pyarrow, DuckDB) names it, without a slash at the end: `/data/view` or `s3://bucket/prefix`."""

    def read(self, path: str) -> tuple[bytes, str] | None:
        """The whole content, and a tag that stands for exactly this content; None: no such file."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Make the file, durable and whole at once, only if there is none. False: another one was there first.

        No two writers ever get True for one path unless they wrote the same bytes: after a lost answer the content
        decides whose file it is. So let `data` hold something of the writer's own (a random id).
        """
        ...

    def replace(self, path: str, data: bytes, tag: str) -> bool:
        """Change the file, durable and whole at once, only if it is still what `read` gave with `tag`.

        False: it is not, or it is gone. The same bytes rule as for `create`; and contents must not come back
        (put a number that rises into them), since a tag stands for a content, not for a moment.
        """
        ...

    def open_output(self, path: str) -> Output: ...

    def open_input(self, path: str) -> Any:
        """A `pyarrow.NativeFile` with random access. Raises `FileNotFoundError`.

        Reading it raises what the other methods raise, through pyarrow too. Close it.
        """
        ...

    def list(self, folder: str = "") -> Iterator[FileInfo]:
        """All files in and below `folder`, in the order of their paths' bytes; none where it does not exist."""
        ...

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are gone already count as deleted. Local folders left empty go too."""
        ...

    def abandon_uploads(self, folder: str = "", older_than_s: float = 86_400) -> int:
        """Remove what writers of outputs in and below `folder` left behind that began longer ago; how many.

        The age is all that tells a dead writer from a slow one: keep it above the longest that a file stays open.
        """
        ...

    def probe(self, folder: str = "") -> None:
        """Write, read, replace and delete a small file to see whether the store keeps its promises.

        Raises `Fatal` for one that ignores the conditions (`create` twice says True twice): two tasks could then
        overwrite each other's commits.
        """
        ...

    def close(self) -> None: ...
