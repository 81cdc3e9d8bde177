"""One worker file for two Kafka clients: what the group's client gets of it, and what it cannot do."""

from __future__ import annotations

import pytest

from headwater.worker.api import ConfigError
from headwater.worker.cluster.group_client import client_options

BROKERS = {"bootstrap.servers": "a:9092, b:9092"}


def options(**worker: str) -> dict[str, object]:
    return client_options({**BROKERS, **{name.replace("_", "."): value for name, value in worker.items()}}, "me")


def refused(**worker: str) -> str:
    with pytest.raises(ConfigError) as error:
        options(**worker)
    return str(error.value)


def test_without_protection() -> None:
    found = options(reconnect_backoff_ms="70", producer_linger_ms="5")
    assert found["bootstrap_servers"] == ["a:9092", "b:9092"]
    assert found["security_protocol"] == "PLAINTEXT"
    assert found["reconnect_backoff_ms"] == 70
    assert found["client_id"] == "me"
    assert "ssl_context" not in found and "sasl_mechanism" not in found


def test_a_log_in_as_java_or_librdkafka_writes_it() -> None:
    jaas = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="ann" password="p\\"w";'
    found = options(security_protocol="SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-512", sasl_jaas_config=jaas)
    assert found["security_protocol"] == "SASL_PLAINTEXT"
    assert found["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (found["sasl_plain_username"], found["sasl_plain_password"]) == ("ann", 'p"w')
    assert (
        options(
            security_protocol="sasl_plaintext", sasl_mechanisms="PLAIN", sasl_username="ann", sasl_password="x"
        ).items()
        >= {"sasl_mechanism": "PLAIN", "sasl_plain_username": "ann", "sasl_plain_password": "x"}.items()
    )


def test_the_admin_clients_own_options_do_not_count() -> None:
    assert options(admin_security_protocol="SASL_SSL")["security_protocol"] == "PLAINTEXT"


def test_what_cannot_be_done_is_told() -> None:
    assert "OAUTHBEARER" in refused(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER")
    assert "GSSAPI" in refused(security_protocol="SASL_PLAINTEXT")
    assert "sasl.password" in refused(security_protocol="SASL_PLAINTEXT", sasl_mechanism="PLAIN", sasl_username="ann")
    assert "PKCS12" in refused(
        security_protocol="SSL", ssl_keystore_location="/no/store.p12", ssl_keystore_type="PKCS12"
    )
    assert "ssl.curves.list" in refused(security_protocol="SSL", ssl_curves_list="P-256")
    assert "ssl.truststore.location" in refused(
        security_protocol="SSL", ssl_truststore_location="/no/such.pem", ssl_truststore_type="PEM"
    )
