"""Does the store keep the promises on which exactly once rests? Asked before the first commit."""

from __future__ import annotations

import contextlib
import secrets

from headwater.worker.api import Fatal, HeadwaterError

from .contract import Storage


def probe(storage: Storage, folder: str) -> None:
    """See `Storage.probe`. The file is deleted again."""
    token = secrets.token_hex(8)
    path = f"{folder}/headwater-probe-{token}" if folder else f"headwater-probe-{token}"
    try:
        _try(storage, path, token)
    except HeadwaterError:
        with contextlib.suppress(HeadwaterError):  # the first error says more
            storage.delete([path])
        raise
    storage.delete([path])


def _try(storage: Storage, path: str, token: str) -> None:
    where = f"{storage.root}/{path}"
    first, second, third = (f"{token} {n}".encode() for n in (1, 2, 3))
    if not storage.create(path, first):
        raise _broken(where, "said that a file exists which nobody can have written")
    found = storage.read(path)
    if found is None or found[0] != first:
        raise _broken(where, "does not give back what was written a moment ago")
    if storage.create(path, second):
        raise _broken(where, "overwrote a file that was to be created only if absent (If-None-Match: *)")
    if not storage.replace(path, third, found[1]):
        raise _broken(where, "refused to replace a file that nobody has changed (If-Match)")
    if storage.replace(path, second, found[1]):
        raise _broken(where, "overwrote a file that had changed meanwhile (If-Match)")


def _broken(where: str, what: str) -> Fatal:
    return Fatal(
        f"{where}: the store {what}. Two tasks could overwrite each other's commits there, so the view is not written. "
        "Use a store with conditional writes, such as AWS S3, or VersityGW and MinIO in their current versions. A "
        "proxy in between may also drop these headers."
    )
