"""Config files that are edited while a worker runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from headwater.worker.config.load import SUFFIXES


class FileWatch:
    """Tells once of every change of these files (of a directory: its config files, new and gone ones too).

    By content: a `touch` is no change. Editors that write a new file beside the old one and rename it are seen.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)
        self._stamps: dict[Path, tuple[int, int, int]] = {}
        self._digests: dict[Path, bytes] = {}
        self.changed()

    def changed(self) -> bool:
        """Has anything changed since the last call?"""
        stamps = {path: _stamp(path) for path in self._files()}
        if stamps == self._stamps:
            return False
        digests = {
            path: self._digests[path] if stamp == self._stamps.get(path) and path in self._digests else _digest(path)
            for path, stamp in stamps.items()
        }
        changed = digests != self._digests
        self._stamps, self._digests = stamps, digests
        return changed

    def _files(self) -> list[Path]:
        files: list[Path] = []
        for path in self._paths:
            try:
                files += sorted(c for c in path.iterdir() if c.suffix in SUFFIXES) if path.is_dir() else [path]
            except OSError:
                files.append(path)  # the directory went away just now: that is a change too
        return files


def _stamp(path: Path) -> tuple[int, int, int]:
    """Inode, size and time of the last change; zeros where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_ino, found.st_size, found.st_mtime_ns


def _digest(path: Path) -> bytes:
    try:
        return hashlib.blake2b(path.read_bytes()).digest()
    except OSError:
        return b""
