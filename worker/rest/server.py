"""The REST API behind its sockets: one uvicorn server a listener, all on one thread of their own."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import Final

import uvicorn

from headwater.worker.api import Fatal
from headwater.worker.config.secrets import expand

from .app import build_app
from .listeners import Listener
from .settings import RestSettings
from .worker_port import RestWorker

__all__ = ["Listener", "RestServer"]

log = logging.getLogger(__name__)

_START_S: Final = 15.0
_STOP_S: Final = 5.0


class RestServer:
    """Serves one worker on bound listeners from `start` to `stop`."""

    def __init__(self, worker: RestWorker, listeners: Listener | Sequence[Listener]) -> None:
        """Raises `ConfigError` where the worker's options for REST are wrong."""
        self._listeners = [listeners] if isinstance(listeners, Listener) else list(listeners)
        self._settings = RestSettings.of(expand(worker.settings))
        self._servers = [self._server(worker, listener) for listener in self._listeners]
        self._thread = threading.Thread(target=self._run, name="rest", daemon=True)

    def _server(self, worker: RestWorker, listener: Listener) -> uvicorn.Server:
        config = uvicorn.Config(
            build_app(worker, listener.loopback, settings=self._settings, admin_listener=listener.admin),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=int(_STOP_S),
            h11_max_incomplete_event_size=64 * 1024,
        )
        config.load()
        config.ssl = listener.tls
        return uvicorn.Server(config)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        pairs = zip(self._servers, self._listeners, strict=True)
        await asyncio.gather(*(server.serve(sockets=[listener.socket]) for server, listener in pairs))

    def start(self) -> None:
        """Returns once it answers. Raises `Fatal`."""
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not all(server.started for server in self._servers):
            if not self._thread.is_alive() or time.monotonic() > deadline:
                where = ", ".join(map(str, self._listeners))
                raise Fatal(f"the REST API on {where} does not start; the log above says why")
            time.sleep(0.01)
        for listener in self._listeners:
            self._tell(listener)

    def _tell(self, listener: Listener) -> None:
        log.info("the REST API answers on %s", listener.url)
        if listener.loopback:
            return
        if self._settings.users is None:
            log.warning(
                "the REST API listens on %s without sign-in: whoever reaches it controls this worker. "
                "rest.basic.auth.users.file names who may",
                listener,
            )
        elif listener.tls is None:
            log.warning("the REST API listens on %s without TLS: passwords can be read on the way", listener)

    def stop(self) -> None:
        """Lets running requests end for some seconds. May be called twice."""
        for server in self._servers:
            server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(_STOP_S + 2)
        for listener in self._listeners:
            listener.close()
