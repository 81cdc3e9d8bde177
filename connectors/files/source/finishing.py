"""What becomes of a file once the log has all of it: kept, moved or deleted. Done again after a crash, in any order."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Sequence
from dataclasses import replace

from headwater.worker.api import Fatal

from .position import FilePosition

log = logging.getLogger(__name__)

KEEP, MOVE, DELETE = "keep", "move", "delete"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


class Finisher:
    """`folder`: where files are moved to; below it they keep their path from the pattern's folder on (`roots`)."""

    def __init__(self, action: str, folder: str | None, roots: list[str]) -> None:
        self.action = action
        self._folder = folder or ""
        self._roots = sorted(roots, key=len, reverse=True)

    def finish(self, position: FilePosition, others: Sequence[str] = ()) -> bool:
        """`others`: names of the same file; they go first, for under one that is left it would be read again.

        False: its position has to stay, for it has changed since it was read, or it stays as well. Raises `Fatal`."""
        if self.action == KEEP:
            return True
        under = [replace(position, path=path) for path in others if path != position.path]
        stays = [name for name in (*under, position) if not self._finish(name)]
        return not stays

    def _finish(self, position: FilePosition) -> bool:
        try:
            at = os.lstat(position.path)
            if stat.S_ISLNK(at.st_mode) and os.stat(position.path).st_ino == position.inode:
                what = "move" if self.action == MOVE else "delete"
                log.warning("%s is a symbolic link: on.done: %s leaves it where it is", position.path, what)
                return False
            if at.st_ino != position.inode:
                return True  # gone from there; whatever has its name now is another file
            if (at.st_size, at.st_mtime_ns) != (position.size, position.mtime_ns):
                return False
            if self.action == DELETE:
                os.unlink(position.path)
            else:
                self._move(position)
        except FileNotFoundError:
            return True
        except OSError as error:
            done = "moved" if self.action == MOVE else "deleted"
            raise Fatal(
                f"{position.path} was read to its end, and it cannot be {done}: {error}. Nothing is lost; give "
                f"Headwater's user the right to {self.action} it, or set on.done: keep"
            ) from error
        return True

    def _move(self, position: FilePosition) -> None:
        target = os.path.join(self._folder, self._below(position.path))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not self._link(position, target):
            target = f"{target}.{position.inode}"  # another file has that name: it stays
            if not self._link(position, target):
                raise FileExistsError(errno.EEXIST, "both names for it are taken", target)
        os.unlink(position.path)

    def _link(self, position: FilePosition, target: str) -> bool:
        """False: another file has that name."""
        try:
            os.link(position.path, target)
        except FileExistsError:
            return os.lstat(target).st_ino == position.inode  # ours, of a crash before the old name was taken away
        except OSError as error:
            if error.errno == errno.EXDEV:
                raise OSError(error.errno, "move.to must lie on the same file system", target) from error
            if error.errno not in _NO_LINKS:
                raise
            if os.path.lexists(target):
                return False
            os.rename(position.path, target)
            raise FileNotFoundError(position.path) from error  # where the caller is: it is not there any more
        return True

    def _below(self, path: str) -> str:
        for root in self._roots:
            if path.startswith(root.rstrip("/") + "/"):
                return os.path.relpath(path, root)
        return os.path.basename(path)
