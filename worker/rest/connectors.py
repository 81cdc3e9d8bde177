"""`/connectors` and what lies below it.

Source of paths, shapes and status codes: ConnectorsResource of org.apache.kafka.connect.runtime.rest (Kafka 4.3).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.worker.api import ConfigError
from headwater.worker.cluster.refusals import NotThere, NotValid
from headwater.worker.config.plugins import Plugins

from .answers import Handler, JsonResponse, blocking, empty, slowly
from .forwarding import Forwarding
from .plugins import version_of
from .requests import HttpError, base_url, flag, json_body, text_options
from .secrets_shown import SecretOptions, shown, unmasked
from .settings import RestSettings
from .worker_port import Offsets, RestWorker

_DIGITS = 9
_STATES = {"RUNNING": "STARTED", "PAUSED": "PAUSED", "STOPPED": "STOPPED"}


class ConnectorRoutes:
    def __init__(
        self,
        worker: RestWorker,
        plugins: Plugins,
        secrets: SecretOptions,
        forwarding: Forwarding,
        settings: RestSettings,
    ) -> None:
        self._worker = worker
        self._plugins = plugins
        self._versions: dict[str, str] = {}
        self._secrets = secrets
        self._forwarding = forwarding
        self._settings = settings

    def routes(self) -> list[Route]:
        one = "/connectors/{name}"
        leads, owns = self._by_leader, self._by_owner
        return [
            Route("/connectors", self.all, methods=["GET"]),
            Route("/connectors", leads(self.create), methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(one, leads(self.delete), methods=["DELETE"]),
            Route(f"{one}/config", self.config, methods=["GET"]),
            Route(f"{one}/config", leads(self.put_config), methods=["PUT"]),
            Route(f"{one}/config", leads(self.patch_config), methods=["PATCH"]),
            Route(f"{one}/status", self.status, methods=["GET"]),
            Route(f"{one}/restart", leads(self.restart), methods=["POST"]),
            Route(f"{one}/pause", leads(self.pause), methods=["PUT"]),
            Route(f"{one}/resume", leads(self.resume), methods=["PUT"]),
            Route(f"{one}/stop", leads(self.stop), methods=["PUT"]),
            Route(f"{one}/tasks", self.tasks, methods=["GET"]),
            Route(f"{one}/tasks/{{task}}/status", self.task_status, methods=["GET"]),
            Route(f"{one}/tasks/{{task}}/restart", owns(self.restart_task), methods=["POST"]),
            Route(f"{one}/topics", self.topics, methods=["GET"]),
            Route(f"{one}/topics/reset", self.reset_topics, methods=["PUT"]),
            Route(f"{one}/offsets", self.offsets, methods=["GET"]),
            Route(f"{one}/offsets", leads(self.alter_offsets), methods=["PATCH"]),
            Route(f"{one}/offsets", leads(self.reset_offsets), methods=["DELETE"]),
        ]

    def _by_leader(self, handler: Handler) -> Handler:
        return self._forwarding.to(lambda request: self._worker.leader_url(), handler)

    def _by_owner(self, handler: Handler) -> Handler:
        return self._forwarding.to(self._owner, handler)

    def _owner(self, request: Request) -> str | None:
        """Of a task that is there."""
        name, task = _name(request), _task(request)
        try:
            there = task < len(self._worker.task_configs(name))
        except NotThere:
            there = False
        return self._worker.owner_url(name, task) if there else None

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
                    found[name]["status"] = self._told(name)
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
        if body.get("config") is None:
            raise HttpError(400, 'the connector\'s options are missing: {"name": …, "config": {…}}')
        name, config = str(body.get("name") or "").strip(), _options(body["config"])
        state = body.get("initial_state")
        if state is not None and str(state).upper() not in _STATES:
            raise HttpError(400, f"initial_state is RUNNING, PAUSED or STOPPED, not {state}")
        answer = await slowly(self._create, name, config, _STATES[str(state or "RUNNING").upper()])
        return JsonResponse(answer, 201, _location(request, name))

    def _create(self, name: str, config: dict[str, str], state: str) -> Any:
        full = _named(name, config)

        def new(stored: Mapping[str, str] | None) -> Mapping[str, str]:
            if stored is not None:
                raise HttpError(409, f"Connector {name} already exists")
            return full

        self._worker.change_config(name, new, state)
        return self._info(name)

    # --- one connector

    async def show(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._show, _name(request)))

    def _demand(self, name: str, otherwise: str = "Connector {} not found") -> None:
        """Kafka Connect's words for what is not there, which differ from path to path."""
        try:
            self._worker.config(name)
        except NotThere as error:
            raise HttpError(404, otherwise.format(name)) from error

    def _show(self, name: str) -> dict[str, Any]:
        self._demand(name)
        return self._info(name)

    def _info(self, name: str) -> dict[str, Any]:
        config = self._worker.config(name)
        tasks = [{"connector": name, "task": number} for number in range(len(self._worker.task_configs(name)))]
        config_shown = shown(config, self._secrets.of(config))
        return {"name": name, "config": config_shown, "tasks": tasks, "type": self._worker.kind(name)}

    async def delete(self, request: Request) -> Response:
        await slowly(self._delete, _name(request))
        return empty(204)

    def _delete(self, name: str) -> None:
        self._demand(name)
        self._worker.delete(name)

    async def config(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._config, _name(request)))

    def _config(self, name: str) -> dict[str, str]:
        self._demand(name)
        config = self._worker.config(name)
        return shown(config, self._secrets.of(config))

    async def put_config(self, request: Request) -> Response:
        name = _name(request)
        created, info = await slowly(self._put, name, _options(await json_body(request)))
        return JsonResponse(info, 201 if created else 200, _location(request, name) if created else None)

    def _put(self, name: str, config: dict[str, str]) -> tuple[bool, Any]:
        created = self._worker.change_config(name, lambda stored: self._full(name, config, stored))
        return created, self._info(name)

    async def patch_config(self, request: Request) -> Response:
        return JsonResponse(await slowly(self._patch, _name(request), text_options(await json_body(request), True)))

    def _patch(self, name: str, patch: Mapping[str, str | None]) -> Any:
        def changed(stored: Mapping[str, str] | None) -> Mapping[str, str]:
            if stored is None:
                raise HttpError(404, f"Connector {name} not found")
            options = {option: text for option, text in {**stored, **patch}.items() if text is not None}
            return self._full(name, options, stored)

        self._worker.change_config(name, changed)
        return self._info(name)

    def _full(self, name: str, config: Mapping[str, str], stored: Mapping[str, str] | None) -> dict[str, str]:
        return unmasked(_named(name, config), stored, self._secrets.of(stored) if stored else ())

    async def status(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._status, _name(request)))

    def _status(self, name: str) -> dict[str, Any]:
        self._demand(name, "No status found for connector {}")
        return self._told(name)

    def _told(self, name: str) -> dict[str, Any]:
        """The status with its plugin's version (KIP-891)."""
        status = self._worker.status(name)
        plugin = self._worker.config(name).get("connector.class", "")
        version = self._versions.get(plugin)
        if version is None:  # each look reads a file
            version = self._versions[plugin] = version_of(self._plugins, plugin)
        for part in (status["connector"], *status["tasks"]):
            part.setdefault("version", version)
        return status

    async def restart(self, request: Request) -> Response:
        name, tasks, failed = _name(request), flag(request, "includeTasks"), flag(request, "onlyFailed")
        status = await slowly(self._restart, name, tasks, failed)
        return empty(204) if not tasks and not failed else JsonResponse(status, 202)

    def _restart(self, name: str, include_tasks: bool, only_failed: bool) -> dict[str, Any]:
        """How everything stood, RESTARTING where it is restarted."""
        self._demand(name, "Unknown connector: {}")
        status = self._told(name)
        self._worker.restart(name, include_tasks, only_failed)
        for part in (status["connector"], *(status["tasks"] if include_tasks else ())):
            if not only_failed or part["state"] == "FAILED":
                part["state"] = "RESTARTING"
        return status

    async def pause(self, request: Request) -> Response:
        await slowly(self._set_state, _name(request), "PAUSED")
        return empty(202)

    async def resume(self, request: Request) -> Response:
        await slowly(self._set_state, _name(request), "STARTED")
        return empty(202)

    async def stop(self, request: Request) -> Response:
        await slowly(self._set_state, _name(request), "STOPPED")
        return empty(204)

    def _set_state(self, name: str, state: str) -> None:
        self._demand(name, "Unknown connector {}")
        self._worker.set_state(name, state)

    # --- tasks

    async def tasks(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._tasks, _name(request)))

    def _tasks(self, name: str) -> Any:
        self._demand(name)
        config = self._worker.config(name)
        secrets = self._secrets.of(config)
        configs = self._worker.task_configs(name)
        return [
            {"id": {"connector": name, "task": number}, "config": shown({**config, **task}, secrets)}
            for number, task in enumerate(configs)
        ]

    async def task_status(self, request: Request) -> Response:
        name, task = _name(request), _task(request)
        return JsonResponse(await blocking(self._task_status, name, task))

    def _task_status(self, name: str, task: int) -> Any:
        missing = f"No status found for task {name}-{task}"
        self._demand(name, missing.replace("{", "{{").replace("}", "}}"))
        found = [state for state in self._told(name)["tasks"] if state["id"] == task]
        if not found:
            raise HttpError(404, missing)
        return found[0]

    async def restart_task(self, request: Request) -> Response:
        await slowly(self._restart_task, _name(request), _task(request))
        return empty(204)

    def _restart_task(self, name: str, task: int) -> None:
        self._demand(name, "Unknown connector: {}")
        try:
            self._worker.restart_task(name, task)
        except NotThere as error:
            raise HttpError(404, f"Unknown task: {name}-{task}") from error

    # --- topics and offsets

    async def topics(self, request: Request) -> Response:
        """None of a connector that is not there: Kafka Connect does not look whether it is."""
        if not self._settings.topics_shown:
            raise HttpError(403, "Topic tracking is disabled.")
        name = _name(request)
        return JsonResponse({name: {"topics": await blocking(self._topics, name)}})

    def _topics(self, name: str) -> list[str]:
        try:
            return self._worker.topics(name)
        except NotThere:
            return []

    async def reset_topics(self, request: Request) -> Response:
        if not self._settings.topics_shown:
            raise HttpError(403, "Topic tracking is disabled.")
        if not self._settings.topics_reset:
            raise HttpError(403, "Topic tracking reset is disabled.")
        await blocking(self._reset_topics, _name(request))
        return empty(202)

    def _reset_topics(self, name: str) -> None:
        with contextlib.suppress(NotThere):
            self._worker.reset_topics(name)

    async def offsets(self, request: Request) -> Response:
        pairs = await slowly(self._offsets, _name(request))
        return JsonResponse({"offsets": [{"partition": partition, "offset": offset} for partition, offset in pairs]})

    def _offsets(self, name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        self._demand(name)
        return self._worker.offsets(name)

    async def alter_offsets(self, request: Request) -> Response:
        name, body = _name(request), await json_body(request)
        await slowly(self._alter_offsets, name, _offset_pairs(body))
        return JsonResponse({"message": "The offsets for this connector have been altered successfully"})

    async def reset_offsets(self, request: Request) -> Response:
        await slowly(self._alter_offsets, _name(request), None)
        return JsonResponse({"message": "The offsets for this connector have been reset successfully"})

    def _alter_offsets(self, name: str, offsets: Offsets | None) -> None:
        self._demand(name)
        try:
            self._worker.alter_offsets(name, offsets)
        except ConfigError as error:
            raise HttpError(400, f"the offsets cannot be stored: {'; '.join(map(str, error.problems))}") from error


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _task(request: Request) -> int:
    """Raises `HttpError` 404, as JAX-RS does where a path's number is none."""
    text = request.path_params["task"]
    if not text.isdecimal() or len(text) > _DIGITS:
        raise HttpError(404, "HTTP 404 Not Found")
    return int(text)


def _location(request: Request, name: str) -> dict[str, str]:
    return {"Location": f"{base_url(request)}/connectors/{quote(name, safe='')}"}


def _options(value: Any) -> dict[str, str]:
    """A config whose options all have a value. Raises `HttpError` 400."""
    options = text_options(value, nulls=True)
    if empty_ones := [name for name, text in options.items() if text is None]:
        raise HttpError(400, f"Null value can not be supplied as the configuration value: {', '.join(empty_ones)}")
    return options


def _named(name: str, config: Mapping[str, str]) -> dict[str, str]:
    """Kafka Connect's rule: a config may leave its name out, but not say another one."""
    inside = config.get("name")
    if inside is not None and inside != name:
        raise NotValid(f"Connector name configuration ({inside}) doesn't match connector name in the URL ({name})")
    return {**config, "name": name}


def _offset_pairs(body: Any) -> list[tuple[dict[str, Any], dict[str, Any] | None]]:
    entries = body.get("offsets") if isinstance(body, dict) else None
    if not isinstance(entries, list) or not entries:
        raise NotValid("Partitions / offsets need to be provided for an alter offsets request")
    pairs = []
    for entry in entries:
        partition = entry.get("partition") if isinstance(entry, dict) else None
        offset = entry.get("offset") if isinstance(entry, dict) else None
        if not isinstance(partition, dict) or not (offset is None or isinstance(offset, dict)):
            raise NotValid("each entry of offsets has a partition, an object, and an offset, an object or null")
        pairs.append((partition, offset))
    return pairs
