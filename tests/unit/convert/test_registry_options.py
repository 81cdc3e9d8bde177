"""Options of converters with a schema registry: what is accepted has an effect, the rest is refused."""

from __future__ import annotations

import pytest

from headwater.worker.api import ConfigError
from headwater.worker.convert.avro import AvroConverter
from tests.converters import configured

URL = "http://nowhere:1"


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        (None, {}, "schema.registry.url: required and missing"),
        ("mock://x", {}, "schema.registry.url: is a list of http:// or https:// URLs"),
        ("nowhere:8081", {}, "schema.registry.url: is a list of"),
        (",", {}, "schema.registry.url: names no registry"),
        ("http://nowhere:80811", {}, "schema.registry.url: is a list of"),
        ("http://[::1", {}, "schema.registry.url: is a list of"),
        (URL, {"bearer.auth.issuer.endpoint.url": "http://h:x/"}, "endpoint.url: is an http:// or https:// URL"),
        (URL, {"proxy.host": "h", "proxy.port": "70000"}, "proxy.port: is a port"),
        (URL, {"use.latest.version": "true"}, "has no effect while schemas are registered"),
        (URL, {"use.schema.id": "5"}, "use.schema.id: has no effect while schemas are registered"),
        (
            URL,
            {"use.schema.id": "5", "use.latest.version": "true", "auto.register.schemas": "false"},
            "use.latest.version: has no effect beside use.schema.id",
        ),
        (URL, {"basic.auth.credentials.source": "USER_INFO"}, "basic.auth.user.info: is to be `user:password`"),
        (URL, {"basic.auth.user.info": "a:b"}, "set basic.auth.credentials.source to USER_INFO"),
        (URL, {"basic.auth.credentials.source": "SASL_INHERIT"}, "must be one of URL, USER_INFO"),
        (URL, {"bearer.auth.token": "t"}, "bearer.auth.credentials.source: is missing"),
        (URL, {"bearer.auth.credentials.source": "OAUTHBEARER"}, "bearer.auth.client.secret: is missing"),
        (URL, {"proxy.host": "h"}, "proxy.host: needs proxy.port"),
        (URL, {"value.subject.name.strategy": "com.example.Mine"}, "is none of TopicNameStrategy"),
        (URL, {"use.latest.with.metadata": "a=b"}, "use.latest.with.metadata: not supported"),
        (URL, {"rule.executors": "x"}, "rule.executors: not supported"),
        (URL, {"generalized.sum.type.support": "true"}, "generalized.sum.type.support: not supported"),
        (URL, {"value.schema.id.serializer": "a.HeaderSchemaIdSerializer"}, "not supported"),
        (URL, {"schema.registry.ssl.truststore.password": "x"}, "Headwater reads PEM"),
        (URL, {"schema.registry.ssl.protocol": "x"}, "only stores as PEM"),
        (URL, {"auto.register.schema": "false"}, "did you mean auto.register.schemas"),
    ],
)
def test_refused(url: str | None, options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configured(AvroConverter, url, **options)
    assert message in str(caught.value)


def test_what_changes_nothing_is_accepted() -> None:
    configured(
        AvroConverter,
        f"{URL},https://other/base",
        **{
            "key.subject.name.strategy": "io.confluent.kafka.serializers.subject.TopicNameStrategy",
            "value.schema.id.deserializer": "io.confluent.kafka.serializers.schema.id.DualSchemaIdDeserializer",
            "specific.avro.reader": "false",
            "schemas.cache.config": "10",
            "generalized.sum.type.support": "false",
        },
    )


def test_secrets_are_not_in_errors() -> None:
    with pytest.raises(ConfigError) as caught:
        configured(AvroConverter, URL, **{"basic.auth.user.info": "anna:se-cret", "proxy.host": "h"})
    assert "se-cret" not in str(caught.value)
