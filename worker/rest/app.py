"""The whole REST API as one ASGI application."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headwater.worker.api import HeadwaterError, Retriable
from headwater.worker.config.plugins import Plugins, installed
from headwater.worker.runtime.plugin_process import run_plugin_call

from .answers import Handler, JsonResponse, answered, blocking, error_answer
from .connectors import ConnectorRoutes
from .dead_letters import DeadLetterRoutes
from .forwarding import Forwarding
from .headers import ResponseHeaders, cross_origin
from .internal import InternalRoutes
from .loggers import LoggerRoutes
from .metrics import metrics_route
from .plugins import PluginRoutes
from .requests import HttpError, check_accept, check_host, check_origin
from .secrets_shown import PluginCall, SecretOptions
from .settings import RestSettings
from .sign_in import SignIn
from .views import ViewRoutes
from .worker_port import RestWorker

_NO_JSON: Final = ("/metrics",)
_HANDLED: Final = (HTTPException, HttpError, HeadwaterError, Exception)


class Guard:
    """Before any route: is this a browser that was led here from somewhere else? Errors get Kafka Connect's form."""

    def __init__(self, app: ASGIApp, loopback: bool, settings: RestSettings) -> None:
        self._app = app
        self._loopback = loopback
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            try:
                check_host(request.headers.get("host"), self._loopback, self._settings.hosts)
                check_origin(request, self._settings.origins)
                if scope["path"] not in _NO_JSON:
                    check_accept(request.headers.get("accept"))
            except HttpError as error:
                await error_answer(error.status, str(error))(scope, receive, send)
                return
            path = scope["path"]
            if len(path) > 1 and path.endswith("/"):  # JAX-RS, and so Kafka Connect, takes both
                scope = {**scope, "path": path.rstrip("/")}
        await self._app(scope, receive, send)


def build_app(
    worker: RestWorker,
    loopback: bool = True,
    plugins: Plugins | None = None,
    settings: RestSettings | None = None,
    admin_listener: bool = False,
) -> ASGIApp:
    """`loopback`: the listener is one; requests must then name it by a loopback name.

    `admin_listener`: it answers to `/admin` alone; otherwise that is left out where admin listeners are configured.
    """
    settings = settings or RestSettings()

    def call(verb: str, raw: dict[str, str], **args: Any) -> dict[str, Any]:
        return run_plugin_call(verb, raw, worker.settings, worker.data_dir, **args)

    routes = [] if admin_listener else _routes(worker, plugins or installed(), call, settings)
    if admin_listener or settings.admin is None:
        routes += LoggerRoutes(worker, Forwarding(settings.tls)).routes()
    starlette = Starlette(routes=routes, exception_handlers=dict.fromkeys(_HANDLED, _handle))
    starlette.router.redirect_slashes = False
    app: ASGIApp = starlette
    if settings.users is not None:
        app = SignIn(app, settings.users)
    app = Guard(app, loopback, settings)
    if settings.origins:
        app = cross_origin(app, settings.origins, settings.methods)
    return ResponseHeaders(app, settings.headers) if settings.headers else app


def _routes(worker: RestWorker, plugins: Plugins, call: PluginCall, settings: RestSettings) -> list[Route]:
    secrets, forwarding = SecretOptions(call), Forwarding(settings.tls)
    return [
        Route("/", _root(worker), methods=["GET"]),
        Route("/health", _health(worker), methods=["GET"]),
        metrics_route(worker),
        *ConnectorRoutes(worker, plugins, secrets, forwarding, settings).routes(),
        *DeadLetterRoutes(worker, secrets, forwarding).routes(),
        *InternalRoutes(worker, forwarding).routes(),
        *PluginRoutes(plugins, call).routes(),
        *ViewRoutes(worker, secrets, forwarding).routes(),
    ]


async def _handle(request: Request, error: Exception) -> Response:
    answer = answered(request, error)
    if answer.status_code == 405:
        answer.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return answer


def _methods(request: Request) -> set[str]:
    """What the path takes."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    found = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in found for method in route.methods or ()}


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
        try:
            problems = await blocking(worker.health)
        except Retriable as error:
            return JsonResponse({"status": "starting", "message": f"Worker is still starting up. {error}"}, 503)
        if problems:
            return JsonResponse({"status": "unhealthy", "message": "; ".join(problems)}, 500)
        message = "Worker has completed startup and is ready to handle requests."
        return JsonResponse({"status": "healthy", "message": message})

    return health
