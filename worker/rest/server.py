"""The REST API behind a socket: uvicorn on a thread of its own."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
import time
from typing import Final
from urllib.parse import urlsplit

import uvicorn

from headwater.worker.api import ConfigError, Fatal, Problem

from .app import build_app
from .worker_port import RestWorker

log = logging.getLogger(__name__)

_START_S: Final = 15.0
_STOP_S: Final = 5.0


class Listener:
    """A bound socket. Bind first, before anything is started: a port that is taken ends the program while it can."""

    def __init__(self, address: str) -> None:
        """`address`: host:port, with or without http://; port 0 takes a free one. Raises `ConfigError`, `Fatal`."""
        self.host, port = parse_address(address)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((self.host, port))
            self.socket.listen(128)
        except OSError as error:
            self.socket.close()
            raise Fatal(
                f"the REST API cannot listen on {self.host}:{port}: {error.strerror or error}. Does another worker run "
                "there? Choose another address with --listen (or listeners in the worker file), or --listen none"
            ) from error
        self.port: int = self.socket.getsockname()[1]
        self.loopback = _is_loopback(self.host)
        if not self.loopback:
            log.warning("the REST API listens on %s without sign-in: whoever reaches it controls this worker", self)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self) -> None:
        self.socket.close()


def parse_address(address: str) -> tuple[str, int]:
    """Raises `ConfigError`."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in ("", "http") or not parts.hostname or port is None or parts.path.strip("/"):
        hint = "it looks like 127.0.0.1:8083" + ("; TLS is not there yet" if parts.scheme == "https" else "")
        raise ConfigError([Problem("listeners", f"{address!r} is not an address to listen on", hint)])
    return parts.hostname, port


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class RestServer:
    """Serves one worker on a bound listener from `start` to `stop`."""

    def __init__(self, worker: RestWorker, listener: Listener) -> None:
        self._listener = listener
        config = uvicorn.Config(
            build_app(worker, listener.loopback),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=int(_STOP_S),
            h11_max_incomplete_event_size=64 * 1024,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)

    def _run(self) -> None:
        self._server.run(sockets=[self._listener.socket])

    def start(self) -> None:
        """Returns once it answers. Raises `Fatal`."""
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise Fatal(f"the REST API on {self._listener} does not start; the log above says why")
            time.sleep(0.01)
        log.info("the REST API answers on http://%s", self._listener)

    def stop(self) -> None:
        """Lets running requests end for some seconds. May be called twice."""
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_S + 2)
        self._listener.close()
