"""Where REST answers: bound sockets, and the address by which others reach them."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from headwater.worker.api import ConfigError, Fatal, Problem
from headwater.worker.config.tls import LISTENERS, server_context

__all__ = ["Listener", "advertised_url", "bind", "is_loopback", "parse_address"]

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - what an empty host means in Kafka Connect


class Listener:
    """A bound socket. Bind first, before anything is started: a port that is taken ends the program while it can."""

    def __init__(self, address: str, settings: Mapping[str, str] | None = None, admin: bool = False) -> None:
        """`address`: host:port with http://, https:// or neither; port 0 takes a free one, no host all addresses.

        `settings` expanded: TLS of an https listener. `admin`: a listener of `admin.listeners`.
        Raises `ConfigError`, `Fatal`.
        """
        option = "admin.listeners" if admin else "listeners"
        scheme, host, port = parse_address(address, option)
        self.admin = admin
        self.host = host or _EVERYWHERE
        self.tls: ssl.SSLContext | None = None
        if scheme == "https":
            self.tls = server_context(settings or {}, f"admin.{LISTENERS}" if admin else LISTENERS)
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        # Named, or asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for its second half.
        self.socket = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self.socket.bind((self.host, port))
            self.socket.listen(128)
        except OSError as error:
            self.socket.close()
            raise Fatal(
                f"the REST API cannot listen on {self.host}:{port}: {error.strerror or error}. Does another worker run "
                f"there? Choose another address with --listen (or {option} in the worker file), or --listen none"
            ) from error
        self.port: int = self.socket.getsockname()[1]
        self.loopback = is_loopback(self.host)

    @property
    def scheme(self) -> str:
        return "http" if self.tls is None else "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self}"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def close(self) -> None:
        self.socket.close()


def bind(settings: Mapping[str, str], addresses: Sequence[str], admin: Iterable[str] | None) -> list[Listener]:
    """All listeners of a worker, or none. `settings` expanded. Raises `ConfigError`, `Fatal`."""
    listeners: list[Listener] = []
    try:
        for address in addresses:
            listeners.append(Listener(address, settings))
        for address in admin or ():
            listeners.append(Listener(address, settings, admin=True))
    except BaseException:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def parse_address(address: str, option: str = "listeners") -> tuple[str, str, int]:
    """(http or https, host, port). Raises `ConfigError`."""
    parts = urlsplit(address if "//" in address else f"//{address}")
    try:
        port = parts.port
    except ValueError:
        port = None
    has_host = bool(parts.hostname) or (bool(parts.scheme) and parts.netloc.startswith(":"))
    if parts.scheme.lower() not in ("", "http", "https") or not has_host or port is None or parts.path.strip("/"):
        hint = "it looks like http://127.0.0.1:8083 or https://0.0.0.0:8443"
        raise ConfigError([Problem(option, f"{address!r} is not an address to listen on", hint)])
    return parts.scheme.lower() or "http", parts.hostname or "", port


def advertised_url(settings: Mapping[str, str], listeners: Sequence[Listener]) -> str:
    """How other workers reach this one: `rest.advertised.…`, else its first listener, http before https.

    A listener on all addresses is advertised by this machine's name. `settings` expanded. Raises `ConfigError`.
    """
    public = [listener for listener in listeners if not listener.admin]
    scheme = settings.get("rest.advertised.listener", "").strip().lower()
    fitting = [listener for listener in public if listener.scheme == scheme] if scheme else public
    if not fitting:
        there = f"no {scheme} listener" if scheme else "no listener"
        raise ConfigError([Problem("rest.advertised.listener", f"there is {there} that other workers could reach")])
    listener = next((one for one in fitting if one.scheme == "http"), fitting[0])
    host = settings.get("rest.advertised.host.name", "").strip()
    if not host:
        host = socket.getfqdn() if _is_unspecified(listener.host) else listener.host
    port = settings.get("rest.advertised.port", "").strip() or listener.port
    return f"{listener.scheme}://[{host}]:{port}/" if ":" in host else f"{listener.scheme}://{host}:{port}/"


def is_loopback(host: str) -> bool:
    """Is this a name or address of the machine that uses it?"""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_unspecified(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False
