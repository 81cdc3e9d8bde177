"""TLS, passwords and rights: the client that joins the group gets in with the worker's own settings."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AclOperation, ResourceType

from headwater.worker.cluster.group_client import client_options
from headwater.worker.cluster.group_membership import GroupMembership
from headwater.worker.cluster.membership import CONNECTOR, Item
from headwater.worker.log.contract import LogError
from tests.servers.kafka_security import GuardedKafka, running
from tests.servers.programs import program

pytestmark = pytest.mark.system

ONE = frozenset({Item("c", CONNECTOR)})


class Group:
    """One connector, and nothing to stop."""

    def config(self) -> tuple[int, Collection[Item]]:
        return 1, ONE

    def running(self) -> Collection[Item]:
        return ()

    def returning(self) -> Collection[Item]:
        return ()

    def changed(self) -> None:
        """Looked at below."""


@pytest.fixture(scope="module")
def broker() -> Iterator[GuardedKafka]:
    """Its user may be in groups whose names begin with `allowed`."""
    with running([(ResourceType.GROUP, "allowed", [AclOperation.READ, AclOperation.DESCRIBE])]) as guarded:
        yield guarded


def membership(broker: GuardedKafka, group: str, connect_ms: int = 60_000) -> GroupMembership:
    settings = {**broker.worker_settings("${env:GROUP_PASSWORD}"), "group.id": group}
    return GroupMembership(settings, "http://127.0.0.1:8083/", connect_ms)


def test_in_over_tls_with_a_password(broker: GuardedKafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GROUP_PASSWORD", broker.password)
    member = membership(broker, "allowed")
    member.start(Group())
    try:
        assert member.assigned().items == ONE
        assert member.assigned().leader
    finally:
        member.stop()
    assert member.assigned().generation == -1


def test_who_is_refused_is_told_why(
    broker: GuardedKafka, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GROUP_PASSWORD", broker.password)
    with pytest.raises(LogError, match="rights on the group"):
        membership(broker, "forbidden").start(Group())
    monkeypatch.setenv("GROUP_PASSWORD", "wrong-4711")
    with pytest.raises(LogError, match="credentials fit their listener") as error:
        membership(broker, "allowed", connect_ms=4000).start(Group())
    assert "4711" not in str(error.value) and "4711" not in caplog.text
    assert broker.password not in caplog.text


def test_brokers_that_are_not_there_are_told() -> None:
    settings = {"bootstrap.servers": "127.0.0.1:1", "group.id": "none"}
    member = GroupMembership(settings, "http://127.0.0.1:8083/", connect_ms=1500)
    with pytest.raises(LogError, match=r"127\.0\.0\.1:1"):
        member.start(Group())


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate in one file."""
    folder = tmp_path_factory.mktemp("pem")
    command = [program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=worker", "-days", "9"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


def context(**worker: str) -> ssl.SSLContext:
    given = {name.replace("_", "."): value for name, value in worker.items()}
    brokers = {"bootstrap.servers": "a:9092", "security.protocol": "SSL"}
    found = client_options({**brokers, **given}, "me")["ssl_context"]
    assert isinstance(found, ssl.SSLContext)
    return found


def test_certificates_from_files_and_from_the_settings(pem: Path) -> None:
    store = {"ssl_truststore_location": str(pem), "ssl_truststore_type": "PEM"}
    own = {"ssl_keystore_location": str(pem), "ssl_keystore_type": "PEM"}
    found = context(**store, **own)
    assert found.check_hostname and found.verify_mode == ssl.CERT_REQUIRED
    assert len(found.get_ca_certs()) == 1
    text = pem.read_text()
    key, certificate = (text[text.index(f"-----BEGIN {what}") :] for what in ("PRIVATE KEY", "CERTIFICATE"))
    key = key[: key.index("-----BEGIN CERT")]
    found = context(
        ssl_truststore_certificates=certificate,
        ssl_truststore_type="PEM",
        ssl_keystore_certificate_chain=certificate,
        ssl_keystore_key=key,
        ssl_keystore_type="PEM",
        ssl_endpoint_identification_algorithm="",
    )
    assert not found.check_hostname and found.verify_mode == ssl.CERT_REQUIRED
    assert len(found.get_ca_certs()) == 1


def test_no_verification_has_to_be_asked_for() -> None:
    assert context().verify_mode == ssl.CERT_REQUIRED
    assert context(enable_ssl_certificate_verification="false").verify_mode == ssl.CERT_NONE
