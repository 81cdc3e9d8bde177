"""`/connectors/NAME/dead-letters`: what failed and why, and putting it through once more. Headwater's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.worker.api import ConfigError
from headwater.worker.cluster.connector_log import connector_log
from headwater.worker.cluster.refusals import NotNow, NotValid
from headwater.worker.config.secrets import Expanded, Redactor, expand, secret_values
from headwater.worker.log.contract import Log
from headwater.worker.rebuild.requests import ViewRequests
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.letter_report import NoQueue, ask_for_replay, report

from .answers import JsonResponse, slowly
from .forwarding import Forwarding
from .requests import HttpError
from .secrets_shown import SecretOptions
from .worker_port import RestWorker

_QUEUE: Final = "errors.deadletterqueue.topic.name"
_MOST: Final = 1_000


class DeadLetterRoutes:
    def __init__(self, worker: RestWorker, secrets: SecretOptions, forwarding: Forwarding) -> None:
        self._worker = worker
        self._secrets = secrets
        self._forwarding = forwarding
        self._requests = ViewRequests(worker.log, worker.settings)
        self._views = InternalTopics.of(worker.settings).views

    def routes(self) -> list[Route]:
        one = "/connectors/{name}/dead-letters"
        replay = self._forwarding.to(lambda request: self._worker.leader_url(), self.replay)
        return [
            Route(one, self.show, methods=["GET"]),
            Route(f"{one}/replay", replay, methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        text = request.query_params.get("limit", "20")
        if not re.fullmatch("[0-9]{1,9}", text) or int(text) > _MOST:
            raise HttpError(400, f"limit is a number up to {_MOST}, not {text}")
        return JsonResponse(await slowly(self._show, str(request.path_params["name"]), int(text)))

    def _show(self, name: str, most: int) -> Any:
        raw = self._worker.config(name)
        queue = _queue(name, raw)
        redactor = Redactor(secret_values(raw, _filled_in(raw), self._secrets.of(raw)))
        generation = self._requests.state(name).current if self._worker.kind(name) == "sink" else 1
        with self._log(raw) as log:
            return report(log, self._views, name, generation, queue, most, redactor.redact)

    async def replay(self, request: Request) -> Response:
        return JsonResponse(await slowly(self._replay, str(request.path_params["name"])), 202)

    def _replay(self, name: str) -> Any:
        raw = self._worker.config(name)
        queue = _queue(name, raw)
        if raw.get("errors.tolerance", "none").strip() != "all":
            raise NotNow(
                f"{name} has errors.tolerance=none, and a letter that fails again would end its task: set "
                "errors.tolerance=all"
            )
        state = self._worker.status(name)["connector"]["state"]
        if state != "RUNNING":
            raise NotNow(f"{name} is {state}: its own tasks deal with dead letters, when they run")
        with self._log(raw) as log:
            try:
                return {"replay": asdict(ask_for_replay(log, self._views, name, queue))}
            except NoQueue as error:
                raise NotNow(str(error)) from error

    @contextmanager
    def _log(self, raw: dict[str, str]) -> Iterator[Log]:
        with connector_log(self._worker.log, self._worker.settings, self._worker.data_dir, raw) as log:
            yield log


def _filled_in(raw: dict[str, str]) -> Expanded:
    """With what each `${…}` holds, so that it can be kept out of sight; as written where this worker cannot read it."""
    filled_in = Expanded()
    for option, text in raw.items():
        try:
            one = expand({option: text})
        except ConfigError:
            one = Expanded()
        filled_in[option] = one.get(option, text)
        filled_in.filled_in |= one.filled_in
    return filled_in


def _queue(name: str, raw: dict[str, str]) -> str:
    queue = expand({_QUEUE: raw.get(_QUEUE, "")})[_QUEUE].strip()
    if not queue:
        raise NotValid(f"{name} has no dead letter queue: set {_QUEUE}, and errors.tolerance=all")
    return queue
