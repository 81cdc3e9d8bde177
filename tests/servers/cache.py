"""The one folder for everything that tests, demo and benchmarks download or start.

`HEADWATER_CACHE`, else `~/.cache/headwater`, or `/var/cache/headwater` for root: PostgreSQL refuses to run as root, and
the user it then runs as must be able to walk to its files.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

SERVER_USER = "nobody"


def is_root() -> bool:
    return os.geteuid() == 0


def cache_dir() -> Path:
    default = Path("/var/cache/headwater") if is_root() else Path.home() / ".cache" / "headwater"
    folder = Path(os.environ.get("HEADWATER_CACHE") or default)
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


def traversable(path: Path) -> bool:
    """Can any user walk down to `path`?"""
    return all(folder.stat().st_mode & 0o001 for folder in [path, *path.parents] if folder.is_dir())


def programs_folder(kind: str) -> Path:
    """For downloaded programs, where the servers' user can run them too."""
    parent = cache_dir()
    if is_root() and not traversable(parent):
        parent = Path("/var/tmp/headwater-programs")
    folder = parent / kind
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def server_folder(prefix: str) -> Path:
    """A new folder that the server's user owns and can reach."""
    parent = cache_dir() / "servers"
    parent.mkdir(exist_ok=True)
    if is_root():
        parent.chmod(0o755)
        if not traversable(parent):
            parent = Path("/var/tmp")
    folder = Path(tempfile.mkdtemp(prefix=f"headwater-{prefix}-", dir=parent))
    if is_root():
        import pwd

        user = pwd.getpwnam(SERVER_USER)
        os.chown(folder, user.pw_uid, user.pw_gid)
    folder.chmod(0o700)
    return folder
