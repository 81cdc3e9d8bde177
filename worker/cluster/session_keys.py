"""The key that the workers of a cluster sign requests to each other with; the leader makes it and writes it down.

Record `session-key` of the config topic: {"key": base64, "algorithm", "creation-timestamp": ms}. Source: KIP-507 and
org.apache.kafka.connect.runtime.SessionKey (4.3).
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headwater.worker.api import ConfigError, Problem

__all__ = ["DIGESTS", "SessionKey", "SessionPolicy"]

_KEY_BITS: Final[Mapping[str, int]] = {
    "HmacSHA256": 256,
    "HmacSHA384": 384,
    "HmacSHA512": 512,
    "HmacSHA224": 224,
    "HmacSHA1": 512,
}
"""Bits of a key where nothing else is asked for, as Java's key generators make them."""
DIGESTS: Final[Mapping[str, str]] = {
    "HmacSHA256": "sha256",
    "HmacSHA384": "sha384",
    "HmacSHA512": "sha512",
    "HmacSHA224": "sha224",
    "HmacSHA1": "sha1",
}
"""Of Java's algorithms, by hashlib's names."""
_LEAST_BITS: Final = 40


@dataclass(frozen=True, slots=True)
class SessionKey:
    """`created_ms` since 1970."""

    key: bytes
    algorithm: str
    created_ms: int

    def __repr__(self) -> str:
        return f"SessionKey({self.algorithm}, {len(self.key) * 8} bits, created_ms={self.created_ms})"

    def as_document(self) -> dict[str, Any]:
        """The record's value."""
        text = base64.b64encode(self.key).decode()
        return {"key": text, "algorithm": self.algorithm, "creation-timestamp": self.created_ms}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> SessionKey:
        """Raises `ValueError` for what is no such record."""
        key, algorithm, created = (document.get(name) for name in ("key", "algorithm", "creation-timestamp"))
        if not isinstance(key, str) or not isinstance(algorithm, str) or type(created) is not int:
            raise ValueError("a session key has the texts key and algorithm and the whole number creation-timestamp")
        try:
            return cls(base64.b64decode(key, validate=True), algorithm, created)
        except binascii.Error as error:
            raise ValueError(f"the session key is not base64: {error}") from error


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """The worker's options `inter.worker.…`. `ttl_ms` 0: a key is never replaced for its age."""

    ttl_ms: int = 3_600_000
    generation_algorithm: str = "HmacSHA256"
    key_bits: int = 256
    signature_algorithm: str = "HmacSHA256"
    verification_algorithms: tuple[str, ...] = ("HmacSHA256",)

    @classmethod
    def of(cls, settings: Mapping[str, str]) -> SessionPolicy:
        """From the worker's settings as text, expanded. Raises `ConfigError`."""
        default = cls()
        made = settings.get("inter.worker.key.generation.algorithm", "").strip() or default.generation_algorithm
        signed = settings.get("inter.worker.signature.algorithm", "").strip() or default.signature_algorithm
        listed = settings.get("inter.worker.verification.algorithms", "").split(",")
        size = settings.get("inter.worker.key.size", "").strip()
        policy = cls(
            int(settings.get("inter.worker.key.ttl.ms", "").strip() or default.ttl_ms),
            made,
            int(size or _KEY_BITS.get(made, 0)),
            signed,
            tuple(filter(None, map(str.strip, listed))) or default.verification_algorithms,
        )
        if problems := policy._problems():
            raise ConfigError(problems)
        return policy

    def _problems(self) -> list[Problem]:
        named = {
            "inter.worker.key.generation.algorithm": [self.generation_algorithm],
            "inter.worker.signature.algorithm": [self.signature_algorithm],
            "inter.worker.verification.algorithms": self.verification_algorithms,
        }
        known = f"one of {', '.join(DIGESTS)}"
        found = [
            Problem(option, f"{name} is not known", known, name)
            for option, names in named.items()
            for name in names
            if name not in DIGESTS
        ]
        if self.signature_algorithm not in self.verification_algorithms:
            message = f"lacks inter.worker.signature.algorithm, {self.signature_algorithm}"
            found.append(Problem("inter.worker.verification.algorithms", message, "add it on every worker"))
        if self.generation_algorithm in _KEY_BITS and self.key_bits < _LEAST_BITS:
            message = f"{self.key_bits} bits are too few"
            found.append(Problem("inter.worker.key.size", message, f"at least {_LEAST_BITS}, or leave it out"))
        return found

    def new_key(self, now_ms: int) -> SessionKey:
        return SessionKey(secrets.token_bytes(self._key_bytes), self.generation_algorithm, now_ms)

    def is_due(self, key: SessionKey | None, now_ms: int) -> bool:
        """Must the leader write a new key: there is none, it is too old, or not of the kind that is configured?"""
        if key is None or key.algorithm != self.generation_algorithm or len(key.key) != self._key_bytes:
            return True
        return self.ttl_ms > 0 and key.created_ms + self.ttl_ms <= now_ms

    @property
    def _key_bytes(self) -> int:
        return (self.key_bits + 7) // 8
