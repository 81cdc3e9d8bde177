"""Requests that another worker has to answer: the leader writes, the owner of a task restarts it.

Source of the `forward` parameter, of the statuses and the messages: `HerderRequestHandler` and `RestClient` of Kafka
Connect 4.3. A worker that a request reaches first forwards it with forward=true, the next one with forward=false, and
after that it is refused: with workers that do not agree on who leads it would go round in circles.
"""

from __future__ import annotations

import http.client
import logging
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from starlette.requests import Request
from starlette.responses import Response

from headwater.worker.cluster.reaching import CONNECT_S, PlainConnection, TlsConnection
from headwater.worker.cluster.refusals import NotLeader

from .answers import Handler, slowly
from .requests import HttpError, base_url, whole_body

__all__ = ["Forwarding", "Target"]

log = logging.getLogger(__name__)

Target = Callable[[Request], str | None]
"""Where the request has to go; None: it is answered here; "": nobody knows at the moment."""

TIMEOUT_S: Final = 90.0
_PASSED_ON: Final = (
    "accept", "authorization", "content-type", "x-connect-authorization", "x-connect-request-signature-algorithm",
)  # fmt: skip
_PASSED_BACK: Final = ("content-type", "location")
_CONFLICT: Final = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)"
_NO_LEADER: Final = (
    "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."
)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Forwarding:
    def __init__(
        self, tls: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S, connect_s: float = CONNECT_S
    ) -> None:
        self._tls = tls
        self._timeout_s = timeout_s
        self._connect_s = connect_s

    def to(self, target: Target, handler: Handler) -> Handler:
        """`handler`, where the request is not for another worker."""

        async def answer(request: Request) -> Response:
            _hop(request)
            url = target(request)
            if url is None:
                try:
                    return await handler(request)
                except NotLeader:  # since a moment ago
                    url = target(request) or ""
            return await self._forward(request, url)

        return answer

    def rather(self, target: Target, handler: Handler) -> Handler:
        """For what another worker knows better: `handler`, also where that worker is not known or does not answer."""

        async def answer(request: Request) -> Response:
            hop = _hop(request)
            url = target(request)
            if url and hop is not False:
                try:
                    return await self._forward(request, url)
                except HttpError as error:
                    log.debug("%s is answered here: %s", request.url.path, error)
            return await handler(request)

        return answer

    async def _forward(self, request: Request, url: str) -> Response:
        hop = _hop(request)
        if hop is False:
            log.error("%s %s found its worker neither here nor where it came from", request.method, request.url.path)
            raise HttpError(409, _CONFLICT)
        if not url:
            raise HttpError(409, _NO_LEADER)
        body = await whole_body(request)
        query = [pair for pair in parse_qsl(request.url.query, keep_blank_values=True) if pair[0] != "forward"]
        query.append(("forward", "true" if hop is None else "false"))
        path = f"{_path(request)}?{urlencode(query)}"
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        answer = await slowly(self._ask, url, request.method, path, body, headers)
        back = dict(answer.headers)
        if "location" in back:  # the resource is here as well as there
            parts = urlsplit(back["location"])
            back["location"] = base_url(request) + urlunsplit(("", "", parts.path, parts.query, ""))
        return Response(answer.body, answer.status, back)

    def _ask(self, url: str, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> _Answer:
        """Raises `HttpError` 500 where nobody answers."""
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        connection: PlainConnection
        if parts.scheme == "https":
            tls = self._tls or ssl.create_default_context()
            connection = TlsConnection(host, port, timeout=self._timeout_s, context=tls)
        else:
            connection = PlainConnection(host, port, timeout=self._timeout_s)
        connection.connect_s = self._connect_s
        reached = False
        try:
            connection.connect()
            reached = True
            connection.request(
                method, parts.path.rstrip("/") + path, body or None, {**headers, "User-Agent": "headwater"}
            )
            response = connection.getresponse()
            passed = {name: value for name in _PASSED_BACK if (value := response.getheader(name)) is not None}
            return _Answer(response.status, response.read(), passed)
        except (OSError, http.client.HTTPException) as error:
            log.warning("%s %s could not be forwarded to %s: %s", method, path.partition("?")[0], url, error)
            reason = str(error) or type(error).__name__
            raise HttpError(
                500, f"IO Error trying to forward REST request: {reason}{_what_now(url, reached)}"
            ) from error
        finally:
            connection.close()


def _what_now(url: str, reached: bool) -> str:
    """After Kafka Connect's words and status: a leader that was killed leads until its session is over."""
    done = (
        "It may have been done all the same"
        if reached
        else "Nothing was changed. If it lives, its address cannot be reached from here: it is that worker's "
        "rest.advertised.host.name and .port, default: its listener"
    )
    return (
        f". The worker that has to do it, {url}, does not answer. {done}. If it is gone, another one takes its place "
        "after session.timeout.ms: look, and ask again then"
    )


def _hop(request: Request) -> bool | None:
    """Which hop brought it here: none, the first (true) or the second (false). Raises `HttpError` 400."""
    given = request.query_params.getlist("forward")
    if not given:
        return None
    if len(given) > 1 or given[0].lower() not in ("true", "false"):
        raise HttpError(400, "forward is true or false; workers set it themselves, so leave it out")
    return given[0].lower() == "true"


def _path(request: Request) -> str:
    """As it came: a name may hold %2F."""
    raw: bytes | None = request.scope.get("raw_path")
    return raw.decode("ascii") if raw else quote(request.url.path)
