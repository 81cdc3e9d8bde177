from __future__ import annotations

import pytest

from headwater.worker.api import ConfigError
from headwater.worker.cluster.internal_requests import (
    ALGORITHM_HEADER,
    SIGNATURE_HEADER,
    check_signature,
    signature_headers,
)
from headwater.worker.cluster.refusals import NotAllowed, NotReady, NotValid
from headwater.worker.cluster.session_keys import SessionKey, SessionPolicy

POLICY = SessionPolicy()
KEY = SessionKey(b"key", "HmacSHA256", 1_000)


def test_a_key_is_due() -> None:
    hour = 3_600_000
    assert POLICY.is_due(None, 0)
    key = POLICY.new_key(1_000)
    assert len(key.key) == 32 and key.algorithm == "HmacSHA256"
    assert not POLICY.is_due(key, hour + 999)
    assert POLICY.is_due(key, hour + 1_000)
    assert not SessionPolicy(ttl_ms=0).is_due(key, 10 * hour)
    assert SessionPolicy(key_bits=128).is_due(key, 1_000)
    assert SessionPolicy(generation_algorithm="HmacSHA512").is_due(key, 1_000)


def test_a_key_is_written_and_read_and_not_shown() -> None:
    assert SessionKey.of_document(KEY.as_document()) == KEY
    assert "key=" not in repr(KEY) and str(KEY.key) not in repr(KEY)
    for wrong in ({}, {**KEY.as_document(), "creation-timestamp": "1"}, {**KEY.as_document(), "key": "§"}):
        with pytest.raises(ValueError):
            SessionKey.of_document(wrong)


def test_options() -> None:
    assert SessionPolicy.of({}) == POLICY
    settings = {"inter.worker.key.generation.algorithm": "HmacSHA512", "inter.worker.key.ttl.ms": "5",
                "inter.worker.signature.algorithm": "HmacSHA1",
                "inter.worker.verification.algorithms": "HmacSHA256, HmacSHA1"}  # fmt: skip
    assert SessionPolicy.of(settings) == SessionPolicy(5, "HmacSHA512", 512, "HmacSHA1", ("HmacSHA256", "HmacSHA1"))
    with pytest.raises(ConfigError) as caught:
        SessionPolicy.of({"inter.worker.signature.algorithm": "HmacMD2", "inter.worker.key.size": "8"})
    assert [problem.option for problem in caught.value.problems] == [
        "inter.worker.signature.algorithm",
        "inter.worker.verification.algorithms",
        "inter.worker.key.size",
    ]


def test_the_body_is_signed() -> None:
    # RFC 4231, test case 2
    headers = signature_headers(SessionKey(b"Jefe", "HmacSHA256", 0), b"what do ya want for nothing?", POLICY)
    assert headers == {
        "X-Connect-Authorization": "W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=",
        "X-Connect-Request-Signature-Algorithm": "HmacSHA256",
    }


@pytest.mark.parametrize("body", [b"", b'[{"a":"\xc3\xbc"}]'])
def test_signatures_are_checked(body: bytes) -> None:
    headers = signature_headers(KEY, body, POLICY)
    check_signature(KEY, body, headers, POLICY)
    check_signature(KEY, body, {name.lower(): value for name, value in headers.items()}, POLICY)
    for key, changed, refused in [
        (KEY, body + b" ", NotAllowed),
        (SessionKey(b"other", "HmacSHA256", 1_000), body, NotAllowed),
        (None, body, NotReady),
    ]:
        with pytest.raises(refused):
            check_signature(key, changed, headers, POLICY)
    for wrong in (
        {},
        {SIGNATURE_HEADER: headers[SIGNATURE_HEADER]},
        {**headers, ALGORITHM_HEADER: "HmacSHA1"},
        {**headers, SIGNATURE_HEADER: "§"},
    ):
        with pytest.raises(NotValid):
            check_signature(KEY, body, wrong, POLICY)
