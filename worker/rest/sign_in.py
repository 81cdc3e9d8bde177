"""HTTP basic authentication against a properties file of name=password.

As with Kafka Connect's `BasicAuthSecurityRestExtension` every path needs it, `/health` too, but those on which workers
speak with one another: such requests are signed with the cluster's session key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from headwater.worker.api import ConfigError, Problem
from headwater.worker.config.properties_text import PropertiesError, read_properties
from headwater.worker.config.rest_options import USERS_FILE

from .answers import error_answer

__all__ = ["SignIn", "users_of"]

_INTERNAL: Final = (
    ("POST", re.compile(r"/connectors/[^/]+/tasks/?")),
    ("PUT", re.compile(r"/connectors/[^/]+/fence/?")),
)
_NOBODY: Final = "\0"


def users_of(settings: Mapping[str, str]) -> dict[str, str] | None:
    """Passwords by user; None: nobody has to sign in. `settings` expanded. Raises `ConfigError`."""
    path = settings.get(USERS_FILE, "").strip()
    if not path:
        if settings.get("rest.extension.classes", "").strip():
            hint = "a properties file of name=password, the one that your JAAS file names for PropertyFileLoginModule"
            raise ConfigError([Problem(USERS_FILE, "required by rest.extension.classes", hint)])
        return None
    try:
        users = {entry.key: entry.value for entry in read_properties(Path(path).read_bytes())}
    except OSError as error:
        raise ConfigError([Problem(USERS_FILE, f"cannot read {path}: {error.strerror}")]) from error
    except PropertiesError as error:
        raise ConfigError([Problem(USERS_FILE, f"{path}:{error.line} is not name=password")]) from error
    users = {name: password for name, password in users.items() if name and password}
    if not users:  # Kafka Connect would let everybody in
        raise ConfigError([Problem(USERS_FILE, f"{path} names nobody", "lines of name=password")])
    return users


class SignIn:
    """Lets in who is in `users`."""

    def __init__(self, app: ASGIApp, users: Mapping[str, str]) -> None:
        self._app = app
        self._users = {name.encode(): password.encode() for name, password in users.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _internal(scope) or self._welcome(_credentials(scope)):
            await self._app(scope, receive, send)
            return
        answer = error_answer(401, "User cannot access the resource.")
        answer.headers["WWW-Authenticate"] = 'Basic realm="headwater", charset="UTF-8"'
        await answer(scope, receive, send)

    def _welcome(self, credentials: tuple[bytes, bytes] | None) -> bool:
        """Takes as long for an unknown name as for a wrong password."""
        name, password = credentials or (b"", b"")
        known = self._users.get(name)
        same = hmac.compare_digest(password, _NOBODY.encode() if known is None else known)
        return same and known is not None


def _internal(scope: Scope) -> bool:
    return any(scope["method"] == method and path.fullmatch(scope["path"]) for method, path in _INTERNAL)


def _credentials(scope: Scope) -> tuple[bytes, bytes] | None:
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except binascii.Error:
        return None
    return (name, password) if colon else None
