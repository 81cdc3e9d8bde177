"""`/connectors` and what lies below it.

Source of paths, shapes and status codes: ConnectorsResource of org.apache.kafka.connect.runtime.rest (Kafka 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.worker.cluster.refusals import NotThere, NotValid

from .answers import JsonResponse, blocking, empty
from .requests import HttpError, flag, json_body, text_options
from .secrets_shown import SecretOptions, shown, unmasked
from .worker_port import RestWorker

_STATES = {"RUNNING": "STARTED", "PAUSED": "PAUSED", "STOPPED": "STOPPED"}


class ConnectorRoutes:
    def __init__(self, worker: RestWorker, secrets: SecretOptions) -> None:
        self._worker = worker
        self._secrets = secrets

    def routes(self) -> list[Route]:
        one = "/connectors/{name}"
        return [
            Route("/connectors", self.all, methods=["GET"]),
            Route("/connectors", self.create, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, self.delete, methods=["DELETE"]),
            Route(f"{one}/config", self.config, methods=["GET"]),
            Route(f"{one}/config", self.put_config, methods=["PUT"]),
            Route(f"{one}/config", self.patch_config, methods=["PATCH"]),
            Route(f"{one}/status", self.status, methods=["GET"]),
            Route(f"{one}/restart", self.restart, methods=["POST"]),
            Route(f"{one}/pause", self.pause, methods=["PUT"]),
            Route(f"{one}/resume", self.resume, methods=["PUT"]),
            Route(f"{one}/stop", self.stop, methods=["PUT"]),
            Route(f"{one}/tasks", self.tasks, methods=["GET"]),
            Route(f"{one}/tasks/{{task}}/status", self.task_status, methods=["GET"]),
            Route(f"{one}/tasks/{{task}}/restart", self.restart_task, methods=["POST"]),
            Route(f"{one}/topics", self.topics, methods=["GET"]),
            Route(f"{one}/topics/reset", self.reset_topics, methods=["PUT"]),
            Route(f"{one}/offsets", self.offsets, methods=["GET"]),
            Route(f"{one}/offsets", self.alter_offsets, methods=["PATCH"]),
            Route(f"{one}/offsets", self.reset_offsets, methods=["DELETE"]),
        ]

    # --- all connectors

    async def all(self, request: Request) -> Response:
        expand = request.query_params.getlist("expand")
        return JsonResponse(await blocking(self._all, expand))

    def _all(self, expand: list[str]) -> Any:
        names = self._worker.connectors()
        if not expand:
            return names
        found: dict[str, dict[str, Any]] = {}
        for name in names:
            try:
                found[name] = {}
                if "status" in expand:
                    found[name]["status"] = self._worker.status(name)
                if "info" in expand:
                    found[name]["info"] = self._info(name)
            except NotThere:  # deleted while we look
                found.pop(name)
        return found

    async def create(self, request: Request) -> Response:
        body = await json_body(request)
        if not isinstance(body, dict):
            raise HttpError(400, 'a connector is created from {"name": …, "config": {…}}')
        if unknown := sorted(set(body) - {"name", "config", "initial_state"}):
            raise HttpError(400, f"unknown: {', '.join(unknown)}; there are name, config and initial_state")
        config = text_options(body.get("config") or {})
        name = str(body.get("name") or config.get("name") or "").strip()
        state = body.get("initial_state")
        if state is not None and str(state).upper() not in _STATES:
            raise HttpError(400, f"initial_state is RUNNING, PAUSED or STOPPED, not {state}")
        answer = await blocking(self._create, name, config, _STATES[str(state or "RUNNING").upper()])
        return JsonResponse(answer, 201, {"Location": f"/connectors/{quote(name, safe='')}"})

    def _create(self, name: str, config: dict[str, str], state: str) -> Any:
        if name in self._worker.connectors():
            raise HttpError(409, f"Connector {name} already exists")
        self._worker.put_config(name, _named(name, config), state)
        return self._info(name)

    # --- one connector

    async def show(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._info, _name(request)))

    def _info(self, name: str) -> dict[str, Any]:
        config = self._worker.config(name)
        tasks = [{"connector": name, "task": number} for number in range(len(self._worker.task_configs(name)))]
        config_shown = shown(config, self._secrets.of(config))
        return {"name": name, "config": config_shown, "tasks": tasks, "type": self._worker.kind(name)}

    async def delete(self, request: Request) -> Response:
        await blocking(self._worker.delete, _name(request))
        return empty(204)

    async def config(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._config, _name(request)))

    def _config(self, name: str) -> dict[str, str]:
        config = self._worker.config(name)
        return shown(config, self._secrets.of(config))

    async def put_config(self, request: Request) -> Response:
        name = _name(request)
        created, info = await blocking(self._put, name, text_options(await json_body(request)))
        headers = {"Location": f"/connectors/{quote(name, safe='')}"} if created else None
        return JsonResponse(info, 201 if created else 200, headers)

    def _put(self, name: str, config: dict[str, str]) -> tuple[bool, Any]:
        stored = self._stored(name)
        self._worker.put_config(name, self._full(name, config, stored))
        return stored is None, self._info(name)

    async def patch_config(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._patch, _name(request), text_options(await json_body(request), True)))

    def _patch(self, name: str, patch: Mapping[str, str | None]) -> Any:
        stored = self._worker.config(name)
        changed = {option: text for option, text in {**stored, **patch}.items() if text is not None}
        self._worker.put_config(name, self._full(name, changed, stored))
        return self._info(name)

    def _stored(self, name: str) -> dict[str, str] | None:
        try:
            return self._worker.config(name)
        except NotThere:
            return None

    def _full(self, name: str, config: Mapping[str, str], stored: dict[str, str] | None) -> dict[str, str]:
        return unmasked(_named(name, config), stored, self._secrets.of(stored) if stored else ())

    async def status(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._worker.status, _name(request)))

    async def restart(self, request: Request) -> Response:
        name, tasks, failed = _name(request), flag(request, "includeTasks"), flag(request, "onlyFailed")
        await blocking(self._worker.restart, name, tasks, failed)
        if not tasks and not failed:
            return empty(204)
        return JsonResponse(await blocking(self._worker.status, name), 202)

    async def pause(self, request: Request) -> Response:
        await blocking(self._worker.set_state, _name(request), "PAUSED")
        return empty(202)

    async def resume(self, request: Request) -> Response:
        await blocking(self._worker.set_state, _name(request), "STARTED")
        return empty(202)

    async def stop(self, request: Request) -> Response:
        await blocking(self._worker.set_state, _name(request), "STOPPED")
        return empty(204)

    # --- tasks

    async def tasks(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._tasks, _name(request)))

    def _tasks(self, name: str) -> Any:
        config = self._worker.config(name)
        secrets = self._secrets.of(config)
        configs = self._worker.task_configs(name)
        return [
            {"id": {"connector": name, "task": number}, "config": shown({**config, **task}, secrets)}
            for number, task in enumerate(configs)
        ]

    async def task_status(self, request: Request) -> Response:
        name, task = _name(request), _task(request)
        status = await blocking(self._worker.status, name)
        for state in status["tasks"]:
            if state["id"] == task:
                return JsonResponse(state)
        raise HttpError(404, f"No status found for task {name}-{task}")

    async def restart_task(self, request: Request) -> Response:
        await blocking(self._worker.restart_task, _name(request), _task(request))
        return empty(204)

    # --- topics and offsets

    async def topics(self, request: Request) -> Response:
        name = _name(request)
        return JsonResponse({name: {"topics": await blocking(self._worker.topics, name)}})

    async def reset_topics(self, request: Request) -> Response:
        await blocking(self._worker.reset_topics, _name(request))
        return empty(202)

    async def offsets(self, request: Request) -> Response:
        pairs = await blocking(self._worker.offsets, _name(request))
        return JsonResponse({"offsets": [{"partition": partition, "offset": offset} for partition, offset in pairs]})

    async def alter_offsets(self, request: Request) -> Response:
        name, body = _name(request), await json_body(request)
        await blocking(self._worker.alter_offsets, name, _offset_pairs(body))
        return JsonResponse({"message": "The offsets for this connector have been altered successfully"})

    async def reset_offsets(self, request: Request) -> Response:
        await blocking(self._worker.alter_offsets, _name(request), None)
        return JsonResponse({"message": "The offsets for this connector have been reset successfully"})


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _task(request: Request) -> int:
    text = request.path_params["task"]
    if not text.isdigit():
        raise HttpError(404, f"there is no task {text}")
    return int(text)


def _named(name: str, config: Mapping[str, str]) -> dict[str, str]:
    """Kafka Connect's rule: a config may leave its name out, but not say another one."""
    inside = config.get("name")
    if inside is not None and inside != name:
        raise NotValid(f"Connector name configuration ({inside}) doesn't match connector name in the URL ({name})")
    return {**config, "name": name}


def _offset_pairs(body: Any) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    entries = body.get("offsets") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        raise NotValid(
            "Partitions / offsets need to be provided for an alter offsets request: "
            '{"offsets": [{"partition": {…}, "offset": {…}}]}'
        )
    pairs = []
    for entry in entries:
        partition = entry.get("partition") if isinstance(entry, dict) else None
        offset = entry.get("offset") if isinstance(entry, dict) else None
        if not isinstance(partition, dict) or not (offset is None or isinstance(offset, dict)):
            raise NotValid("each entry of offsets has a partition, an object, and an offset, an object or null")
        pairs.append((partition, offset))
    return pairs
