"""The worker's options for REST, parsed."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from headwater.worker.api import ConfigError, Options
from headwater.worker.config.rest_options import REST, header_rules
from headwater.worker.config.tls import among_workers

from .sign_in import users_of

__all__ = ["RestSettings"]

_OPTIONS = Options(*REST)


@dataclass(frozen=True, slots=True)
class RestSettings:
    """`users` None: nobody signs in. `tls` None: calls to https workers use this system's own certificates."""

    users: Mapping[str, str] | None = None
    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[tuple[str, str, str], ...] = ()
    """(action, name, value); see `header_rules`."""
    admin: tuple[str, ...] | None = None
    """Addresses of `admin.listeners`; None: `/admin` answers on the others, (): nowhere."""
    hosts: frozenset[str] = field(default=frozenset())
    """Names, besides those of loopback, by which requests may call a loopback listener."""
    topics_shown: bool = True
    topics_reset: bool = True
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> RestSettings:
        """`settings` expanded. Raises `ConfigError`."""
        own = {name: text for name, text in settings.items() if _OPTIONS.find(name) is not None}
        values, problems = _OPTIONS.parse(own)
        if problems:
            raise ConfigError(problems)
        admin = values["admin.listeners"]
        named = values["rest.advertised.host.name"]
        return cls(
            users=users_of(settings),
            origins=tuple(values["access.control.allow.origin"]),
            methods=tuple(values["access.control.allow.methods"]),
            headers=tuple(header_rules(values["response.http.headers.config"])),
            admin=None if admin is None else tuple(admin),
            hosts=frozenset([named] if named else []),
            topics_shown=values["topic.tracking.enable"],
            topics_reset=values["topic.tracking.allow.reset"],
            tls=among_workers(settings),
        )
