"""Which files there are: patterns with wildcards, walked in small steps, so that a large folder holds nothing up."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from headwater.worker.api import Retriable

_WILD = re.compile(r"[*?\[]")


class Found(NamedTuple):
    """A regular file as it was when it was listed. Times in ns since the epoch."""

    path: str
    inode: int
    device: int
    size: int
    mtime_ns: int
    links: int = 1


class Patterns:
    """Absolute paths in which a part may hold `*`, `?` and `[…]`, and `**` stands for any folders. Names that begin
    with a dot are matched by a pattern that begins with one alone. `exclude`: the same, or patterns of names."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str] = ()) -> None:
        self._include = [_split(pattern) for pattern in include]
        self._exclude = [_expression(pattern) for pattern in exclude]

    @property
    def roots(self) -> list[str]:
        """The folder of each pattern up to its first wildcard."""
        return [root for root, _ in self._include]

    def files(self) -> Iterator[Found | None]:
        """Each file once; None for every entry that is none, so that the caller can count the work.

        Raises `Retriable` for a folder that cannot be read; one that is not there is empty."""
        seen: set[str] = set()
        for root, parts in self._include:
            for entry in _walk(root, parts):
                found = None if entry is None or entry in seen else self._look(entry)
                if found is not None:
                    seen.add(found.path)
                yield found

    def _look(self, path: str) -> Found | None:
        if self.excluded(path):
            return None
        if not path.isprintable() and any("\ud800" <= character <= "\udfff" for character in path):
            raise Retriable(
                f"the name of {os.fsencode(path)!r} is not UTF-8, so that no record and no position can tell it. "
                "Rename it, or leave it out with the option exclude"
            )
        try:
            at = os.stat(path)
        except FileNotFoundError:
            return None  # gone since; a rename is seen next time
        except OSError as error:
            raise Retriable(f"{path} cannot be looked at: {error}. Does Headwater's user have the right to?") from error
        return (
            Found(path, at.st_ino, at.st_dev, at.st_size, at.st_mtime_ns, at.st_nlink)
            if stat.S_ISREG(at.st_mode)
            else None
        )

    def excluded(self, path: str) -> bool:
        return any(wanted.fullmatch(path if whole else os.path.basename(path)) for wanted, whole in self._exclude)

    def may_lie_in(self, folder: str) -> str | None:
        """The pattern by which files in this folder are read, if any."""
        for root, parts in self._include:
            below = [part for part in os.path.relpath(folder, root).split(os.sep) if part != "."]
            if below[:1] != [".."] and _reaches(below, parts[:-1]):
                return os.path.join(root, *parts)
        return None


def _split(pattern: str) -> tuple[str, list[str]]:
    """The folder without wildcards, and the parts below it; the last part is the file's name."""
    parts = [part for part in pattern.split("/") if part and part != "."]
    parts += ["*"] if parts[-1:] == ["**"] else []
    wild = next((n for n, part in enumerate(parts) if _WILD.search(part)), len(parts) - 1)
    wild = min(wild, len(parts) - 1)
    return "/" + "/".join(parts[:wild]), parts[wild:]


def _expression(pattern: str) -> tuple[re.Pattern[str], bool]:
    return re.compile(fnmatch.translate(pattern)), "/" in pattern


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith("."))


def _walk(folder: str, parts: Sequence[str]) -> Iterator[str | None]:
    """Paths of entries that match; None for one that does not."""
    first, rest = parts[0], parts[1:]
    if first == "**" and rest:
        yield from _walk(folder, rest)
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise Retriable(f"folder {folder} cannot be read: {error}. Does Headwater's user have the right to?") from error
    with entries:
        for entry in entries:
            if first == "**" and rest:
                if not entry.name.startswith(".") and _is_folder(entry, False):
                    yield from _walk(entry.path, parts)
            elif not _matches(entry.name, first):
                yield None
            elif not rest:
                yield entry.path
            elif _is_folder(entry, True):
                yield from _walk(entry.path, rest)


def _is_folder(entry: os.DirEntry[str], follow: bool) -> bool:
    try:
        return entry.is_dir(follow_symlinks=follow)
    except OSError:
        return False


def _reaches(folders: Sequence[str], parts: Sequence[str]) -> bool:
    """Do these folders match these parts, `**` being any number of folders?"""
    if not parts:
        return not folders
    if parts[0] == "**":
        return any(_reaches(folders[n:], parts[1:]) for n in range(len(folders) + 1))
    return bool(folders) and _matches(folders[0], parts[0]) and _reaches(folders[1:], parts[1:])


class Round:
    """One listing of everything, a step at a time."""

    def __init__(self, patterns: Patterns) -> None:
        self._files = patterns.files()
        self.found: dict[int, Found] = {}
        self.linked: dict[int, list[str]] = {}
        """Paths of files that have several."""
        self.devices: set[int] = set()

    def step(self, most: int) -> bool:
        """Look at `most` entries; True where that was all."""
        for _ in range(most):
            try:
                found = next(self._files)
            except StopIteration:
                return True
            if found is not None:
                self._take(found)
        return False

    def _take(self, found: Found) -> None:
        self.devices.add(found.device)
        other = self.found.get(found.inode)
        if other is not None and other.links > 1 and other.device == found.device:
            self.linked.setdefault(found.inode, [other.path]).append(found.path)
        else:  # with one name: it was renamed meanwhile, and this is the newer one
            self.found[found.inode] = found


def by_age(files: Iterable[Found]) -> list[Found]:
    """What was written first comes first: the rest of a rotated file before the new one. In the same moment the longer
    name, which is the rotated one's."""
    return sorted(files, key=lambda found: (found.mtime_ns, -len(found.path), found.path))
