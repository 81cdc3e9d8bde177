"""What stands between a worker and its search cluster: TLS, users, and faults as tests want them.

An HTTP server that passes requests on. `faults` decides for each request, in order: None passes it on; `Fault` names
what happens instead.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Fault(Enum):
    """`AFTER`: the server has done what was asked, and its answer is lost."""

    TOO_MANY = 429
    UNAVAILABLE = 503
    CUT_BEFORE = "cut before"
    CUT_AFTER = "cut after"
    HALF_ANSWER = "half answer"
    SILENCE = "silence"
    ITEMS_TOO_MANY = "429 for every second item"


Choose = Callable[[str, str], Fault | None]
"""From method and path to what happens."""


class Gate:
    """`target`: URL of the server. `user`, `api_key`: what a client must show. `certificate`: PEM of key and
    certificate; the gate then speaks TLS."""

    def __init__(self, target: str, user: tuple[str, str] | None = None, api_key: str = "",
                 certificate: Path | None = None) -> None:  # fmt: skip
        self.target = target
        self.choose: Choose = lambda method, path: None
        self.happened: dict[Fault, int] = {}
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self._wanted = ""
        if user is not None:
            self._wanted = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        elif api_key:
            self._wanted = f"ApiKey {api_key}"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(60)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def _any(self) -> None:
                gate._pass_on(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _any

            def log_message(self, *_: object) -> None:
                """Nothing: tests have logs of their own."""

        return Handler

    def _pass_on(self, call: BaseHTTPRequestHandler) -> None:
        body = call.rfile.read(int(call.headers.get("Content-Length") or 0))
        if self._wanted and call.headers.get("Authorization") != self._wanted:
            said = {"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401}
            self._answer(call, 401, json.dumps(said).encode())
            return
        fault = self.choose(call.command, call.path)
        if fault is not None:
            with self._lock:
                self.happened[fault] = self.happened.get(fault, 0) + 1
        if fault in (Fault.TOO_MANY, Fault.UNAVAILABLE):
            said = {"error": {"type": "es_rejected_execution_exception", "reason": "busy"}, "status": fault.value}
            self._answer(call, int(fault.value), json.dumps(said).encode())
            return
        if fault in (Fault.CUT_BEFORE, Fault.SILENCE):
            if fault is Fault.SILENCE:
                threading.Event().wait(5)
            self._cut(call)
            return
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            if fault is Fault.ITEMS_TOO_MANY:
                body, back = _every_second(body)
            status, answer = self._asked(call, body)
            if fault is Fault.ITEMS_TOO_MANY:
                answer = back(answer)
        finally:
            with self._lock:
                self._now -= 1
        if fault is Fault.CUT_AFTER:
            self._cut(call)
        elif fault is Fault.HALF_ANSWER:
            self._answer(call, status, answer[: len(answer) // 2], len(answer))
            self._cut(call)
        else:
            self._answer(call, status, answer)

    def _asked(self, call: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        kept = ("Content-Type", "Accept", "Content-Encoding")
        headers = {name: call.headers[name] for name in kept if call.headers.get(name)}
        request = urllib.request.Request(self.target + call.path, data=body or None, headers=headers,
                                         method=call.command)  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _answer(self, call: BaseHTTPRequestHandler, status: int, body: bytes, length: int | None = None) -> None:
        with contextlib.suppress(OSError):
            call.send_response(status)
            call.send_header("Content-Type", "application/json")
            call.send_header("X-Elastic-Product", "Elasticsearch")
            call.send_header("Content-Length", str(len(body) if length is None else length))
            call.end_headers()
            if call.command != "HEAD":
                call.wfile.write(body)

    def _cut(self, call: BaseHTTPRequestHandler) -> None:
        call.close_connection = True
        with contextlib.suppress(OSError):
            call.connection.shutdown(socket.SHUT_RDWR)


def _every_second(body: bytes) -> tuple[bytes, Callable[[bytes], bytes]]:
    """A bulk request's first, third ... operations, and a function that puts 429 into the answer for the others."""
    lines = [line for line in body.split(b"\n") if line]
    operations: list[list[bytes]] = []
    at = 0
    while at < len(lines):
        length = 1 if b'"delete"' in lines[at][:10] else 2
        operations.append(lines[at : at + length])
        at += length
    kept = [line for operation in operations[::2] for line in operation]

    def back(answer: bytes) -> bytes:
        document: dict[str, Any] = json.loads(answer)
        refused = {"index": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "full"}}}
        items = iter(document["items"])
        document["items"] = [next(items) if n % 2 == 0 else refused for n in range(len(operations))]
        document["errors"] = True
        return json.dumps(document).encode()

    return b"\n".join([*kept, b""]), back


@contextlib.contextmanager
def standing(target: str, **options: Any) -> Iterator[Gate]:
    gate = Gate(target, **options)
    try:
        yield gate
    finally:
        gate.close()
