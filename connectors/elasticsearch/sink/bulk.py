"""One bulk request, sent until each of its documents is in the index or refused for good.

Every operation may be sent twice: versions, or the id of an appended document, make the second one change nothing.
What a refused operation had replaced goes out in its place before the request counts as done: whoever reads or writes
that document next finds it as it would be record by record.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final

from headwater.worker.api import Fatal, Values

from ..client import Busy, Client, Refusal
from ..client.contract import described, refused
from .operations import Operation, Rejected, bulk_body

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
            try:
                later, again, reason = self._once(left, rejected)
            except Refusal as error:
                if error.status != _TOO_LARGE:
                    raise Fatal(f"{error}. Nothing was written; this is an error of Headwater: report it") from error
                return rejected + self._halves(left, error)
            except Busy as error:
                later, again, reason = left, [], str(error)
            failed = failed + 1 if len(later) == len(left) else 1
            left = later + again
            if not later:
                continue
            if failed >= self._tries or self._stopping.is_set() or self._closed.is_set():
                raise Busy(f"{len(left)} documents could not be written in {failed} tries: {reason}")
            pause_s = min(self._first_pause_s * 2 ** (failed - 1), LONGEST_PAUSE_S)
            _log.info("%d documents are sent again in %.1f s: %s", len(left), pause_s, reason)
            self._closed.wait(pause_s)
        return rejected

    def close(self) -> None:
        """What is being sent is not tried again."""
        self._closed.set()

    def _halves(self, operations: Sequence[Operation], error: Refusal) -> list[Rejected]:
        """The request was too large."""
        if len(operations) == 1:
            rejected = Rejected(operations[0], f"the document is larger than the server takes: {error.reason}")
            return [rejected, *self.send(replaced(operations[0]))]
        middle = len(operations) // 2
        return self.send(operations[:middle]) + self.send(operations[middle:])

    def _once(
        self, operations: Sequence[Operation], rejected: list[Rejected]
    ) -> tuple[list[Operation], list[Operation], str]:
        """Operations to be sent again later, those to be sent in place of refused ones, and why later.

        `rejected` gets what the server refuses.
        """
        params = {"require_alias": "false" if operations[0].appends else "true"}
        answer = self._client.request("POST", "/_bulk", bulk_body(operations), params, lines=True)
        items = answer.get("items") if isinstance(answer, Mapping) else None
        if not isinstance(items, list) or len(items) != len(operations):
            raise Busy("POST /_bulk: the server's answer is not whole")
        later, again, reason = list[Operation](), list[Operation](), ""
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
                again += replaced(operation)
        return later, again, reason


def replaced(operation: Operation) -> list[Operation]:
    """What a refused operation brings back: one at most."""
    return [] if operation.before is None else [operation.before]
