"""What one worker asks of another one of its cluster over REST: only what Kafka Connect's workers ask of each other."""

from __future__ import annotations

import http.client
import logging
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

import orjson

from .internal_requests import signature_headers
from .reaching import HttpHandler, HttpsHandler
from .session_keys import SessionKey, SessionPolicy

__all__ = ["Peers"]

log = logging.getLogger(__name__)

_ANSWER_S: Final = 90.0
_PAUSE_S: Final = 1.0
_NEVER: Final = 400
"""The status by which the leader says that asking again is in vain."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """`why`: the leader did not do it when it was asked last, `failures` times in a row."""

    connector: str
    what: str
    leader_url: str
    failures: int = 0
    why: str = ""
    passing: bool = False

    @property
    def trouble(self) -> str:
        if not self.why or (self.passing and self.failures < 2):
            return ""
        return f"the leader of this cluster, {self.leader_url}, has not {self.what} yet, and is asked again: {self.why}"


class Peers:
    """Requests run on threads of their own, one of a kind for each connector; what fails is asked for again by whoever
    still wants it. Any thread may call the methods, none of them waits."""

    def __init__(self, policy: SessionPolicy, tls: ssl.SSLContext | None = None) -> None:
        self._policy = policy
        # No proxy: it would be asked for addresses that it cannot know.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), HttpHandler(), HttpsHandler(tls))
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._asked: dict[str, _Asked] = {}

    def give_tasks(
        self,
        leader_url: str,
        connector: str,
        tasks: Sequence[Mapping[str, str]],
        key: SessionKey | None,
        refused: Callable[[str], None] = lambda why: None,
    ) -> str:
        """The leader shall write down how the connector's work is split. `refused(why)` is called where it says that
        it never will. Returns a name for what is asked."""
        asked = _Asked(connector, "written down how its work is split", leader_url)
        body = orjson.dumps([dict(t) for t in tasks])
        return self._ask("POST", f"/connectors/{quote(connector, safe='')}/tasks", asked, body, key, refused)

    def fence(self, leader_url: str, connector: str, key: SessionKey | None) -> str:
        """The leader shall see to it that no earlier task of the connector writes any more. Returns a name likewise."""
        asked = _Asked(connector, "fenced off its earlier tasks", leader_url)
        return self._ask("PUT", f"/connectors/{quote(connector, safe='')}/fence", asked, b"", key, lambda why: None)

    def troubles(self) -> dict[str, str]:
        """What the leader has not done when it was asked last, and why, by connector."""
        with self._lock:
            return {one.connector: one.trouble for one in self._asked.values() if one.trouble}

    def forget_all_but(self, asked: Collection[str]) -> None:
        """Nothing else is wanted any more."""
        with self._lock:
            self._asked = {name: one for name, one in self._asked.items() if name in asked}

    def _ask(
        self,
        method: str,
        path: str,
        asked: _Asked,
        data: bytes,
        key: SessionKey | None,
        refused: Callable[[str], None],
    ) -> str:
        name, url = f"{method} {path}", asked.leader_url
        with self._lock:
            before = self._asked.get(name)
            self._asked[name] = asked if before is None else replace(before, leader_url=url)
            if name in self._running or not url:
                return name
            self._running.add(name)
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers |= signature_headers(key, data, self._policy)
        request = urllib.request.Request(url.rstrip("/") + path, data or None, headers, method=method)  # noqa: S310
        try:
            threading.Thread(target=self._run, args=(name, request, refused), name="ask-leader", daemon=True).start()
        except RuntimeError as error:
            self._failed(name, str(error), passing=False)
            self._running.discard(name)
        return name

    def _run(self, name: str, request: urllib.request.Request, refused: Callable[[str], None]) -> None:
        try:
            with self._opener.open(request, timeout=_ANSWER_S), self._lock:
                if name in self._asked:
                    self._asked[name] = replace(self._asked[name], failures=0, why="")
        except urllib.error.HTTPError as error:
            why = _message(error.read(100_000))
            self._failed(name, f"{error.code} {why}", passing="rebalance" in why)
            if error.code == _NEVER:
                refused(why)
        except (OSError, http.client.HTTPException) as error:
            self._failed(name, str(error) or type(error).__name__, passing=True)
        finally:
            time.sleep(_PAUSE_S)
            with self._lock:
                self._running.discard(name)

    def _failed(self, name: str, why: str, passing: bool) -> None:
        """`passing`: as while another one becomes leader; told where it lasts."""
        with self._lock:
            one = self._asked.get(name)
            if one is not None:
                self._asked[name] = replace(one, failures=one.failures + 1, why=why, passing=passing)
        level = logging.WARNING if one is not None and one.failures == 0 else logging.DEBUG
        log.log(level, "the leader of this cluster did not do %s, it is asked again: %s", name, why)


def _message(body: bytes) -> str:
    """Of an error's answer, {"error_code","message"}."""
    try:
        return str(orjson.loads(body)["message"])
    except (KeyError, TypeError, ValueError):
        return body.decode(errors="replace")[:2000]
