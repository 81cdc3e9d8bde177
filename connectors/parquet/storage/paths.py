"""Names of files below a root, and of the unfinished ones beside them."""

from __future__ import annotations

import re
import secrets
from typing import Final

UNFINISHED: Final = re.compile(r"\.~[0-9a-f]{16}\.part")


def checked(path: str) -> str:
    """`path` where it names a file below the root. Raises `ValueError`."""
    for segment in path.split("/"):
        if segment in ("", ".", "..") or segment.startswith(".~") or "\0" in segment:
            raise ValueError(f"{path!r} does not name a file below a root")
    return path


def checked_folder(folder: str) -> str:
    """The same of a folder; "" is the root, a slash at the end is dropped."""
    folder = folder.rstrip("/")
    return checked(folder) if folder else ""


def unfinished_name() -> str:
    return f".~{secrets.token_hex(8)}.part"
