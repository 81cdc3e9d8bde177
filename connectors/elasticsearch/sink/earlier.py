"""Documents as they are now, for events that do not say all: read in real time, by id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from headwater.worker.api import Fatal

from ..client import Busy, Client
from ..client.contract import described, is_gone
from .operations import Place

_AT_ONCE: Final = 500


class Earlier(NamedTuple):
    """`document` None: there is none."""

    document: dict[str, Any] | None
    version: int


NONE: Final = Earlier(None, -1)


def fetch(client: Client, places: Iterable[Place]) -> dict[Place, Earlier]:
    """Every one of `places` is in the result. Raises `Busy`, `Fatal`."""
    wanted, found = list(places), dict[Place, Earlier]()
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        body = {"docs": [{"_index": place.target, "_id": place.id} for place in some]}
        docs = client.request("POST", "/_mget", body).get("docs", [])
        if len(docs) != len(some):
            raise Busy("POST /_mget: the server's answer is not whole")
        for place, doc in zip(some, docs, strict=True):
            if "error" in doc:
                said = f"{place.target} cannot be read: {': '.join(described(doc['error']))}"
                if not is_gone(doc["error"]):
                    raise Busy(said)
                raise Fatal(f"{said}. Nothing was written. If it was not Headwater who dropped it, rebuild the view")
            found[place] = Earlier(doc["_source"], int(doc["_version"])) if doc.get("found") else NONE
    return found
