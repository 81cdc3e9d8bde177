"""What SQLite reports, in our words: what failed, where, what happens next, what the user can do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from headwater.worker.api import HeadwaterError, Retriable

from .contract import LogError

_NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "glusterfs", "lustre", "ceph"})


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of SQLite or the operating system about the log at `path` into `Retriable` or `LogError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(error, path) from error
    except OSError as error:
        raise LogError(
            f"embedded log {path}: {error.strerror or error}. Check that the folder {path.parent} exists, is writable "
            "for this user and is on a local file system, or choose another one with --data."
        ) from error


def explain(error: sqlite3.Error, path: Path) -> HeadwaterError:
    code = getattr(error, "sqlite_errorcode", 0) or 0
    primary = code & 0xFF
    if primary == sqlite3.SQLITE_FULL:
        return Retriable(
            f"embedded log {path}: the disk is full; nothing of this transaction was written. Headwater tries it "
            f"again. Free some space on the disk of {path.parent}, or stop and move that folder to a larger disk."
        )
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Retriable(
            f"embedded log {path}: another process kept it locked for too long. Headwater tries again. Look for a "
            "backup, a suspended process or an open sqlite3 shell that holds the file."
        )
    if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return LogError(
            f"embedded log {path}: the file is damaged or not a log of Headwater ({error}). Nothing was changed. Put "
            "back a copy, or move the file away: sources then start with new snapshots and views are rebuilt from them."
        )
    if primary in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return LogError(
            f"embedded log {path}: cannot be opened for writing ({error}). Headwater needs write permission on the "
            f"file and on the folder {path.parent}; or choose another folder with --data."
        )
    if primary == sqlite3.SQLITE_IOERR:
        return Retriable(
            f"embedded log {path}: the operating system reported an I/O error ({_name(error)}); nothing of this "
            "transaction was written. Headwater tries again. Check the disk and its free space; a network file system "
            "cannot hold the embedded log."
        )
    return LogError(f"embedded log {path}: {error} ({_name(error)})")


def network_file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The type of the network file system that holds `folder`, or None (also where the system cannot tell)."""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    here = folder.resolve()
    best, kind = -1, ""
    for line in lines:
        fields = line.split()
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        if here.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), fields[2]
    return kind if kind in _NETWORK_FILE_SYSTEMS else None


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", None) or type(error).__name__)
