"""The worker's settings for the client that speaks the group protocol: librdkafka's as kafka-python's.

One reading of the worker file (`worker/log/kafka_settings.py`) serves both clients. What kafka-python cannot do is an
error, not left out: a worker must not join its group less protected than it moves data.
"""

from __future__ import annotations

import contextlib
import ssl
import tempfile
from collections.abc import Callable, Mapping
from typing import Final

from headwater.worker.api import ConfigError, Problem
from headwater.worker.log.kafka_settings import Role, client_settings

__all__ = ["client_options"]

_PASSWORD_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_NUMBERS: Final[Mapping[str, str]] = {
    "connections.max.idle.ms": "connections_max_idle_ms",
    "metadata.max.age.ms": "metadata_max_age_ms",
    "reconnect.backoff.ms": "reconnect_backoff_ms",
    "reconnect.backoff.max.ms": "reconnect_backoff_max_ms",
    "socket.connection.setup.timeout.ms": "socket_connection_setup_timeout_ms",
}
_AS_WRITTEN: Final[Mapping[str, tuple[str, ...]]] = {
    "ssl.ca.location": ("ssl.truststore.location",),
    "ssl.ca.pem": ("ssl.truststore.certificates",),
    "ssl.certificate.location": ("ssl.keystore.location",),
    "ssl.certificate.pem": ("ssl.keystore.certificate.chain",),
    "ssl.key.location": ("ssl.keystore.location",),
    "ssl.key.pem": ("ssl.keystore.key",),
    "ssl.key.password": ("ssl.keystore.password",),
    "sasl.mechanism": ("sasl.mechanisms",),
}
"""librdkafka's name -> how else it may stand in the worker file."""
_CANNOT: Final[Mapping[str, tuple[str, str]]] = {
    "ssl.keystore.location": (
        "the workers' group is joined with a client that cannot read PKCS12",
        "convert it: openssl pkcs12 -in STORE -nodes -out worker.pem, then ssl.keystore.type=PEM and "
        "ssl.keystore.location=worker.pem",
    ),
    "ssl.curves.list": ("the client with which the workers' group is joined cannot choose curves", "leave it out"),
    "ssl.sigalgs.list": ("the client with which the workers' group is joined cannot choose them", "leave it out"),
}
_LARGEST: Final = 512 << 20
"""Bytes of one answer: the leader gets every member's connectors and tasks in one."""


def client_options(worker: Mapping[str, str], client_id: str) -> dict[str, object]:
    """kafka-python's options. `worker`: the worker's options, `${…}` expanded. Raises `ConfigError`."""
    plain = {name: value for name, value in worker.items() if not name.startswith("admin.")}
    given = client_settings(Role.ADMIN, plain, None)
    options: dict[str, object] = {
        "bootstrap_servers": [server.strip() for server in worker["bootstrap.servers"].split(",") if server.strip()],
        "client_id": client_id,
        "receive_message_max_bytes": _LARGEST,
        "reconnect_backoff_max_ms": 1000,
        "security_protocol": given.get("security.protocol", "plaintext").upper(),
    }
    for name, there in _NUMBERS.items():
        if name in given:
            options[there] = int(given[name])
    if given.get("client.dns.lookup") == "resolve_canonical_bootstrap_servers_only":
        options["client_dns_lookup"] = given["client.dns.lookup"]
    problems = [Problem(name, *text) for name, text in _CANNOT.items() if given.get(name)]
    if str(options["security_protocol"]).startswith("SASL"):
        _add_log_in(given, options, problems)
    if str(options["security_protocol"]).endswith("SSL") and not problems:
        try:
            options["ssl_context"] = _tls(given)
        except _Unreadable as error:
            problems.append(Problem(_as_written(error.option, worker), str(error), "see the brokers' certificates"))
    if problems:
        raise ConfigError(problems)
    return options


def _as_written(option: str, worker: Mapping[str, str]) -> str:
    return next((name for name in (option, *_AS_WRITTEN.get(option, ())) if name in worker), option)


def _add_log_in(given: Mapping[str, str], options: dict[str, object], problems: list[Problem]) -> None:
    mechanism = given.get("sasl.mechanism", "GSSAPI").upper()
    if mechanism not in _PASSWORD_MECHANISMS:
        text = f"the workers' group cannot be joined with {mechanism}"
        problems.append(Problem("sasl.mechanism", text, f"there are {', '.join(_PASSWORD_MECHANISMS)}"))
        return
    options["sasl_mechanism"] = mechanism
    for name, there in (("sasl.username", "sasl_plain_username"), ("sasl.password", "sasl_plain_password")):
        if name in given:
            options[there] = given[name]
        else:
            problems.append(Problem(name, f"is needed to log in with {mechanism}", "or give sasl.jaas.config"))


class _Unreadable(Exception):
    def __init__(self, option: str, why: str) -> None:
        super().__init__(why)
        self.option = option


def _tls(given: Mapping[str, str]) -> ssl.SSLContext:
    """Raises `_Unreadable`."""
    context = ssl.create_default_context()
    if given.get("ssl.endpoint.identification.algorithm") == "none":
        context.check_hostname = False
    if given.get("enable.ssl.certificate.verification", "true").strip().lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "ssl.ca.location" in given or "ssl.ca.pem" in given:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # none of the system's authorities
        own.check_hostname, own.verify_mode = context.check_hostname, context.verify_mode
        context = own
    steps: list[tuple[str, Callable[[str], None]]] = [
        ("ssl.ca.location", lambda value: context.load_verify_locations(cafile=value)),
        ("ssl.ca.pem", lambda value: context.load_verify_locations(cadata=value)),
        ("ssl.cipher.suites", lambda value: context.set_ciphers(value.replace(",", ":"))),
        ("ssl.crl.location", lambda value: _revoked(context, value)),
    ]
    for option, step in steps:
        if given.get(option):
            try:
                step(given[option])
            except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
                raise _Unreadable(option, f"cannot be used for TLS: {error}") from error
    _add_own_certificate(context, given)
    return context


def _revoked(context: ssl.SSLContext, path: str) -> None:
    context.load_verify_locations(cafile=path)
    context.verify_flags |= ssl.VerifyFlags.VERIFY_CRL_CHECK_LEAF


def _add_own_certificate(context: ssl.SSLContext, given: Mapping[str, str]) -> None:
    """Python takes files alone: what the settings hold themselves is written to one that its owner alone can read."""
    with contextlib.ExitStack() as stack:

        def file(kind: str) -> str | None:
            if not given.get(f"ssl.{kind}.pem"):
                return given.get(f"ssl.{kind}.location")
            written = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".pem"))
            written.write(given[f"ssl.{kind}.pem"])
            written.flush()
            return written.name

        certificate, key = file("certificate"), file("key")
        if certificate is None:
            return
        try:
            context.load_cert_chain(certificate, key, given.get("ssl.key.password", ""))
        except OSError as error:
            option = next(name for name in ("ssl.certificate.pem", "ssl.certificate.location") if given.get(name))
            raise _Unreadable(option, f"the worker's own certificate cannot be used: {error}") from error
