"""One bulk request, sent until each of its documents is in the index or refused for good.

Every operation may be sent twice: versions, or the id of an appended document, make the second one change nothing.
What a refused operation had replaced goes out in its place before the request counts as done: whoever reads or writes
that document next finds it as it would be record by record.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from headwater.worker.api import Fatal, Values

from ..client import Busy, Client, Refusal
from ..client.contract import described, refused
from .earlier import fetch
from .operations import Operation, Rejected, bulk_body
from .pending import stale

_log = logging.getLogger(__name__)

LONGEST_PAUSE_S: Final = 10.0
_TOO_LARGE: Final = 413
_CONFLICT: Final = 409
_MISSING: Final = 404


class Bulk:
    """Threads may share one. `stopping`: the task is to stop, and nothing is tried again."""

    def __init__(self, client: Client, values: Values, stopping: threading.Event) -> None:
        self._client = client
        self._stopping = stopping
        self._closed = threading.Event()
        self._tries: int = values["max.retries"] + 1
        self._first_pause_s: float = values["retry.backoff.ms"] / 1000

    def send(self, operations: Sequence[Operation]) -> list[Rejected]:
        """Raises `Busy` where the server does not take them within the tries, `Fatal`."""
        left, rejected, failed = list(operations), list[Rejected](), 0
        while left:
            wrong = list[Rejected]()
            try:
                later, reason = self._once(left, wrong)
            except Refusal as error:
                if error.status != _TOO_LARGE:
                    raise Fatal(f"{error}. Nothing was written; this is an error of Headwater: report it") from error
                return rejected + self._halves(left, error)
            except Busy as error:
                later, reason = left, str(error)
            failed = 0 if not later else failed + 1 if len(later) == len(left) else 1
            left = later + self._blamed(wrong, rejected)
            if not later:
                continue
            if failed >= self._tries or self._stops:
                raise Busy(f"{len(left)} documents could not be written in {failed} tries: {reason}")
            pause_s = min(self._first_pause_s * 2 ** (failed - 1), LONGEST_PAUSE_S)
            _log.info("%d documents are sent again in %.1f s: %s", len(left), pause_s, reason)
            self._closed.wait(pause_s)
        return rejected

    def close(self) -> None:
        """What is being sent is not tried again."""
        self._closed.set()

    @property
    def _stops(self) -> bool:
        return self._stopping.is_set() or self._closed.is_set()

    def _halves(self, operations: Sequence[Operation], error: Refusal) -> list[Rejected]:
        """The request was too large."""
        if len(operations) == 1:
            wrong = Rejected(operations[0], f"the document is larger than the server takes: {error.reason}")
            rejected = list[Rejected]()
            instead = self._blamed([wrong], rejected)
            return rejected + self.send(instead)
        middle = len(operations) // 2
        return self.send(operations[:middle]) + self.send(operations[middle:])

    def _blamed(self, wrong: Iterable[Rejected], rejected: list[Rejected]) -> list[Operation]:
        """What is to be sent in place of `wrong`, which the server refuses. `rejected` gets those that are to blame."""
        instead = list[Operation]()
        for one in wrong:
            operation = one.operation
            if operation.before is None:
                rejected.append(one)
            elif operation.fill is None:
                rejected.append(one)
                instead.append(operation.before)
            else:
                rejected += self._one_by_one(operation)
        return instead

    def _one_by_one(self, last: Operation) -> list[Rejected]:
        """A document that several changes have made, and that the server refuses: not all of them need be wrong."""
        changes = [last]
        while (before := changes[-1].before) is not None:
            changes.append(before)
        rejected = list[Rejected]()
        for change in reversed(changes):
            if self._stops:
                raise Busy(f"{last.place.target} refuses a document, and the task ends before it is clear why")
            source = change.source
            if change.fill is not None:
                earlier = fetch(self._client, [change.place])[change.place]
                if stale(change.version, earlier.version):
                    continue
                source = change.fill(earlier.document)
            rejected += self.send([replace(change, source=source, before=None)])
        return rejected

    def _once(self, operations: Sequence[Operation], rejected: list[Rejected]) -> tuple[list[Operation], str]:
        """Operations to be sent again, and why. `rejected` gets what the server refuses."""
        params = {"require_alias": "false" if operations[0].appends else "true"}
        answer = self._client.request("POST", "/_bulk", bulk_body(operations), params, lines=True)
        items = answer.get("items") if isinstance(answer, Mapping) else None
        if not isinstance(items, list) or len(items) != len(operations):
            raise Busy("POST /_bulk: the server's answer is not whole")
        later, reason = list[Operation](), ""
        for operation, item in zip(operations, items, strict=True):
            result: Mapping[str, Any] = next(iter(item.values()))
            status = int(result["status"])
            if status < 300 or status == _CONFLICT or (status == _MISSING and "error" not in result):
                continue  # a conflict: the index holds this version already, or a newer one
            kind, said = described(result.get("error"))
            if status == _MISSING:
                raise Fatal(
                    f"{operation.place.target} is gone: {said}. Its generation was dropped, or somebody deleted the "
                    "index. Nothing was written. If it was not Headwater, rebuild the view"
                )
            error = refused(status, {"error": result.get("error")}, f"_bulk, {operation.place.target}")
            if isinstance(error, Busy):
                later.append(operation)
                reason = str(error)
            elif isinstance(error, Fatal):
                raise error
            else:
                rejected.append(Rejected(operation, f"{kind}: {said}"))
        return later, reason
