"""The whole REST API as one ASGI application."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater.worker.api import HeadwaterError
from headwater.worker.config.plugins import Plugins, installed
from headwater.worker.runtime.plugin_process import run_plugin_call

from .answers import Handler, JsonResponse, answered, blocking, error_answer
from .connectors import ConnectorRoutes
from .metrics import metrics_route
from .plugins import PluginRoutes
from .requests import HttpError, check_host, check_origin
from .secrets_shown import SecretOptions
from .views import ViewRoutes
from .worker_port import RestWorker

_HANDLED: Final = (HTTPException, HttpError, HeadwaterError, Exception)


class Guard:
    """Before any route: is this a browser that was led here from somewhere else? Errors get Kafka Connect's form."""

    def __init__(self, app: ASGIApp, loopback: bool) -> None:
        self._app = app
        self._loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                check_host(request.headers.get("host"), self._loopback)
                check_origin(request)
            except HttpError as error:
                await error_answer(error.status, str(error))(scope, receive, send)
                return
            path = scope["path"]
            if len(path) > 1 and path.endswith("/"):  # JAX-RS, and so Kafka Connect, takes both
                scope = {**scope, "path": path.rstrip("/")}
        await self._app(scope, receive, send)


def build_app(worker: RestWorker, loopback: bool = True, plugins: Plugins | None = None) -> ASGIApp:
    """`loopback`: the listener is one; requests must then name it by a loopback name."""

    def call(verb: str, raw: dict[str, str]) -> dict[str, object]:
        return run_plugin_call(verb, raw, worker.settings, worker.data_dir)

    secrets = SecretOptions(call)
    routes = [
        Route("/", _root(worker), methods=["GET"]),
        Route("/health", _health(worker), methods=["GET"]),
        metrics_route(worker),
        *ConnectorRoutes(worker, secrets).routes(),
        *PluginRoutes(plugins or installed(), call).routes(),
        *ViewRoutes(worker, secrets).routes(),
    ]
    app = Starlette(routes=routes, exception_handlers=dict.fromkeys(_HANDLED, _handle))
    app.router.redirect_slashes = False
    return Guard(app, loopback)


async def _handle(request: Request, error: Exception) -> Response:
    return answered(request, error)


def _root(worker: RestWorker) -> Handler:
    try:
        own = version("headwater")
    except PackageNotFoundError:
        own = "unknown"

    async def root(request: Request) -> Response:
        """Source: entities.ServerInfo (Kafka 4.3)."""
        return JsonResponse({"version": own, "commit": "unknown", "kafka_cluster_id": worker.cluster_id})

    return root


def _health(worker: RestWorker) -> Handler:
    async def health(request: Request) -> Response:
        """Source: entities.WorkerStatus (Kafka 4.0); unhealthy also where tasks have failed or stand still."""
        problems = await blocking(worker.health)
        if problems:
            return JsonResponse({"status": "unhealthy", "message": "; ".join(problems)}, 500)
        message = "Worker has completed startup and is ready to handle requests."
        return JsonResponse({"status": "healthy", "message": message})

    return health
