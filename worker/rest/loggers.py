"""`/admin/loggers`: levels of loggers, of this worker with its tasks or of all workers.

Source of paths, shapes and status codes: LoggingResource of org.apache.kafka.connect.runtime.rest (Kafka 4.3).
"""

from __future__ import annotations

import logging

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import JsonResponse, blocking, empty
from .forwarding import Forwarding
from .requests import HttpError, json_body, text_options
from .worker_port import RestWorker

log = logging.getLogger(__name__)


class LoggerRoutes:
    def __init__(self, worker: RestWorker, forwarding: Forwarding) -> None:
        self._worker = worker
        self._forwarding = forwarding

    def routes(self) -> list[Route]:
        return [
            Route("/admin/loggers", self.all, methods=["GET"]),
            Route("/admin/loggers/{logger}", self.show, methods=["GET"]),
            Route("/admin/loggers/{logger}", self._forwarding.to(self._writer, self.set), methods=["PUT"]),
        ]

    def _writer(self, request: Request) -> str | None:
        """For the whole cluster it is the leader who writes it down."""
        return self._worker.leader_url() if _scope(request) == "cluster" else None

    async def all(self, request: Request) -> Response:
        """Those that have a level of their own."""
        return JsonResponse({name: level._asdict() for name, level in self._worker.log_levels.all().items()})

    async def show(self, request: Request) -> Response:
        name = str(request.path_params["logger"])
        level = self._worker.log_levels.one(name)
        if level is None:
            raise HttpError(404, f"Logger {name} not found.")
        return JsonResponse(level._asdict())

    async def set(self, request: Request) -> Response:
        """The names of the loggers for which it holds; 204 where it is for the whole cluster."""
        name = str(request.path_params["logger"])
        level = text_options(await json_body(request), nulls=True).get("level")
        if level is None:
            raise HttpError(400, "Desired 'level' parameter was not specified in request.")
        scope = _scope(request)
        if scope not in ("worker", "cluster"):
            log.warning("scope %r of a log level is neither worker nor cluster; taken for worker", scope)
        try:
            affected = await blocking(self._worker.set_log_level, name, level, scope == "cluster")
        except ValueError as error:
            raise HttpError(404, str(error)) from error
        return empty(204) if scope == "cluster" else JsonResponse(affected)


def _scope(request: Request) -> str:
    return request.query_params.get("scope", "worker").lower()
