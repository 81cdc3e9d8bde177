"""One value <-> the text that stands for it where it is encrypted.

Format 1: `hw1:KEY_ID:DATA`; DATA is base64 (URL alphabet, no padding) of AES-256-SIV (RFC 5297) over the value as JSON,
with `hw1:KEY_ID` as associated data. What JSON has no form for is an object of one name: `b` bytes in base64, `d` a
decimal, `f` a float that is no number, `i` an integer of more than 64 bits.

SIV is deterministic: equal values of one subject become equal texts, so that a record that is read twice is written the
same, and an unchanged field does not look changed.
"""

from __future__ import annotations

import math
import re
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from headwater.worker.api import DataError

from .subject_keys import SubjectKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

__all__ = ["PREFIX", "decrypted", "encrypted", "is_encrypted", "key_of"]

PREFIX: Final = "hw1:"
_ID: Final = 32
_FORM: Final = re.compile(f"{PREFIX}[0-9a-f]{{{_ID}}}:")


def encrypted(key: SubjectKey, value: Any) -> str:
    """Raises `DataError` for a value that is no scalar, or a text that is no UTF-8."""
    head = PREFIX + key.id
    try:
        plain = orjson.dumps(_plain(value))
    except orjson.JSONEncodeError as error:
        raise DataError("a text with half a character (a lone surrogate) cannot be encrypted") from error
    data = _siv(key.key).encrypt(plain, [head.encode()])
    return f"{head}:{urlsafe_b64encode(data).rstrip(b'=').decode()}"


def is_encrypted(value: Any) -> bool:
    """No more than its form: a text that somebody has made to look so has a key that is not there."""
    return isinstance(value, str) and _FORM.match(value) is not None


def key_of(text: str) -> str:
    """The id of the key that opens it."""
    return text[len(PREFIX) : len(PREFIX) + _ID]


def decrypted(key: SubjectKey, text: str) -> Any:
    """Raises `DataError` for a text that was changed."""
    from cryptography.exceptions import InvalidTag

    head, _, data = text.rpartition(":")
    try:
        padded = data + "=" * (-len(data) % 4)
        return _back(orjson.loads(_siv(key.key).decrypt(urlsafe_b64decode(padded), [head.encode()])))
    except (InvalidTag, ValueError) as error:
        raise DataError(f"an encrypted field was changed or cut: {text[:48]}…") from error


@lru_cache(maxsize=1024)
def _siv(key: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(key)


def _plain(value: Any) -> Any:
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else {"i": str(value)}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"f": str(value)}
    if isinstance(value, bytes):
        return {"b": b64encode(value).decode()}
    if isinstance(value, Decimal):
        return {"d": str(value)}
    raise DataError(f"a {type(value).__name__} cannot be encrypted: name the fields in it, as outer.inner")


def _back(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    read: dict[str, Callable[[str], Any]] = {"i": int, "f": float, "d": Decimal, "b": b64decode}
    return read[kind](text)
