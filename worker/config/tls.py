"""TLS of https listeners, and of calls to other workers that have them.

Source of the names and of how they are found: `SSLUtils` of Kafka Connect 4.3 (`listeners.https.ssl.…` all or nothing,
else the worker's own `ssl.…`). Keys and certificates are PEM, as files or as text in the option.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from headwater.worker.api import ConfigError, Problem

__all__ = ["LISTENERS", "among_workers", "client_context", "server_context"]

LISTENERS: Final = "listeners.https."
_CLIENT_AUTH: Final = {"none": ssl.CERT_NONE, "requested": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_VERSIONS: Final = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_PEM: Final = b"-----BEGIN "
_CONVERT: Final = (
    "convert it: keytool -importkeystore -srckeystore FILE -destkeystore FILE.p12 -deststoretype PKCS12 (for JKS), "
    "then openssl pkcs12 -in FILE.p12 -nodes -out FILE.pem"
)


def server_context(settings: Mapping[str, str], prefix: str = LISTENERS) -> ssl.SSLContext:
    """`settings` expanded. Raises `ConfigError` where keys or certificates are missing or of no use."""
    options = _Options(settings, prefix)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    options.limit(context)
    if not options.load_own(context):
        name = options.name("ssl.keystore.location")
        raise ConfigError([Problem(name, "required for an https listener", "a PEM file with key and certificates")])
    wanted = options.get("ssl.client.auth").lower() or "none"
    if wanted not in _CLIENT_AUTH:
        raise options.wrong("ssl.client.auth", f"is none, requested or required, not {wanted!r}")
    context.verify_mode = _CLIENT_AUTH[wanted]
    if not options.load_trusted(context) and context.verify_mode is not ssl.CERT_NONE:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    return context


def among_workers(settings: Mapping[str, str]) -> ssl.SSLContext | None:
    """For calls to other workers of the cluster. None: theirs are no https listeners, by what this one's are.

    `settings` expanded. Raises `ConfigError`.
    """
    https = any(address.strip().lower().startswith("https") for address in settings.get("listeners", "").split(","))
    own = any(name.startswith(f"{LISTENERS}ssl.") for name in settings)
    return client_context(settings) if https or own else None


def client_context(settings: Mapping[str, str]) -> ssl.SSLContext:
    """For calls to other workers' https listeners. `settings` expanded. Raises `ConfigError`."""
    options = _Options(settings, LISTENERS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    options.limit(context)
    options.load_own(context)
    if not options.load_trusted(context):
        context.load_default_certs()
    if "ssl.endpoint.identification.algorithm" in options.given and not options.get(
        "ssl.endpoint.identification.algorithm"
    ):
        context.check_hostname = False
    return context


class _Options:
    def __init__(self, settings: Mapping[str, str], prefix: str) -> None:
        own = {name.removeprefix(prefix): text for name, text in settings.items() if name.startswith(f"{prefix}ssl.")}
        self._prefix = prefix if own else ""
        self.given = own or {name: text for name, text in settings.items() if name.startswith("ssl.")}

    def get(self, name: str) -> str:
        return self.given.get(name, "").strip()

    def name(self, name: str) -> str:
        return self._prefix + name

    def wrong(self, name: str, message: str, hint: str = "") -> ConfigError:
        return ConfigError([Problem(self.name(name), message, hint)])

    def limit(self, context: ssl.SSLContext) -> None:
        protocols = [part.strip() for part in (self.get("ssl.enabled.protocols") or "TLSv1.2,TLSv1.3").split(",")]
        known = [_VERSIONS[protocol] for protocol in protocols if protocol in _VERSIONS]
        if not known:
            raise self.wrong("ssl.enabled.protocols", "names neither TLSv1.2 nor TLSv1.3")
        context.minimum_version, context.maximum_version = min(known), max(known)
        if suites := self.get("ssl.cipher.suites"):
            try:
                context.set_ciphers(":".join(part.strip() for part in suites.split(",")))
            except ssl.SSLError as error:
                hint = "name them as OpenSSL does, e.g. ECDHE-RSA-AES256-GCM-SHA384; those of TLS 1.3 are always on"
                raise self.wrong("ssl.cipher.suites", "names no cipher that is known here", hint) from error

    def load_own(self, context: ssl.SSLContext) -> bool:
        """Key and certificates. False: none are given."""
        password = self.given.get("ssl.key.password") or self.given.get("ssl.keystore.password") or ""
        if chain := self.get("ssl.keystore.certificate.chain"):
            text = f"{chain}\n{self.get('ssl.keystore.key')}\n".encode()
            self._load_text(context, text, password)
            return True
        location = self.get("ssl.keystore.location")
        if not location:
            return False
        self._pem("ssl.keystore", location)
        self._load_file(context, location, password)
        return True

    def _load_text(self, context: ssl.SSLContext, text: bytes, password: str) -> None:
        """Python reads a key from files alone: one that only this user may read, gone at once."""
        descriptor, path = tempfile.mkstemp(suffix=".pem")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)
            self._load_file(context, path, password, "ssl.keystore.certificate.chain")
        finally:
            os.unlink(path)

    def _load_file(
        self, context: ssl.SSLContext, path: str, password: str, option: str = "ssl.keystore.location"
    ) -> None:
        try:
            # Without a password of ours OpenSSL would ask for one on the terminal.
            context.load_cert_chain(path, password=lambda: password)
        except (ssl.SSLError, OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            hint = "it holds a private key and its certificates, and ssl.key.password opens the key if it is encrypted"
            raise self.wrong(option, f"holds no key and certificates of use ({reason})", hint) from error

    def load_trusted(self, context: ssl.SSLContext) -> bool:
        """Whose certificates are believed. False: none are given."""
        text = self.get("ssl.truststore.certificates")
        location = self.get("ssl.truststore.location")
        if not text and not location:
            return False
        if not text:
            text = self._pem("ssl.truststore", location).decode("ascii", "replace")
        try:
            context.load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError) as error:
            option = "ssl.truststore.location" if location else "ssl.truststore.certificates"
            raise self.wrong(option, "holds no certificates of use", "PEM, one after the other") from error
        return True

    def _pem(self, kind: str, location: str) -> bytes:
        option = f"{kind}.location"
        try:
            data = Path(location).read_bytes()
        except OSError as error:
            raise self.wrong(option, f"cannot read {location}: {error.strerror}") from error
        if _PEM not in data:
            declared = self.get(f"{kind}.type") or "JKS or PKCS12"
            raise self.wrong(option, f"{location} is no PEM file ({declared}?), and Headwater reads PEM", _CONVERT)
        return data
