"""HTTP calls to a schema registry: its URLs one after the other, signed in, over TLS where asked for.

Of the standard library alone: a few calls a schema need no connection pool. Source: Confluent's RestService.
"""

from __future__ import annotations

import base64
import http.client
import random
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

import orjson

from headwater.worker.api import ConfigError, Fatal, Problem, Unavailable, Values, shortened

__all__ = ["Calls", "Refused"]

_JSON: Final = "application/vnd.schemaregistry.v1+json"
_LATER: Final = (408, 425, 429)
_MOST_BYTES: Final = 64 * 1024 * 1024
_STORE: Final = "schema.registry.ssl."


class Refused(Exception):
    """The registry's answer is an error: HTTP status, its own error code (0: none), what it says."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Calls:
    """`call` asks the URLs in turn, beginning with the one that answered last. Tokens and headers are read without
    the line end that a file or variable brought along."""

    def __init__(self, values: Values) -> None:
        """Raises `ConfigError` for certificates of no use."""
        self._urls = [urlsplit(url.rstrip("/")) for url in values["schema.registry.url"]]
        if values["schema.registry.url.randomize"]:
            random.shuffle(self._urls)
        self._connect_s = values["http.connect.timeout.ms"] / 1000
        self._read_s = values["http.read.timeout.ms"] / 1000
        self._first_wait_s = values["retries.wait.ms"] / 1000
        self._most_wait_s = values["retries.max.wait.ms"] / 1000
        self._failures = 0
        self._proxy = (values["proxy.host"], values["proxy.port"]) if values["proxy.host"] else None
        self._tls = _tls(values)
        self._headers = {name[1]: (text or "").strip() for name, text in values.matching(r"request\.header\.(.+)")}
        self._sign_in = _sign_in(values, self._token_request)

    @property
    def where(self) -> str:
        """The registry for messages, without credentials."""
        return ", ".join(self._shown(url) for url in self._urls)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The decoded answer. Raises `Refused`, `Unavailable`, and `Fatal` where it wants other credentials."""
        data = None if body is None else orjson.dumps(body)
        said = []
        for url in list(self._urls):
            try:
                answer = self._once(method, url, path, data)
            except (OSError, http.client.HTTPException) as error:
                said.append(f"{self._shown(url)}: {_why(error)}")
            except ValueError:  # its message may hold the secret that is malformed
                raise Fatal(
                    f"the schema registry {self._shown(url)} cannot be called: its URL, the token or a header of the "
                    "converter holds what HTTP does not allow (a line end, say). The task stops; correct "
                    "schema.registry.url, basic.auth.*, bearer.auth.* or request.header.*"
                ) from None
            else:
                self._failures = 0
                return answer
            self._urls.append(self._urls.pop(0))
        wait_s = min(self._most_wait_s, self._first_wait_s * 2 ** min(self._failures, 30))
        self._failures += 1
        raise Unavailable(f"the schema registry does not answer ({'; '.join(said)})", wait_s)

    def _once(self, method: str, url: Any, path: str, data: bytes | None) -> Any:
        headers = {"Accept": f"{_JSON}, application/json", **self._headers, **self._sign_in(url)}
        if data is not None:
            headers["Content-Type"] = _JSON
        status, content = self._send(method, url, f"{url.path}{path}", headers, data)
        if status in _LATER or status >= 500:
            raise http.client.HTTPException(f"status {status}, {_said(content)[1]}")
        if status in (401, 403):
            raise Fatal(
                f"the schema registry {self._shown(url)} refuses these credentials (status {status}). The task stops; "
                "correct basic.auth.* or bearer.auth.* of the converter"
            )
        if not 200 <= status < 300:
            raise Refused(status, *_said(content))
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise http.client.HTTPException("its answer is no JSON; is this a schema registry's URL?") from error

    def _send(
        self, method: str, url: Any, target: str, headers: Mapping[str, str], data: bytes | None
    ) -> tuple[int, bytes]:
        secure = url.scheme == "https"
        host, port = url.hostname, url.port or (443 if secure else 80)
        to = self._proxy or (host, port)
        connection = (
            http.client.HTTPSConnection(*to, timeout=self._connect_s, context=self._tls)
            if secure
            else http.client.HTTPConnection(*to, timeout=self._connect_s)
        )
        if self._proxy and secure:
            connection.set_tunnel(host, port)
        elif self._proxy:
            target = f"http://{host}:{port}{target}"
        try:
            connection.connect()
            connection.sock.settimeout(self._read_s)
            connection.request(method, target or "/", data, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read(_MOST_BYTES)
        finally:
            connection.close()

    def _token_request(self, endpoint: str, user: str, password: str, form: Mapping[str, str]) -> Any:
        """A token from an OAuth provider. Raises `OSError`, `http.client.HTTPException`."""
        url = urlsplit(endpoint)
        headers = {"Content-Type": "application/x-www-form-urlencoded", **_basic(user, password)}
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        status, content = self._send("POST", url, target, headers, urlencode(form).encode())
        if status != 200:
            raise http.client.HTTPException(f"the token endpoint {url.hostname} answers with status {status}")
        return orjson.loads(content)

    @staticmethod
    def _shown(url: Any) -> str:
        port = f":{url.port}" if url.port else ""
        return f"{url.scheme}://{url.hostname}{port}{url.path}"


SignIn = Callable[[Any], Mapping[str, str]]
"""Headers for a call to a URL."""


def _sign_in(values: Values, request: Callable[[str, str, str, Mapping[str, str]], Any]) -> SignIn:
    source = values["bearer.auth.credentials.source"]
    extra = {
        "target-sr-cluster": values["bearer.auth.logical.cluster"],
        "Confluent-Identity-Pool-Id": values["bearer.auth.identity.pool.id"],
    }
    given = {name: text for name, text in extra.items() if text}
    if source == "STATIC_TOKEN":
        token = values["bearer.auth.token"].strip()
        return lambda url: {"Authorization": f"Bearer {token}", **given}
    if source == "OAUTHBEARER":
        tokens = _Tokens(values, request)
        return lambda url: {"Authorization": f"Bearer {tokens.current()}", **given}
    if values["basic.auth.credentials.source"] == "USER_INFO":
        user, _, password = values["basic.auth.user.info"].partition(":")
        return lambda url: _basic(user, password)
    return lambda url: _basic(unquote(url.username), unquote(url.password or "")) if url.username else {}


def _basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


class _Tokens:
    """Client credentials grant (RFC 6749, 4.4); a token is kept until shortly before its end."""

    def __init__(self, values: Values, request: Callable[[str, str, str, Mapping[str, str]], Any]) -> None:
        self._ask: Callable[[], Any] = lambda: request(
            values["bearer.auth.issuer.endpoint.url"],
            values["bearer.auth.client.id"],
            values["bearer.auth.client.secret"],
            {"grant_type": "client_credentials"}
            | ({"scope": values["bearer.auth.scope"]} if values["bearer.auth.scope"] else {}),
        )
        self._margin_s = values["bearer.auth.cache.expiry.buffer.seconds"]
        self._token, self._until = "", 0.0

    def current(self) -> str:
        if time.monotonic() >= self._until:
            try:
                answer = self._ask()
                self._token, lasts_s = answer["access_token"], float(answer.get("expires_in", 0))
            except (KeyError, TypeError, ValueError) as error:
                raise http.client.HTTPException("the token endpoint's answer holds no access_token") from error
            self._until = time.monotonic() + (lasts_s - self._margin_s if lasts_s > self._margin_s else lasts_s)
        return self._token


def _tls(values: Values) -> ssl.SSLContext:
    context = ssl.create_default_context()
    location, text = values[f"{_STORE}truststore.location"], values[f"{_STORE}truststore.certificates"]
    if location or text:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cafile=location, cadata=text)
        except (OSError, ValueError) as error:
            name = f"{_STORE}truststore.{'location' if location else 'certificates'}"
            raise ConfigError([Problem(name, f"holds no certificates of use ({_why(error)})", "PEM")]) from error
    if not values[f"{_STORE}endpoint.identification.algorithm"]:
        context.check_hostname = False
    if own := values[f"{_STORE}keystore.location"]:
        password = values[f"{_STORE}key.password"] or ""
        try:
            context.load_cert_chain(own, password=lambda: password)
        except (OSError, ValueError) as error:
            problem = Problem(
                f"{_STORE}keystore.location",
                f"holds no key and certificates of use ({_why(error)})",
                "one PEM file with both; key.password opens an encrypted key",
            )
            raise ConfigError([problem]) from error
    return context


def _why(error: BaseException) -> str:
    return getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error) or type(error).__name__


def _said(content: bytes) -> tuple[int, str]:
    """Error code and message of an answer."""
    try:
        found = orjson.loads(content)
        return int(found.get("error_code", 0)), shortened(str(found.get("message", "")), 1_500)
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError):
        return 0, shortened(content.decode("utf-8", "replace"), 300)
