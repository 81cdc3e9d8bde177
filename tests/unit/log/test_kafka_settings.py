"""Options of Kafka's Java clients as librdkafka's settings."""

from __future__ import annotations

import logging
from pathlib import Path

import confluent_kafka
import pytest

from headwater.worker.api import ConfigError
from headwater.worker.log.kafka import KafkaLog
from headwater.worker.log.kafka_names import LIBRDKAFKA, OF_CLIENT, OWNED
from headwater.worker.log.kafka_settings import MAX_BLOCK, Role, client_settings

SERVERS = {"bootstrap.servers": "127.0.0.1:1"}
SCRAM = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="ann" password="p\\"w;=x";'


def problems(**given: str) -> str:
    options = {name.replace("__", "."): value for name, value in given.items()}
    with pytest.raises(ConfigError) as caught:
        client_settings(Role.PRODUCER, SERVERS | options, None)
    return str(caught.value)


def test_the_nearest_place_wins() -> None:
    worker = SERVERS | {"client.id": "plain", "producer.linger.ms": "7", "consumer.client.id": "c", "linger.ms": "1"}
    overrides = {"producer.override.linger.ms": "9", "producer.override.client.id": "mine", "name": "x"}
    assert client_settings(Role.PRODUCER, worker, None)["linger.ms"] == "7"
    producer = client_settings(Role.PRODUCER, worker, overrides)
    assert (producer["linger.ms"], producer["client.id"]) == ("9", "mine")
    assert client_settings(Role.CONSUMER, worker, overrides)["client.id"] == "c"
    assert client_settings(Role.ADMIN, worker, overrides)["client.id"] == "plain"


def test_what_is_not_about_kafka_clients_is_passed_over() -> None:
    given = client_settings(Role.ADMIN, SERVERS | {"group.id": "g", "rest.port": "1", "key.converter": "x"}, {"a": "b"})
    assert "group.id" not in given
    assert given["bootstrap.servers"] == "127.0.0.1:1"


def test_javas_names_become_librdkafkas() -> None:
    given = client_settings(
        Role.PRODUCER,
        SERVERS
        | {
            "producer.delivery.timeout.ms": "20000",
            "producer.max.request.size": "5000000",
            "producer.buffer.memory": "67108864",
            "producer.compression.type": "zstd",
            "send.buffer.bytes": "1000",
            "producer.transaction.timeout.ms": "15000",
        },
        None,
    )
    assert given["message.timeout.ms"] == "15000", "a record may not wait longer than its transaction"
    assert given["message.max.bytes"] == "5000000"
    assert given["queue.buffering.max.kbytes"] == "65536"
    assert given["socket.send.buffer.bytes"] == "1000"
    assert given["compression.type"] == "zstd"
    consumer = client_settings(
        Role.CONSUMER, SERVERS | {"consumer.fetch.max.wait.ms": "50", "consumer.auto.offset.reset": "latest"}, None
    )
    assert (consumer["fetch.wait.max.ms"], consumer["auto.offset.reset"]) == ("50", "latest")


@pytest.mark.parametrize(("given", "taken"), [({}, "5000"), ({"consumer.metadata.max.age.ms": "86400000"}, "3600000")])
def test_what_a_member_waits_for_is_asked_for_anew(given: dict[str, str], taken: str) -> None:
    """librdkafka asks by itself every 5 minutes, and may lose an answer with a broker."""
    assert client_settings(Role.CONSUMER, SERVERS | given, None)["topic.metadata.refresh.interval.ms"] == taken


@pytest.mark.parametrize("role", list(Role))
def test_librdkafka_takes_every_name(role: Role) -> None:
    """That is: refuses none of them as unknown."""
    texts = {"compression.type": "lz4", "debug": "msg", "auto.offset.reset": "earliest", "acks": "all"}
    texts |= {"broker.address.family": "v4", "queued.min.messages": "10", "max.in.flight.requests.per.connection": "5"}
    texts |= {"log.connection.close": "false", "socket.keepalive.enable": "true", "socket.nagle.disable": "true"}
    texts |= {"check.crcs": "true", "topic.metadata.refresh.sparse": "true", "compression.codec": "lz4"}
    texts |= {"message.max.bytes": "2000000", "receive.message.max.bytes": "200000000", "log_level": "6"}
    for name in OF_CLIENT[role] | LIBRDKAFKA[role] | LIBRDKAFKA["both"]:
        option = f"{role}.override.{name}"
        value = texts.get(name, "10000")
        if name.endswith("level") and name != "log_level":
            value = "3"
        given = client_settings(role, SERVERS, {option: value})
        if role is Role.CONSUMER:
            confluent_kafka.Consumer(given | {"group.id": "g", "log_level": "0"}).close()
        elif "transaction.timeout.ms" not in name:
            given.pop(MAX_BLOCK, None)
            confluent_kafka.Producer(given | {"log_level": "0"})


