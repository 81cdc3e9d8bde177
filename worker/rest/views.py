"""`/views`: generations of views, and what is done with them. Headwater's own: Kafka Connect has no such thing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headwater.worker.cluster.view_state import GenerationState, Job, ViewState
from headwater.worker.rebuild.requests import NoSuchView, ViewRequests

from .answers import Handler, JsonResponse, blocking, slowly
from .forwarding import Forwarding
from .requests import HttpError, json_body, text_options
from .secrets_shown import SecretOptions, shown, unmasked
from .worker_port import RestWorker

_HISTORY_FIELDS = ("id", "kind", "outcome", "started_ms", "at_ms", "generation", "instead_of", "reasons")


class ViewRoutes:
    def __init__(self, worker: RestWorker, secrets: SecretOptions, forwarding: Forwarding) -> None:
        self._worker = worker
        self._secrets = secrets
        self._forwarding = forwarding
        self._requests = ViewRequests(worker.log, worker.settings)

    def routes(self) -> list[Route]:
        one = "/views/{view}"
        leads, owns = self._by_leader, self._by_owner
        return [
            Route("/views", self.all, methods=["GET"]),
            Route(one, owns(self.show), methods=["GET"]),
            Route(f"{one}/progress", owns(self.progress), methods=["GET"]),
            Route(f"{one}/rebuild", leads(self.rebuild), methods=["POST"]),
            Route(f"{one}/verify", leads(self.verify), methods=["POST"]),
            Route(f"{one}/rollback", leads(self.rollback), methods=["POST"]),
            Route(f"{one}/abort", leads(self.abort), methods=["POST"]),
            Route(f"{one}/promote", leads(self.promote), methods=["POST"]),
        ]

    def _by_leader(self, handler: Handler) -> Handler:
        return self._forwarding.to(lambda request: self._worker.leader_url(), handler)

    def _by_owner(self, handler: Handler) -> Handler:
        """The worker that runs the view's job: it alone knows how far that has come."""
        return self._forwarding.rather(lambda request: self._worker.owner_url(_view(request), -1), handler)

    async def all(self, request: Request) -> Response:
        """Every sink, whether it was ever rebuilt or not."""
        return JsonResponse(await blocking(self._all))

    def _all(self) -> Any:
        known = self._requests.states()
        sinks = [name for name in self._worker.connectors() if self._worker.kind(name) == "sink"]
        return [self._document(known.get(name) or ViewState(name), whole=False) for name in sinks]

    async def show(self, request: Request) -> Response:
        return JsonResponse(await blocking(self._show, _view(request)))

    def _show(self, view: str) -> Any:
        state = self._requests.states().get(view)
        if state is None or view in self._worker.connectors():  # a deleted connector's view is still there to be seen
            self._demand_sink(view)
            state = self._requests.state(view)
        return self._document(state, whole=True)

    def _demand_sink(self, view: str) -> None:
        if self._worker.kind(view) != "sink":
            raise NoSuchView(f"{view} is a source: it keeps no view")

    async def progress(self, request: Request) -> Response:
        """The running job, or null, and how the last one ended."""
        return JsonResponse(await blocking(self._progress, _view(request)))

    def _progress(self, view: str) -> Any:
        state = self._requests.state(view)
        return {
            "job": self._job(state.job),
            "progress": self._worker.job_progress(view) if state.job or state.to_drop(1 << 62) else None,
            "last": state.history[-1] if state.history else None,
            "current": state.current,
            "generations": {str(n): g.phase for n, g in state.generations.items()},
        }

    async def rebuild(self, request: Request) -> Response:
        body = await self._options(request)
        config = body.pop("config", None)
        sent = None if config is None else text_options(config)

        def start(view: str) -> Job:
            stored = self._worker.config(view)
            full = None if sent is None else unmasked(sent, stored, self._secrets.of(stored))
            return self._requests.rebuild(view, full, body)

        return await self._started(request, start)

    async def verify(self, request: Request) -> Response:
        body = await self._options(request)
        return await self._started(request, lambda view: self._requests.verify(view, body))

    async def rollback(self, request: Request) -> Response:
        body = await self._options(request)
        return await self._started(request, lambda view: self._requests.rollback(view, body))

    async def abort(self, request: Request) -> Response:
        """Give the running job up; without one, drop a failed generation that was kept for inspection."""
        await self._options(request)
        return JsonResponse(await slowly(self._abort, _view(request)), 202)

    def _abort(self, view: str) -> Any:
        self._demand_sink(view)
        with self._worker.changing():
            if self._requests.state(view).job is None:
                dropped = self._requests.drop_failed(view)
                if dropped is not None:
                    return {"job": None, "dropping": dropped}
            return {"job": self._job(self._requests.wish(view, "abort")), "dropping": None}

    async def promote(self, request: Request) -> Response:
        await self._options(request)
        return JsonResponse(await slowly(self._promote, _view(request)), 202)

    def _promote(self, view: str) -> Any:
        self._demand_sink(view)
        return {"job": self._job(self._requests.wish(view, "promote"))}

    async def _options(self, request: Request) -> dict[str, Any]:
        body = await json_body(request, required=False)
        if body is None:
            return {}
        if not isinstance(body, dict):
            raise HttpError(400, "options are a JSON object")
        return body

    async def _started(self, request: Request, start: Callable[[str], Job]) -> Response:
        view = _view(request)

        def checked() -> Any:
            self._demand_sink(view)
            with self._worker.changing():
                return {"job": self._job(start(view))}

        return JsonResponse(await slowly(checked), 202)

    # --- shapes

    def _document(self, state: ViewState, whole: bool) -> dict[str, Any]:
        generations = {str(n): self._generation(g, whole) for n, g in sorted(state.generations.items())}
        history = [dict(entry) if whole else _short(entry) for entry in state.history]
        return {
            "name": state.view,
            "current": state.current,
            "generations": generations or {str(state.current): {"phase": "live"}},
            "job": self._job(state.job),
            "progress": self._worker.job_progress(state.view) if state.job else None,
            "history": history,
        }

    def _generation(self, generation: GenerationState, whole: bool) -> dict[str, Any]:
        document: dict[str, Any] = {
            "phase": generation.phase,
            "created_ms": generation.created_ms,
            "keep_until_ms": generation.keep_until_ms,
        }
        if whole:
            document["config"] = shown(generation.config, self._secrets.of(generation.config))
        return document

    def _job(self, job: Job | None) -> dict[str, Any] | None:
        if job is None:
            return None
        document = asdict(job)
        if job.config is not None:
            document["config"] = shown(job.config, self._secrets.of(job.config))
        return document


def _short(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry.get(name) for name in _HISTORY_FIELDS}


def _view(request: Request) -> str:
    return str(request.path_params["view"])
