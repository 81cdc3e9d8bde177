"""What the place of the view's files still lacks."""

from __future__ import annotations

from headwater.worker.api import Finding, HeadwaterError, Values

from ..storage import open_storage, place
from .pointer import Pointer


def findings(values: Values) -> list[Finding]:
    """Writes a small file and deletes it again."""
    where = place(values)
    try:
        storage = open_storage(values)
    except HeadwaterError as error:
        return [Finding("error", "storage", str(error))]
    try:
        storage.probe()
        found = [Finding("ok", "storage", f"{where} can be written, and a file is created once only")]
        view = str(values.get("name", ""))
        if view:
            Pointer(storage, view).read()
        return found
    except HeadwaterError as error:
        return [Finding("error", "storage", str(error))]
    finally:
        storage.close()
