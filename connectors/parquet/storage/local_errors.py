"""What the operating system reports about a view's files, in our words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from headwater.worker.api import Fatal, HeadwaterError, Retriable

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_NO_LINKS: Final = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK})
_IN_THE_WAY: Final = frozenset({errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY})
_TOO_LONG: Final = frozenset({errno.ENAMETOOLONG, errno.EFBIG})


@contextmanager
def file_errors(action: str, path: str) -> Iterator[None]:
    """Turn an `OSError` while `action` ("write") is done to the file at `path` into `Retriable` or `Fatal`."""
    try:
        yield
    except OSError as error:
        raise explain(error, action, path) from error


def explain(error: OSError, action: str, path: str) -> HeadwaterError:
    what = f"cannot {action} {path}: {error.strerror or error}"
    if error.errno in _FULL:
        return Retriable(
            f"{what}. Nothing of this commit is visible to readers and nothing is lost; Headwater tries again until "
            "there is room. Free some space on that disk (or raise the quota), e.g. drop an old generation of the view."
        )
    if error.errno in _REFUSED:
        return Fatal(
            f"{what}. Nothing was changed. Let the user that runs Headwater write to this folder, or choose another "
            "one with the option path."
        )
    if error.errno in _IN_THE_WAY:
        return Fatal(
            f"{what}. Nothing was changed. Something else stands where the view has a file or a folder of its own: "
            "take it away, or choose another folder with the option path."
        )
    if error.errno in _TOO_LONG:
        return Fatal(f"{what}. Nothing was changed. Choose a shorter path, or a file system with wider limits.")
    return Retriable(f"{what}. Headwater tries again. Check the disk and, where it is one, the network file system.")


def explain_link(error: OSError, path: str) -> HeadwaterError:
    """`link(2)` failed, and not because the file exists."""
    if error.errno in _NO_LINKS or error.errno == errno.EPERM:
        return Fatal(
            f"cannot create {path}: its file system has no hard links ({error.strerror}), which make sure that two "
            "tasks never commit the same manifest. Nothing was changed. Choose a folder on a local file system (ext4, "
            "xfs, btrfs, zfs), or S3, with the option path."
        )
    return explain(error, "create", path)
