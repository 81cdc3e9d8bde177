"""What stands between a converter and its registry: who may call, over TLS or not, and what was asked.

An HTTP server that passes requests on. As an OAuth provider it answers POST /token.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Gate:
    """`allowed`: decides by a request's headers; others get 401. `status`: instead of the registry's answer."""

    def __init__(self, target: str, allowed: Callable[[dict[str, str]], bool] = lambda headers: True) -> None:
        self.target = target
        self.allowed = allowed
        self.status: int | None = None
        self.asked: list[str] = []
        self.tokens = 0
        self.url = ""
        self.issuer = ""


def basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@contextlib.contextmanager
def standing(gate: Gate, certificate: Path | None = None) -> Iterator[Gate]:
    """`certificate`: PEM of key and certificate; the gate then speaks TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._pass("GET")

        def do_POST(self) -> None:
            self._pass("POST")

        def _pass(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
            if self.path == "/token":
                self._token(body or b"")
                return
            gate.asked.append(f"{method} {self.path}")
            if not gate.allowed(dict(self.headers.items())):
                self._answer(401, b'{"error_code": 401, "message": "who are you?"}')
                return
            if gate.status is not None:
                self._answer(gate.status, b'{"error_code": 50002, "message": "not now"}')
                return
            headers = {"Content-Type": "application/json"}
            call = urllib.request.Request(gate.target + self.path, data=body, headers=headers, method=method)
            try:
                with urllib.request.urlopen(call, timeout=120) as answer:
                    self._answer(answer.status, answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.read())

        def _token(self, body: bytes) -> None:
            gate.tokens += 1
            if self.headers["Authorization"] != basic("me", "hush") or b"grant_type=client_credentials" not in body:
                self._answer(400, b"{}")
                return
            token = {"access_token": f"token-{gate.tokens}", "token_type": "Bearer", "expires_in": 3600}
            self._answer(200, json.dumps(token).encode())

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if certificate is None else "https"
    gate.url = f"{scheme}://127.0.0.1:{server.server_port}"
    gate.issuer = f"{gate.url}/token"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
