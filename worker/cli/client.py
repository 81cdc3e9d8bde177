"""A running worker's REST API, as the commands need it."""

from __future__ import annotations

import base64
import json
import time
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import OpenerDirector, ProxyHandler, Request, build_opener

from headwater.worker.api import HeadwaterError

TIMEOUT_S: Final = 90.0
REBALANCE_S: Final = 60.0
"""How long a cluster that is rebalancing is asked again."""
_REBALANCING: Final = "Cannot complete request"
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class NoWorker(HeadwaterError):
    """Nobody answers at the address."""


class Refused(HeadwaterError):
    """The worker answered with an error. `status` is the HTTP status."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Client:
    """`url` may hold `user:password@`; every call raises `NoWorker` or `Refused`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise HeadwaterError(f"{url!r} is not an address of a worker; it looks like http://127.0.0.1:8083")
        host = parts.netloc.rpartition("@")[2]
        self.url = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
        self._headers = {"Accept": "application/json"}
        if parts.username is not None:
            credentials = f"{parts.username}:{parts.password or ''}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        # A proxy of the environment cannot reach this machine's own loopback.
        proxies = [ProxyHandler({})] if parts.hostname in _LOOPBACK else []
        self._opener: OpenerDirector = build_opener(*proxies)

    def get(self, *path: str, query: str = "") -> Any:
        return self._call("GET", path, query=query)

    def post(self, *path: str, body: Any = None, query: str = "") -> Any:
        return self._call("POST", path, body, query)

    def put(self, *path: str, body: Any = None) -> Any:
        return self._call("PUT", path, body)

    def patch(self, *path: str, body: Any = None) -> Any:
        return self._call("PATCH", path, body)

    def delete(self, *path: str) -> Any:
        return self._call("DELETE", path)

    def _call(self, method: str, path: tuple[str, ...], body: Any = None, query: str = "") -> Any:
        """Asked again while the cluster rebalances."""
        deadline = time.monotonic() + REBALANCE_S
        while True:
            try:
                return self._ask(method, path, body, query)
            except Refused as error:
                if error.status != 409 or _REBALANCING not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _ask(self, method: str, path: tuple[str, ...], body: Any, query: str) -> Any:
        """The decoded JSON of the answer, None where it is empty. Path parts are quoted here."""
        url = "/".join([self.url, *(quote(part, safe="") for part in path)]) + (f"?{query}" if query else "")
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers | ({"Content-Type": "application/json"} if data is not None else {})
        request = Request(url, data, headers, method=method)  # noqa: S310 - the scheme was checked
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                text = answer.read()
        except HTTPError as error:
            raise Refused(_message(error), error.code) from error
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", None) or error
            raise NoWorker(
                f"no worker answers at {self.url} ({reason}); start one with `headwater run FILE…`, "
                "or name its address with --url or HEADWATER_URL"
            ) from error
        try:
            return json.loads(text) if text.strip() else None
        except ValueError as error:
            raise Refused(f"{url} answered something other than JSON: is this a worker's address?", 200) from error


def _message(error: HTTPError) -> str:
    """Kafka Connect's `{"error_code", "message"}`, else the status line."""
    text = error.read().decode("utf-8", "replace")
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict) and document.get("message"):
        return str(document["message"])
    return f"{error.url} answered {error.code} {error.reason}"
