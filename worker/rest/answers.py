"""What goes out: JSON, and errors in Kafka Connect's form with its status codes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final
from weakref import WeakKeyDictionary

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from headwater.worker.api import ConfigError, HeadwaterError, Problem, Retriable, shortened
from headwater.worker.cluster.refusals import NotAllowed, NotLeader, NotNow, NotReady, NotThere, NotValid
from headwater.worker.log.contract import MessageRefused
from headwater.worker.rebuild.requests import BadRequest, Conflict, NoSuchView

from .requests import HttpError

log = logging.getLogger(__name__)

_SLOW_THREADS: Final = 16
"""Of the 40 that Starlette has."""
_LONGEST_MESSAGE: Final = 20_000
_MOST_PROBLEMS: Final = 50
_turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

Handler = Callable[[Request], Awaitable[Response]]


class JsonResponse(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS, default=str)


def empty(status: int) -> Response:
    return Response(status_code=status)


def error_answer(status: int, message: str) -> Response:
    """Source: org.apache.kafka.connect.runtime.rest.entities.ErrorMessage (Kafka 4.3)."""
    return JsonResponse({"error_code": status, "message": shortened(message, _LONGEST_MESSAGE)}, status_code=status)


async def blocking(work: Callable[..., Any], *args: Any) -> Any:
    """Run what may wait (the log, a plugin's process) on a thread: the event loop goes on answering."""
    return await run_in_threadpool(work, *args)


async def slowly(work: Callable[..., Any], *args: Any) -> Any:
    """The same for what may wait long. Only so many at a time: the other threads are left to quick answers."""
    loop = asyncio.get_running_loop()
    turns = _turns.get(loop)
    if turns is None:
        turns = _turns[loop] = asyncio.Semaphore(_SLOW_THREADS)
    async with turns:
        return await run_in_threadpool(work, *args)


def answered(request: Request, error: Exception) -> Response:
    """The answer to an error that a handler raised."""
    if isinstance(error, HttpError):
        return error_answer(error.status, str(error))
    if isinstance(error, HTTPException):
        return error_answer(error.status_code, f"HTTP {error.status_code} {error.detail}")
    if isinstance(error, NotAllowed):
        return error_answer(403, str(error))
    if isinstance(error, NotThere | NoSuchView):
        return error_answer(404, str(error))
    if isinstance(error, NotNow | NotLeader | Conflict):
        return error_answer(409, str(error))
    if isinstance(error, ConfigError):
        return error_answer(400, _invalid(error))
    if isinstance(error, NotValid | BadRequest):
        return error_answer(400, str(error))
    if isinstance(error, MessageRefused):  # Kafka Connect's 500 for it says nothing that helps
        reason = str(error).removesuffix("; nothing of this call was sent")
        return error_answer(413, f"Nothing was changed: {reason}, or make what is to be stored smaller")
    if isinstance(error, NotReady):
        return error_answer(503, str(error))
    if isinstance(error, Retriable):
        return error_answer(503, f"{str(error).rstrip('.')}; try again")
    if isinstance(error, HeadwaterError):
        return error_answer(500, str(error))
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return error_answer(500, f"{type(error).__name__}; the worker's log says more")


def _invalid(error: ConfigError) -> str:
    """Kafka Connect's words."""
    count = len(error.problems)
    some = error.problems[:_MOST_PROBLEMS]
    told = [str(Problem(shortened(p.option, 300), shortened(p.message), shortened(p.hint))) for p in some]
    if count > _MOST_PROBLEMS:
        told.append(f"… and {count - _MOST_PROBLEMS:,} more")
    return "\n".join([f"Connector configuration is invalid and contains the following {count} error(s):", *told])
