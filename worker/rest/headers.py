"""Headers of every answer: those of `response.http.headers.config`, and what pages from elsewhere may do (CORS)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from email.utils import formatdate
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ResponseHeaders", "cross_origin"]

_METHODS: Final = ("GET", "POST", "HEAD")
"""Kafka Connect's default of `access.control.allow.methods`."""


class ResponseHeaders:
    """`rules`: (set, add, setdate or adddate, name, value); a date's value is milliseconds from now.

    Source: `HeaderFilter` of Jetty, which Kafka Connect configures so.
    """

    def __init__(self, app: ASGIApp, rules: Sequence[tuple[str, str, str]]) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for action, name, value in self._rules:
                    text = formatdate(time.time() + int(value) / 1000, usegmt=True) if "date" in action else value
                    if action.startswith("set"):
                        headers[name] = text
                    else:
                        headers.append(name, text)
            await send(message)

        await self._app(scope, receive, with_headers)


def cross_origin(app: ASGIApp, origins: Sequence[str], methods: Sequence[str]) -> ASGIApp:
    """Lets browsers show answers to pages of these origins. Credentials that a browser holds go to named ones alone."""
    return CORSMiddleware(
        app,
        allow_origins=list(origins),
        allow_methods=list(methods or _METHODS),
        allow_headers=["X-Requested-With", "Content-Type", "Accept", "Origin", "Authorization"],
        allow_credentials="*" not in origins,
    )
