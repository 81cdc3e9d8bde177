"""What the view asks of a cluster: one request, one answer; the two servers' clients look the same from here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol
from urllib.parse import quote

from headwater.worker.api import Fatal, HeadwaterError, Retriable

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
_LATER: Final = frozenset((408, 429, 500, 502, 503, 504))
"""Statuses under which the same request may go through later."""
_UNTIL_MENDED: Final = frozenset(("cluster_block_exception", "index_closed_exception"))
"""Errors, of whatever status (403, 400), that somebody has to end: a full disk, a block, an index that is closed."""


class Refusal(HeadwaterError):
    """The server understood the request and said no. `kind`: its name for the error, e.g. index_not_found_exception."""

    def __init__(self, status: int, kind: str, reason: str, where: str) -> None:
        super().__init__(f"{where}: status {status}, {kind or 'no name'}: {reason}")
        self.status, self.kind, self.reason = status, kind, reason

    @property
    def missing(self) -> bool:
        """Is what was asked for not there?"""
        return self.status == 404


class Busy(Retriable):
    """No answer, half an answer, or one that asks for patience: the same request may go through later."""


class Client(Protocol):
    """Threads may share one."""

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        lines: bool = False,
        timeout_s: float | None = None,
    ) -> Any:
        """The answer's JSON. `path` begins with /. `lines`: the body is bytes of newline-delimited JSON.

        Raises `Busy`, `Refusal`; `Fatal` where TLS or the user's rights stand in the way.
        """
        ...

    def close(self) -> None: ...


def path(*segments: str) -> str:
    """Of a request: each segment quoted, since names may hold a % or a letter beyond ASCII."""
    return "".join(f"/{quote(segment, safe='*,')}" for segment in segments)


def refused(status: int, body: Any, where: str) -> HeadwaterError:
    """The error for an answer whose status is not 2xx. `body`: its JSON, or text."""
    kind, reason = described(body)
    if status in (401, 403) and kind not in _UNTIL_MENDED:
        return Fatal(
            f"{where}: the server answers {status}, {kind or 'no name'}: {reason}. Nothing was changed. Correct "
            "connection.username and connection.password, or connection.api.key, or give that user the rights that the "
            "page docs/connectors/elasticsearch-sink.md lists"
        )
    if status in _LATER or kind in _UNTIL_MENDED:
        return Busy(f"{where}: the server answers {status}, {kind or 'no name'}: {reason}")
    return Refusal(status, kind, reason, where)


def no_tls(said: str, where: str, server: str) -> HeadwaterError:
    """The error for a connection that TLS has failed on. `said`: OpenSSL's or Python's text.

    The other side may have gone away, as a balancer with nobody behind it does; else it is not trusted.
    """
    if "EOF" in said:
        return Busy(f"{where}: no connection to {server}: {said}")
    return Fatal(
        f"{where}: no trusted connection to {server}: {said}. Set elastic.https.ca.file to the authority of the "
        "server's certificate"
    )


def described(body: Any) -> tuple[str, str]:
    """Name and reason of an error, from the server's answer; the innermost cause is the one that helps."""
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return "", str(error)[:500]
    kind, reason = str(error.get("type", "")), str(error.get("reason", ""))
    cause = error.get("caused_by")
    while isinstance(cause, Mapping):
        reason = f"{reason}: {cause.get('reason', '')}"
        cause = cause.get("caused_by")
    return kind, reason[:1000]


def is_gone(error: Any) -> bool:
    """Does this error of one document say that its index is not there? Others pass: a shard that is just starting."""
    return described({"error": error})[0] == "index_not_found_exception"


def answered(client: Client, method: str, path: str, body: Any = None, **options: Any) -> Any:
    """The answer, or None where the server says 404."""
    try:
        return client.request(method, path, body, **options)
    except Refusal as error:
        if error.missing:
            return None
        raise
