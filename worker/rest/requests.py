"""What comes in: whose browser asks, how large and how deep a body may be, and its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.requests import Request

MAX_BODY: Final = 8 * 1024 * 1024
MAX_DEPTH: Final = 64
_LONE_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""Where one may be; a whole pair begins so as well."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class HttpError(Exception):
    """An answer in Kafka Connect's form: {"error_code","message"}."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def check_host(header: str | None, loopback: bool, hosts: Collection[str] = ()) -> None:
    """A page in a browser may reach a loopback listener by a name that it has pointed there (DNS rebinding).

    `hosts`: other names that the listener goes by.
    """
    if not loopback:
        return
    try:
        host = urlsplit(f"//{header or ''}").hostname
    except ValueError:
        host = None
    if host not in _LOOPBACK and host not in hosts and not (host or "").startswith("127."):
        raise HttpError(403, "this worker listens on loopback and answers to localhost and 127.0.0.1 alone")


def check_origin(request: Request, allowed: Collection[str] = ()) -> None:
    """A browser names the page that asks; other pages than those `allowed` may not change anything here."""
    origin = request.headers.get("origin")
    if origin is None or request.method in ("GET", "HEAD", "OPTIONS") or origin in allowed or "*" in allowed:
        return
    if urlsplit(origin).netloc != request.headers.get("host"):
        raise HttpError(403, "requests of pages from elsewhere are not answered")


def check_accept(header: str | None) -> None:
    """All that is answered is JSON."""
    kinds = [part.partition(";")[0].strip().lower() for part in (header or "*/*").split(",")]
    if not {"*/*", "application/*", "application/json"} & set(kinds):
        raise HttpError(406, "HTTP 406 Not Acceptable")


def base_url(request: Request) -> str:
    """This listener, by the name that the client calls it: http://host:port."""
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"


async def whole_body(request: Request) -> bytes:
    """May be asked for again. Raises `HttpError` 413."""
    held: bytes | None = getattr(request.state, "whole_body", None)
    if held is not None:
        return held
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY:
            raise HttpError(413, f"the request is larger than {MAX_BODY // 1024 // 1024} MiB")
    request.state.whole_body = bytes(data)
    return bytes(data)


async def json_body(request: Request, required: bool = True) -> Any:
    """The request's JSON. None where there is none and none is `required`. Raises `HttpError` 400, 413, 415."""
    data = await whole_body(request)
    if not data.strip():
        if required:
            raise HttpError(400, "the request has no body; JSON is expected")
        return None
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HttpError(415, "HTTP 415 Unsupported Media Type")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_no_twice, parse_constant=_no_constant)
    except RecursionError as error:
        raise HttpError(400, "the JSON is nested too deeply") from error
    except ValueError as error:
        raise HttpError(400, f"the body is not JSON: {error}") from error
    if _deeper(value, MAX_DEPTH):
        raise HttpError(400, f"the JSON is nested more than {MAX_DEPTH} levels deep")
    if _LONE_HALF.search(data) and not _is_unicode(value):
        raise HttpError(400, "the body holds half a character: an escape \\ud800 to \\udfff without its other half")
    return value


def _is_unicode(value: Any) -> bool:
    """JSON can write down halves of surrogate pairs, which are no text: neither an answer nor the log takes them."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = sorted({name for name, _ in pairs if sum(other == name for other, _ in pairs) > 1})
        raise ValueError(f"{', '.join(twice)} stands twice in one object")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _deeper(value: Any, levels: int) -> bool:
    if levels == 0:
        return True
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_deeper(part, levels - 1) for part in inner)


def text_options(value: Any, nulls: bool = False) -> dict[str, Any]:
    """A config: names to texts; numbers and booleans become text as Jackson makes them. Raises `HttpError` 400."""
    if not isinstance(value, dict):
        raise HttpError(400, "a config is a JSON object of names and texts")
    found: dict[str, Any] = {}
    for name, option in value.items():
        if isinstance(option, bool):
            found[name] = "true" if option else "false"
        elif isinstance(option, int | float):
            found[name] = str(option)
        elif isinstance(option, str) or (option is None and nulls):
            found[name] = option
        else:
            raise HttpError(400, f"option {name} is neither text, number nor boolean")
    return found


def flag(request: Request, name: str, default: bool = False) -> bool:
    """A query parameter that is true or false."""
    text = request.query_params.get(name)
    if text is None:
        return default
    return text.lower() == "true"
