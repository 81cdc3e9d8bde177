"""Signatures of requests that workers of one cluster send each other.

Signed is the body alone, byte by byte, nothing where there is none. Source: KIP-507 and
org.apache.kafka.connect.runtime.rest.InternalRequestSignature, DistributedHerder.requestNotSignedProperly (4.3).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from typing import Final

from .refusals import NotAllowed, NotReady, NotValid
from .session_keys import DIGESTS, SessionKey, SessionPolicy

__all__ = ["ALGORITHM_HEADER", "SIGNATURE_HEADER", "check_signature", "signature_headers"]

SIGNATURE_HEADER: Final = "X-Connect-Authorization"
ALGORITHM_HEADER: Final = "X-Connect-Request-Signature-Algorithm"


def signature_headers(key: SessionKey, body: bytes, policy: SessionPolicy) -> dict[str, str]:
    """To be sent along with `body`."""
    signature = base64.b64encode(_sign(key, body, policy.signature_algorithm)).decode()
    return {SIGNATURE_HEADER: signature, ALGORITHM_HEADER: policy.signature_algorithm}


def check_signature(key: SessionKey | None, body: bytes, headers: Mapping[str, str], policy: SessionPolicy) -> None:
    """`key`: the newest of the config topic. `headers` by whatever case of their names.

    Raises `NotValid` (400) where there is no usable signature, `NotReady` (503) while no key has been read,
    `NotAllowed` (403) where the signature is wrong.
    """
    found = {name.lower(): value for name, value in headers.items()}
    encoded, algorithm = found.get(SIGNATURE_HEADER.lower()), found.get(ALGORITHM_HEADER.lower())
    if encoded is None or algorithm is None:
        raise NotValid("Internal request missing required signature")
    if algorithm not in policy.verification_algorithms:
        raise NotValid(
            f"This worker does not support the '{algorithm}' key signing algorithm used by other workers. This worker "
            f"is currently configured to use: [{', '.join(policy.verification_algorithms)}]. Check that all workers' "
            "configuration files permit the same set of signature algorithms, and correct any misconfigured worker "
            "and restart it."
        )
    try:
        signature = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotValid(f"the signature of the internal request is not base64: {error}") from error
    if key is None:
        raise NotReady(
            "This worker is still starting up and has not been able to read a session key from the config topic yet"
        )
    if not hmac.compare_digest(_sign(key, body, algorithm), signature):
        raise NotAllowed("Internal request contained invalid signature.")


def _sign(key: SessionKey, body: bytes, algorithm: str) -> bytes:
    return hmac.digest(key.key, body, DIGESTS[algorithm])
