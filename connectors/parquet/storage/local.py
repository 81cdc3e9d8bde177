"""Files in a local folder: written under an unfinished name beside, synced, then linked or renamed into place."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from headwater.worker.api import HeadwaterError, Retriable

from .contract import FileInfo, Output
from .local_errors import explain_link, file_errors
from .local_output import LocalOutput
from .paths import UNFINISHED, checked, checked_folder, unfinished_name
from .probing import probe
from .syncing import make_folders, sync_folder, write_synced

_LOCK_WAIT_S: Final = 30
_LOCK_PAUSE_S: Final = 0.005


class LocalStorage:
    """See `contract.Storage`. Several processes of one machine may use one root."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/") or "/"
        self._root = Path(self.root)

    def read(self, path: str) -> tuple[bytes, str] | None:
        try:
            with file_errors("read", f"{self._at(path)}"):
                data = self._at(path).read_bytes()
        except HeadwaterError as error:
            if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
                return None
            raise
        return data, _tag(data)

    def create(self, path: str, data: bytes) -> bool:
        target = self._at(path)
        if target.exists():
            return self._is_ours(path, data)
        with self._unfinished(target, data) as made:
            try:
                os.link(made, target)
            except FileExistsError:
                return self._is_ours(path, data)
            except OSError as error:
                raise explain_link(error, str(target)) from error
            with file_errors("create", str(target)):
                sync_folder(target.parent)
        return True

    def _is_ours(self, path: str, data: bytes) -> bool:
        """Was it created by an earlier call with the same bytes, which then failed to sync the folder?"""
        current = self.read(path)
        if current is None or current[0] != data:
            return False
        with file_errors("create", path):
            sync_folder(self._at(path).parent)
        return True

    def replace(self, path: str, data: bytes, tag: str) -> bool:
        target = self._at(path)
        with self._locked(target.parent) as found:
            current = self.read(path) if found else None
            if current is None:
                return False
            if current[1] != tag:
                return self._is_ours(path, data)
            with self._unfinished(target, data) as made, file_errors("replace", str(target)):
                made.rename(target)
                sync_folder(target.parent)
        return True

    def open_output(self, path: str) -> Output:
        return LocalOutput(self._at(path))

    def open_input(self, path: str) -> Any:
        import pyarrow as pa

        at = self._at(path)
        try:
            with file_errors("read", str(at)):
                return pa.OSFile(str(at), "rb")
        except HeadwaterError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise error.__cause__ from None
            raise

    def list(self, folder: str = "") -> Iterator[FileInfo]:
        start = checked_folder(folder)
        with file_errors("list", f"{self.root}/{start}"):
            for entry in _walk(self._root / start):
                if UNFINISHED.fullmatch(entry.name):
                    continue
                try:
                    found = entry.stat()
                except FileNotFoundError:
                    continue  # deleted since the folder was read
                path = os.path.relpath(entry.path, self._root)
                yield FileInfo(path, found.st_size, found.st_mtime_ns // 1_000_000)

    def delete(self, paths: Iterable[str]) -> None:
        folders: set[Path] = set()
        for path in paths:
            at = self._at(path)
            with file_errors("delete", str(at)):
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    at.unlink()
                folders.add(at.parent)
        for folder in sorted(folders, key=lambda f: len(f.parts), reverse=True):
            with file_errors("delete", str(folder)):
                self._prune(folder)

    def abandon_uploads(self, folder: str = "", older_than_s: float = 86_400) -> int:
        before, removed = time.time() - older_than_s, 0
        start = checked_folder(folder)
        with file_errors("clean up", f"{self.root}/{start}"):
            for entry in list(_walk(self._root / start)):
                if UNFINISHED.fullmatch(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        if entry.stat().st_mtime <= before:
                            os.unlink(entry.path)
                            removed += 1
                            self._prune(Path(entry.path).parent)
        return removed

    def probe(self, folder: str = "") -> None:
        probe(self, folder)

    def point(self, link: str, folder: str) -> None:
        """Let the symbolic link `link` lead to `folder` (both below the root), atomically. Local roots only."""
        at = self._at(link)
        made = at.with_name(unfinished_name())
        with file_errors("link", str(at)):
            make_folders(at.parent)
            made.symlink_to(os.path.relpath(self._at(folder), at.parent))
            made.rename(at)
            sync_folder(at.parent)

    def close(self) -> None:
        """Nothing is held open."""

    def _at(self, path: str) -> Path:
        return self._root / checked(path)

    def _prune(self, folder: Path) -> None:
        """Remove `folder` and those above it, up to the root, as far as they are empty."""
        while folder != self._root and folder.is_relative_to(self._root):
            try:
                folder.rmdir()
            except FileNotFoundError:
                pass  # somebody else was faster
            except OSError:
                break  # not empty
            folder = folder.parent
        with contextlib.suppress(FileNotFoundError):
            sync_folder(folder)

    @contextlib.contextmanager
    def _unfinished(self, target: Path, data: bytes) -> Iterator[Path]:
        """A durable file beside `target` under an unfinished name; gone at the end, unless it was renamed."""
        made = target.with_name(unfinished_name())
        try:
            with file_errors("write", str(target)):
                try:
                    write_synced(made, data)
                except FileNotFoundError:  # no folder yet, or an empty one that was just removed
                    make_folders(target.parent)
                    write_synced(made, data)
            yield made
        finally:
            with contextlib.suppress(OSError):  # else `abandon_uploads` finds it
                made.unlink()

    @contextlib.contextmanager
    def _locked(self, folder: Path) -> Iterator[bool]:
        """One `replace` at a time in `folder`, over all processes. False: there is no such folder."""
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            yield False
            return
        try:
            with file_errors("lock", str(folder)):
                _lock(handle, folder)
            yield True
        finally:
            os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    """Raises `Retriable` where another process, e.g. one that was stopped, holds it for longer than any disk takes."""
    deadline = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Retriable(
                    f"cannot lock {folder}: another process has held its lock for {_LOCK_WAIT_S} s. Nothing was "
                    "changed; Headwater tries again. Look for an older, stopped or hanging task of this view and "
                    f"end it (`fuser {folder}` names the processes)."
                ) from None
        time.sleep(_LOCK_PAUSE_S)


def _tag(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All files below, in the order of their paths' bytes: that of S3."""
    try:
        with os.scandir(folder) as scan:
            entries = [(e, e.is_dir(follow_symlinks=False)) for e in scan]
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry, is_folder in sorted(entries, key=lambda pair: os.fsencode(pair[0].name + ("/" if pair[1] else ""))):
        if is_folder:
            yield from _walk(Path(entry.path))
        elif entry.is_file(follow_symlinks=False):
            yield entry
