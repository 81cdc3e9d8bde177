"""What workers of a cluster tell their leader: `POST /connectors/X/tasks` and `PUT /connectors/X/fence`.

Source: InternalClusterResource and InternalRequestSignature of org.apache.kafka.connect.runtime.rest (Kafka 4.3).
"""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .answers import Handler, blocking, empty, slowly
from .forwarding import Forwarding
from .requests import HttpError, text_options, whole_body
from .worker_port import RestWorker

__all__ = ["InternalRoutes"]


class InternalRoutes:
    def __init__(self, worker: RestWorker, forwarding: Forwarding) -> None:
        self._worker = worker
        self._forwarding = forwarding

    def routes(self) -> list[Route]:
        one = "/connectors/{name}"
        return [
            Route(f"{one}/tasks", self._checked(self.put_tasks), methods=["POST"]),
            Route(f"{one}/fence", self._checked(self.fence), methods=["PUT"]),
        ]

    def _checked(self, handler: Handler) -> Handler:
        forwarded = self._forwarding.to(lambda request: self._worker.leader_url(), handler)

        async def answer(request: Request) -> Response:
            body = await whole_body(request)
            await blocking(self._worker.check_signature, body, request.headers)
            return await forwarded(request)

        return answer

    async def put_tasks(self, request: Request) -> Response:
        try:
            document = json.loads(await whole_body(request))
        except ValueError as error:
            raise HttpError(400, f"the body is not JSON: {error}") from error
        if not isinstance(document, list):
            raise HttpError(400, "task configs are a JSON list")
        configs = [text_options(config) for config in document]
        await slowly(self._worker.put_task_configs, str(request.path_params["name"]), configs)
        return empty(204)

    async def fence(self, request: Request) -> Response:
        await slowly(self._worker.fence, str(request.path_params["name"]))
        return empty(204)
