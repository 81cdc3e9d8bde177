"""`/metrics`: what the worker measures, for Prometheus. Each worker shows its own connectors and tasks alone."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.worker.observe.exposition import exposition

from .answers import blocking
from .worker_port import RestWorker

__all__ = ["metrics_route"]


def metrics_route(worker: RestWorker) -> Route:
    async def metrics(request: Request) -> Response:
        text, content_type = await blocking(_text, worker, request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type})

    return Route("/metrics", metrics, methods=["GET"])


def _text(worker: RestWorker, accept: str) -> tuple[bytes, str]:
    try:
        own = version("headwater")
    except PackageNotFoundError:
        own = "unknown"
    return exposition(replace(worker.observed(), version=own), accept)
