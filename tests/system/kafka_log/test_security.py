"""Passwords, certificates and rights: each client gets in with Kafka's Java options, and is told what it lacks."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from headwater.connectors.kafka.sink import KafkaSinkConnector
from headwater.connectors.kafka.source import KafkaSourceConnector
from headwater.worker.api import Fatal, HeadwaterError, Record, TaskContext, TopicPartition
from headwater.worker.log import Log, Message, open_log
from tests.servers.cache import SERVER_USER, is_root
from tests.servers.kafka import KafkaServer
from tests.servers.programs import program
from tests.sink_task import SinkTask

pytestmark = pytest.mark.system

PASSWORD = "never-shown-4711"
MODULES = "org.apache.kafka.common.security"
SETTINGS = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS;User:CN=worker",
    "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
    "listener.name.plain.plain.sasl.jaas.config": f'{MODULES}.plain.PlainLoginModule required user_ann="{PASSWORD}";',
    "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256",
    "listener.name.scram.scram-sha-256.sasl.jaas.config": f"{MODULES}.scram.ScramLoginModule required;",
    "listener.name.mutual.ssl.client.auth": "required",
}
LISTENERS = {"PLAIN": "SASL_PLAINTEXT", "SCRAM": "SASL_PLAINTEXT", "MUTUAL": "SSL"}


def make_stores(folder: Path) -> None:
    """`broker.p12`, `worker.p12` and `worker.pem` with a key each, `trusted.p12` with the worker's certificate,
    `ca.pem` with the broker's."""
    keytool = [program("keytool", "openjdk-17-jdk-headless"), "-storetype", "PKCS12", "-storepass", PASSWORD]
    commands = []
    for name in ("broker", "worker"):
        store = ["-keystore", f"{name}.p12", "-alias", name]
        make = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1", "-dname", f"CN={name}", "-validity", "9"]
        commands.append([*keytool, *make, "-ext", "SAN=ip:127.0.0.1", *store])
        commands.append([*keytool, "-exportcert", "-rfc", "-file", f"{name}.crt", *store])
    trust = ["-importcert", "-noprompt", "-file", "worker.crt", "-keystore", "trusted.p12", "-alias", "worker"]
    commands.append([*keytool, *trust])
    pem = ["pkcs12", "-in", "worker.p12", "-passin", f"pass:{PASSWORD}", "-nodes", "-out", "worker.pem"]
    commands.append([program("openssl", "openssl"), *pem])
    for command in commands:
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL, cwd=folder)
    if is_root():
        for path in folder.iterdir():
            shutil.chown(path, SERVER_USER)


@pytest.fixture(scope="module")
def guarded() -> Iterator[KafkaServer]:
    server = KafkaServer("4.3", SETTINGS, LISTENERS)
    try:
        make_stores(server.folder)
        for kind, name in (("keystore", "broker"), ("truststore", "trusted")):
            prefix = f"listener.name.mutual.ssl.{kind}"
            server.settings |= {
                f"{prefix}.location": str(server.folder / f"{name}.p12"),
                f"{prefix}.type": "PKCS12",
                f"{prefix}.password": PASSWORD,
            }
        server.write_properties()
        server.start()
        admin = AdminClient({"bootstrap.servers": server.bootstrap})
        credential = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        user = UserScramCredentialUpsertion("ann", credential, PASSWORD.encode())
        admin.alter_user_scram_credentials([user])["ann"].result(60)
        rights = [(ResourceType.TOPIC, "open"), (ResourceType.GROUP, "open"), (ResourceType.TRANSACTIONAL_ID, "open")]
        for made in admin.create_acls([allowed(kind, prefix) for kind, prefix in rights]).values():
            made.result(60)
        yield server
    finally:
        server.close()


def allowed(kind: ResourceType, prefix: str) -> AclBinding:
    return AclBinding(
        kind, prefix, ResourcePatternType.PREFIXED, "User:ann", "*", AclOperation.ALL, AclPermissionType.ALLOW
    )


def jaas(module: str, password: str = PASSWORD) -> str:
    return f'{MODULES}.{module} required username="ann" password="{password}";'


def as_plain(server: KafkaServer, password: str = PASSWORD) -> dict[str, str]:
    return {
        "bootstrap.servers": server.address("PLAIN"),
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": jaas("plain.PlainLoginModule", password),
    }


def as_scram(server: KafkaServer, password: str = PASSWORD) -> dict[str, str]:
    return {
        "bootstrap.servers": server.address("SCRAM"),
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.jaas.config": jaas("scram.ScramLoginModule", password),
    }


def with_certificate(server: KafkaServer, **store: str) -> dict[str, str]:
    given = {
        "bootstrap.servers": server.address("MUTUAL"),
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(server.folder / "broker.crt"),
    }
    return given | {f"ssl.keystore.{name}": value for name, value in store.items()}


def work(log: Log, name: str) -> None:
    """Every kind of client: makes a topic, writes a transaction, reads it as a group's member, stores an offset."""
    log.create_topic(name, 1, {})
    producer = log.producer(name)
    producer.init_transactions()
    producer.begin()
    producer.send([Message(name, b"k", b"v")])
    producer.commit()
    producer.close()
    consumer = log.consumer(name)
    consumer.subscribe([name], (0, 1), dict.fromkeys, lambda taken: None)
    found: list[Message] = []
    while not found:
        found = consumer.poll(1, 1.0)
    consumer.commit({TopicPartition(name, 0): 1})
    consumer.close()
    assert log.committed(name) == {TopicPartition(name, 0): 1}
    log.close()


