"""A way to a store where things go wrong: answers of 429, 500 and 503, cut connections, half answers, none at all."""

from __future__ import annotations

import contextlib
import random
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = ("503", "500", "429", "cut", "half")
REFUSED = {"503": "SlowDown", "500": "InternalError", "429": "TooManyRequests"}
_PASSED = ("etag", "content-type", "last-modified", "content-range", "date", "accept-ranges")


class Faults:
    """What happened to requests, by kind: of nine in a row each kind happens to one. `silent`: so many get no answer
    until the client gives up. `calm`: nothing goes wrong any more."""

    def __init__(self, seed: int, silent: int = 0) -> None:
        self._choose = random.Random(seed)
        self._left: list[str] = []
        self._silent = silent
        self.happened: Counter[str] = Counter()
        self.calm = False
        self.over = threading.Event()

    def next(self) -> str:
        if self.calm:
            return "none"
        if not self._left:
            self._left = [*KINDS, *["none"] * 4]
            self._choose.shuffle(self._left)
        kind = self._left.pop()
        if kind == "none" and self._silent:
            self._silent, kind = self._silent - 1, "silent"
        self.happened[kind] += 1
        return kind


@contextlib.contextmanager
def between(url: str, faults: Faults) -> Iterator[str]:
    """URL of a proxy to the store at `url`, which must not check signatures."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            kind = faults.next()
            if kind == "silent":
                faults.over.wait()
            if kind in ("cut", "silent"):
                self.close_connection = True
                return
            if name := REFUSED.get(kind):
                self.reply(int(kind), {"Content-Type": "application/xml"},
                           f"<Error><Code>{name}</Code><Message>{kind}</Message></Error>".encode())  # fmt: skip
                return
            headers = {n: v for n, v in self.headers.items() if n.lower() not in ("host", "expect")}
            request = urllib.request.Request(url + self.path, data, headers, method=self.command)
            try:
                reply = urllib.request.urlopen(request, timeout=60)
            except urllib.error.HTTPError as error:
                reply = error
            with reply:
                passed = {n: v for n, v in reply.headers.items() if n.lower() in _PASSED}
                length = reply.headers.get("Content-Length")
                self.reply(reply.status, passed, reply.read(), half=kind == "half", length=length)

        do_GET = do_HEAD = do_PUT = do_POST = answer

        def reply(
            self, number: int, headers: dict[str, str], body: bytes, half: bool = False, length: str | None = None
        ) -> None:
            self.send_response_only(number)
            for name, value in headers.items():
                self.send_header(name, value)
            head = self.command == "HEAD"
            self.send_header("Content-Length", length or "0" if head else str(len(body)))
            self.end_headers()
            if half:
                self.close_connection = True
                body = body[: len(body) // 2]
            if not head and number not in (204, 304):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        faults.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
