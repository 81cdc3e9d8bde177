"""What one worker asks of another one of its cluster over REST: only what Kafka Connect's workers ask of each other."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import orjson

from .internal_requests import signature_headers
from .session_keys import SessionKey, SessionPolicy

__all__ = ["Peers"]

log = logging.getLogger(__name__)

_ANSWER_S: Final = 90.0
_PAUSE_S: Final = 1.0


class Peers:
    """Requests run on threads of their own, one of a kind for each connector; what fails is asked for again by whoever
    still wants it. Any thread may call the methods, none of them waits."""

    def __init__(self, policy: SessionPolicy, tls: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        # No proxy: it would be asked for addresses that it cannot know.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls)
        )
        self._lock = threading.Lock()
        self._asking: set[str] = set()
        self._told: set[str] = set()

    def give_tasks(
        self, leader_url: str, connector: str, tasks: Sequence[Mapping[str, str]], key: SessionKey | None
    ) -> None:
        """The leader shall write down how the connector's work is split."""
        self._ask("POST", leader_url, f"/connectors/{quote(connector, safe='')}/tasks", [dict(t) for t in tasks], key)

    def fence(self, leader_url: str, connector: str, key: SessionKey | None) -> None:
        """The leader shall see to it that no earlier task of the connector writes any more."""
        self._ask("PUT", leader_url, f"/connectors/{quote(connector, safe='')}/fence", None, key)

    def _ask(self, method: str, url: str, path: str, body: object, key: SessionKey | None) -> None:
        what = f"{method} {path}"
        with self._lock:
            if what in self._asking or not url:
                return
            self._asking.add(what)
        data = b"" if body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers |= signature_headers(key, data, self._policy)
        request = urllib.request.Request(url.rstrip("/") + path, data or None, headers, method=method)  # noqa: S310
        try:
            threading.Thread(target=self._run, args=(what, request), name="ask-leader", daemon=True).start()
        except RuntimeError as error:
            self._failed(what, str(error))
            self._asking.discard(what)

    def _run(self, what: str, request: urllib.request.Request) -> None:
        try:
            with self._opener.open(request, timeout=_ANSWER_S):
                self._told.discard(what)
                return
        except urllib.error.HTTPError as error:
            self._failed(what, f"{error.code} {error.read(2000).decode(errors='replace')}")
        except (OSError, http.client.HTTPException) as error:
            self._failed(what, str(error) or type(error).__name__)
        finally:
            time.sleep(_PAUSE_S)
            with self._lock:
                self._asking.discard(what)

    def _failed(self, what: str, why: str) -> None:
        level = logging.DEBUG if what in self._told else logging.WARNING
        self._told.add(what)
        log.log(level, "the leader of this cluster did not do %s, it is asked again: %s", what, why)