def test_what_has_no_effect_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        client_settings(Role.CONSUMER, SERVERS | {"consumer.metrics.num.samples": "3"}, None)
    assert [record.getMessage() for record in caplog.records if "metrics.num.samples" in record.getMessage()] == [
        "consumer.metrics.num.samples has no effect here: librdkafka, Headwater's Kafka client, has nothing like it"
    ]


def test_unknown_and_unsupported_options_are_refused_all_at_once() -> None:
    text = problems(producer__linger__mss="1", producer__partitioner__class="x", producer__buffer__memory="much")
    assert "producer.linger.mss: unknown option of a Kafka client (did you mean linger.ms?)" in text
    assert "producer.partitioner.class: this option of Kafka's Java client is not supported" in text
    assert "producer.buffer.memory: must be a whole number, not 'much'" in text


@pytest.mark.parametrize("name", sorted(OWNED))
def test_what_headwater_must_set_itself_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="Headwater sets this itself"):
        KafkaLog(SERVERS, {f"consumer.override.{name}": "x"})


def test_acks_may_not_be_less_than_all() -> None:
    assert "producer.acks" in problems(producer__acks="1")
    for same in ("all", "-1"):
        assert client_settings(Role.PRODUCER, SERVERS | {"producer.acks": same}, None)["acks"] == "all"


def test_user_and_password_come_out_of_jaas() -> None:
    given = client_settings(
        Role.CONSUMER,
        SERVERS | {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-256", "sasl.jaas.config": SCRAM},
        {"consumer.override.sasl.jaas.config": SCRAM.replace("ann", "bob")},
    )
    assert given["sasl.username"] == "bob"
    assert given["sasl.password"] == 'p"w;=x'
    assert (given["security.protocol"], given["sasl.mechanism"]) == ("sasl_ssl", "SCRAM-SHA-256")
    assert "sasl.jaas.config" not in given


def test_no_secret_is_in_an_error() -> None:
    jaas = 'org.example.OwnLoginModule required username="ann" password="hidden-1";'
    text = problems(sasl__jaas__config=jaas, ssl__keystore__location="/k.jks", ssl__keystore__password="hidden-2")
    assert "OwnLoginModule" in text
    assert "hidden" not in text


def test_stores_are_pem_or_pkcs12(tmp_path: Path) -> None:
    given = client_settings(
        Role.ADMIN,
        SERVERS
        | {
            "security.protocol": "ssl",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": "/ca.pem",
            "ssl.keystore.location": "/own.p12",
            "ssl.keystore.type": "PKCS12",
            "ssl.keystore.password": "secret",
            "ssl.key.password": "other",
            "ssl.endpoint.identification.algorithm": "",
        },
        None,
    )
    assert given["ssl.ca.location"] == "/ca.pem"
    assert (given["ssl.keystore.location"], given["ssl.keystore.password"]) == ("/own.p12", "secret")
    assert given["ssl.endpoint.identification.algorithm"] == "none"
    java = tmp_path / "store"
    java.write_bytes(b"\xfe\xed\xfe\xed\x00\x00")
    text = problems(ssl__truststore__location=str(java), ssl__keystore__location=str(java))
    assert "keytool -importkeystore" in text
    assert "ssl.truststore.type=PEM" in text


def test_a_pem_in_one_line_gets_its_lines_back() -> None:
    pem = "-----BEGIN CERTIFICATE----- AAAA BBBB -----END CERTIFICATE-----"
    given = client_settings(Role.ADMIN, SERVERS | {"ssl.truststore.certificates": pem}, None)
    assert given["ssl.ca.pem"] == "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n"
    pem = pem.replace(" AAAA BBBB ", "\\nAAAA\\nBBBB\\n")
    assert (
        client_settings(Role.ADMIN, SERVERS | {"ssl.truststore.certificates": pem}, None)["ssl.ca.pem"]
        == (given["ssl.ca.pem"])
    )


def test_a_log_is_opened_without_asking_a_broker() -> None:
    KafkaLog(SERVERS).close()