def test_plain_and_scram(guarded: KafkaServer) -> None:
    work(open_log(as_plain(guarded), Path("unused")), "open-plain")
    work(open_log(as_scram(guarded), Path("unused")), "open-scram")


def test_certificates(guarded: KafkaServer) -> None:
    p12 = {"type": "PKCS12", "location": str(guarded.folder / "worker.p12"), "password": PASSWORD}
    work(open_log(with_certificate(guarded, **p12), Path("unused")), "tls-p12")
    pem = {"type": "PEM", "location": str(guarded.folder / "worker.pem")}
    work(open_log(with_certificate(guarded, **pem), Path("unused")), "tls-pem")


def test_an_override_logs_in_as_somebody_else(guarded: KafkaServer) -> None:
    own = {f"{role}.override.{name}": v for role in ("producer", "consumer", "admin") for name, v in
           as_scram(guarded).items()}  # fmt: skip
    work(open_log({"bootstrap.servers": guarded.bootstrap}, Path("unused"), own), "open-override")


@pytest.mark.parametrize("who", [as_plain, as_scram])
def test_a_wrong_password_is_said_and_not_shown(guarded: KafkaServer, who: object) -> None:
    assert callable(who)
    log = open_log(who(guarded, "wrong-but-secret"), Path("unused"))
    with pytest.raises(Fatal, match="refuse the log-in") as caught:
        log.topics(["open-plain"])
    assert "secret" not in str(caught.value)
    log.close()


def test_missing_rights_are_named(guarded: KafkaServer) -> None:
    everybody = open_log({"bootstrap.servers": guarded.bootstrap}, Path("unused"))
    everybody.create_topic("closed", 1, {})
    log = open_log(as_plain(guarded), Path("unused"))
    log.create_topic("open-rights", 1, {})

    def transaction() -> None:
        log.producer("closed").init_transactions()

    def read() -> None:
        consumer = log.consumer("closed")
        try:
            consumer.subscribe(["open-rights"], (0, 1), dict.fromkeys, lambda taken: None)
            for _ in range(600):
                consumer.poll(1, 0.1)
        finally:
            consumer.close()

    def send() -> None:
        producer = log.producer()
        producer.send([Message("closed", b"k", b"v")])
        producer.close()

    for call, right in (
        (lambda: log.create_topic("closed-2", 1, {}), "topic"),
        (send, "topic"),
        (transaction, "transactional id"),
        (read, "group"),
    ):
        with pytest.raises(HeadwaterError, match=rf"rights on the (consumer )?{right}.*add an ACL"):
            call()
    log.close()
    everybody.close()


def clients(side: str, given: Mapping[str, str]) -> dict[str, str]:
    """As the options of a connector that has another cluster."""
    settings = {f"{side}.client.{name}": text for name, text in given.items() if name != "bootstrap.servers"}
    return {f"{side}.bootstrap.servers": given["bootstrap.servers"], **settings}


def by_password(server: KafkaServer, password: str = PASSWORD) -> dict[str, str]:
    shown = {name: text for name, text in as_scram(server).items() if name != "sasl.jaas.config"}
    return shown | {"sasl.username": "ann", "sasl.password": password}


def test_connectors_of_other_clusters_log_in(guarded: KafkaServer) -> None:
    """`KafkaSink` with a password, `KafkaSource` with a certificate."""
    topic, own = "open-elsewhere", TopicPartition("local", 0)
    options = clients("target", by_password(guarded)) | {"topic": topic, "target.partitions": "1"}
    values, problems = KafkaSinkConnector.options.parse(options)
    assert not problems and PASSWORD not in repr(values)
    with SinkTask(KafkaSinkConnector().task(), values, own) as task:
        task.put(Record(own.topic, b"k", b"v", partition=0, offset=0))
    certificate = {
        "bootstrap.servers": guarded.address("MUTUAL"), "security.protocol": "ssl",
        "ssl.ca.location": str(guarded.folder / "broker.crt"), "ssl.keystore.password": PASSWORD,
        "ssl.keystore.location": str(guarded.folder / "worker.p12"),
    }  # fmt: skip
    options = clients("source", certificate) | {"topics": topic, "topic": "here"}
    values, problems = KafkaSourceConnector.options.parse(options)
    assert not problems and PASSWORD not in repr(values)
    source = KafkaSourceConnector().task()
    source.open(TaskContext("here", 0, values, {}), [])
    found: list[Record] = []
    while not found:
        batch = source.read(1.0)
        found += batch.records if batch else []
    source.close()
    assert [(record.key, record.value) for record in found] == [(b"k", b"v")]


def test_connectors_of_other_clusters_are_told_of_a_wrong_password(guarded: KafkaServer) -> None:
    options = clients("source", by_password(guarded, "wrong-but-secret")) | {"topics": "open-plain", "topic": "here"}
    values, problems = KafkaSourceConnector.options.parse(options)
    assert not problems
    [finding] = KafkaSourceConnector().check(values)
    assert finding.level == "error" and "the credentials" in finding.message and "secret" not in finding.message
    source = KafkaSourceConnector().task()
    source.open(TaskContext("here", 0, values, {}), [])
    with pytest.raises(Fatal, match="the credentials"):
        source.read(1.0)
    source.close()
