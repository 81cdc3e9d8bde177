"""Converters on a real registry: subjects, what it refuses, sign-in, several URLs, one that does not answer."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.api import ConfigError, DataError, Fatal, Schema, Type, Unavailable, primitive, struct
from headwater.worker.convert.avro import AvroConverter
from tests.converters import configured
from tests.servers.process import free_port
from tests.servers.registry import Registry
from tests.unit.rest.certificates import make

from .registry_gate import Gate, basic, standing

pytestmark = pytest.mark.system

INT, TEXT = primitive(Type.INT32), primitive(Type.STRING)
OLD = struct({"id": INT}, name="shop.Order")
NEW = struct({"id": INT, "note": primitive(Type.STRING, True)}, name="shop.Order")
_topics = itertools.count()


@pytest.fixture
def topic() -> str:
    return f"orders-{next(_topics)}"


def written(converter: AvroConverter, topic: str, schema: Schema | None, value: Any) -> bytes:
    data = converter.encoder(topic, schema)(value)
    assert data is not None
    return data


def number(data: bytes) -> int:
    return int.from_bytes(data[1:5], "big")


def register(registry: Registry, subject: str, schema: object, **more: object) -> int:
    body = {"schema": json.dumps(schema), **more}
    found: int = registry.request("POST", f"/subjects/{subject}/versions", body)["id"]
    return found


def test_schemas_are_registered_once_and_found_again(registry: Registry, topic: str) -> None:
    keys, values = configured(AvroConverter, registry.url, True), configured(AvroConverter, registry.url)
    key, value = written(keys, topic, OLD, {"id": 1}), written(values, topic, OLD, {"id": 1})
    assert {f"{topic}-key", f"{topic}-value"} <= set(registry.request("GET", "/subjects"))
    assert key[0] == value[0] == 0
    assert written(values, topic, NEW, {"id": 2, "note": "x"})[1:5] != value[1:5]
    versions = registry.request("GET", f"/subjects/{topic}-value/versions")
    assert versions == [1, 2]
    found = values.decode(topic, written(values, topic, NEW, {"id": 2, "note": "x"}))
    assert found.value == {"id": 2, "note": "x"}
    assert found.schema == NEW.with_(version=2)
    assert values.decode(topic, written(values, topic, NEW, {"id": 3, "note": None})).schema is found.schema
    assert values.decode(topic, None) == (None, None)
    assert values.encoder(topic, None)(None) is None
    assert values.encoder(topic, OLD.as_optional())(None) is None


def test_a_rehearsal_registers_nothing(registry: Registry, topic: str) -> None:
    rehearsed = configured(AvroConverter, registry.url)
    rehearsed.rehearse()
    assert number(written(rehearsed, topic, OLD, {"id": 1})) == 0
    assert f"{topic}-value" not in registry.request("GET", "/subjects")
    data = written(configured(AvroConverter, registry.url), topic, OLD, {"id": 1})
    again = configured(AvroConverter, registry.url)
    again.rehearse()
    assert written(again, topic, OLD, {"id": 1}) == data


def test_null_of_a_required_schema_is_refused(registry: Registry, topic: str) -> None:
    with pytest.raises(DataError, match="required"):
        configured(AvroConverter, registry.url).encoder(topic, OLD)(None)


@pytest.mark.parametrize(
    ("strategy", "subject"),
    [("io.confluent.kafka.serializers.subject.RecordNameStrategy", "shop.Order"),
     ("TopicRecordNameStrategy", "{topic}-shop.Order")],
)  # fmt: skip
def test_subject_strategies(registry: Registry, topic: str, strategy: str, subject: str) -> None:
    converter = configured(AvroConverter, registry.url, value_subject_name_strategy=strategy)
    data = written(converter, topic, OLD, {"id": 1})
    assert subject.format(topic=topic) in registry.request("GET", "/subjects")
    assert converter.decode(topic, data).value == {"id": 1}
    with pytest.raises(DataError, match="the value is no record"):
        converter.encoder(topic, INT)(1)


def test_an_incompatible_schema_is_refused_in_words(registry: Registry, topic: str) -> None:
    converter = configured(AvroConverter, registry.url)
    written(converter, topic, OLD, {"id": 1})
    changed = struct({"id": TEXT}, name="shop.Order")
    with pytest.raises(DataError) as caught:
        converter.encoder(topic, changed)({"id": "x"})
    said = str(caught.value)
    wanted = (f"'{topic}-value'", "incompatible", "level is BACKWARD", "STRING not compatible", "way out", registry.url)
    assert [part for part in wanted if part not in said] == []


def test_without_registering(registry: Registry, topic: str) -> None:
    converter = configured(AvroConverter, registry.url, auto_register_schemas="false")
    with pytest.raises(DataError, match=rf"not registered under subject '{topic}-value'.*auto\.register\.schemas"):
        converter.encoder(topic, OLD)({"id": 1})
    data = written(configured(AvroConverter, registry.url), topic, OLD, {"id": 1})
    fresh = configured(AvroConverter, registry.url, auto_register_schemas="false")
    assert written(fresh, topic, OLD, {"id": 1}) == data


def test_the_latest_version_is_written(registry: Registry, topic: str) -> None:
    converter = configured(AvroConverter, registry.url, auto_register_schemas="false", use_latest_version="true")
    with pytest.raises(DataError, match="latest schema of subject"):
        converter.encoder(topic, OLD)({"id": 1})
    fields = [{"name": "note", "type": "string", "default": "-"}, {"name": "id", "type": "long"}]
    latest = register(registry, f"{topic}-value", {"type": "record", "name": "Order", "fields": fields})
    data = written(converter, topic, OLD, {"id": 1})
    assert number(data) == latest
    assert converter.decode(topic, data).value == {"note": "-", "id": 1}
    with pytest.raises(DataError, match=r"cannot be written with version 1 of subject .*field id: is of type STRING"):
        converter.encoder(topic, struct({"id": TEXT}, name="shop.Order"))({"id": "x"})


def test_the_latest_version_is_looked_up_again(registry: Registry, topic: str) -> None:
    converter = configured(
        AvroConverter, registry.url, auto_register_schemas="false", use_latest_version="true", latest_cache_ttl_sec="0"
    )
    kept = configured(AvroConverter, registry.url, auto_register_schemas="false", use_latest_version="true")
    field = {"name": "id", "type": "int"}
    first = register(registry, f"{topic}-value", {"type": "record", "name": "Order", "fields": [field]})
    encode, encode_kept = converter.encoder(topic, OLD), kept.encoder(topic, OLD)
    assert {number(encode({"id": 1}) or b""), number(encode_kept({"id": 1}) or b"")} == {first}
    other = {"name": "x", "type": "int", "default": 0}
    second = register(registry, f"{topic}-value", {"type": "record", "name": "Order", "fields": [field, other]})
    assert number(encode({"id": 1}) or b"") == second
    assert number(encode_kept({"id": 1}) or b"") == first


def test_a_schema_by_its_id(registry: Registry, topic: str) -> None:
    fields = [{"name": "id", "type": "long"}]
    wanted = register(registry, f"{topic}-other", {"type": "record", "name": "Order", "fields": fields})
    converter = configured(AvroConverter, registry.url, auto_register_schemas="false", use_schema_id=str(wanted))
    data = written(converter, topic, OLD, {"id": 1})
    assert number(data) == wanted
    assert converter.decode(topic, data).schema == struct({"id": primitive(Type.INT64)}, name="Order")


def test_a_message_of_another_registry(registry: Registry, topic: str) -> None:
    converter = configured(AvroConverter, registry.url)
    with pytest.raises(DataError, match=r"id 999999 cannot be had.*another registry"):
        converter.decode(topic, b"\0" + (999999).to_bytes(4, "big") + b"x")
    with pytest.raises(DataError, match=r"zero byte.*begins with 7b 22 61"):
        converter.decode(topic, b'{"a": 1}')


def test_a_schema_of_another_format(registry: Registry, topic: str) -> None:
    schema = {"$schema": "http://json-schema.org/draft-07/schema#"}
    other = register(registry, f"{topic}-value", schema, schemaType="JSON")
    with pytest.raises(DataError, match="is of type JSON, and AvroConverter reads and writes AVRO"):
        configured(AvroConverter, registry.url).decode(topic, b"\0" + other.to_bytes(4, "big"))


def test_schemas_that_refer_to_others(registry: Registry, topic: str) -> None:
    point = {"type": "record", "name": "Point", "namespace": "geo", "fields": [{"name": "x", "type": "int"}]}
    register(registry, f"{topic}-point", point)
    body = {"type": "record", "name": "Line", "fields": [{"name": "a", "type": "geo.Point"}]}
    reference = {"name": "geo.Point", "subject": f"{topic}-point", "version": 1}
    line = register(registry, f"{topic}-value", body, references=[reference])
    found = configured(AvroConverter, registry.url).decode(topic, b"\0" + line.to_bytes(4, "big") + b"\x0a")
    assert found.value == {"a": {"x": 5}}


def test_the_next_url_is_asked(registry: Registry, topic: str) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    converter = configured(AvroConverter, f"{dead},{registry.url}")
    assert converter.decode(topic, written(converter, topic, OLD, {"id": 1})).value == {"id": 1}
    with pytest.raises(Unavailable, match=r"does not answer.*Connection refused") as caught:
        configured(AvroConverter, f"{dead},{dead}", retries_wait_ms="250").encoder(topic, OLD)({"id": 1})
    assert caught.value.after_s == 0.25


def test_a_registry_that_cannot_now(registry: Registry, topic: str) -> None:
    with standing(Gate(registry.url)) as gate:
        gate.status = 503
        converter = configured(AvroConverter, gate.url, retries_wait_ms="10", retries_max_wait_ms="35")
        encode = converter.encoder(topic, OLD)
        waits = []
        for _ in range(4):
            with pytest.raises(Unavailable, match="status 503, not now") as caught:
                encode({"id": 1})
            waits.append(caught.value.after_s)
        assert waits == [0.01, 0.02, 0.035, 0.035]
        gate.status = None
        assert encode({"id": 1}) is not None


def test_a_refusal_is_not_asked_for_again_at_once(registry: Registry, topic: str) -> None:
    with standing(Gate(registry.url)) as gate:
        converter = configured(AvroConverter, gate.url)
        for _ in range(20):
            with pytest.raises(DataError, match="id 999999 cannot be had"):
                converter.decode(topic, b"\0" + (999999).to_bytes(4, "big") + b"x")
        assert len(gate.asked) < 20


SIGN_IN = {
    "in the URL": (lambda gate: gate.url.replace("://", "://an%20na:se%3Acret@"), {}),
    "user info": (
        lambda gate: gate.url,
        {"basic.auth.credentials.source": "USER_INFO", "basic.auth.user.info": "an na:se:cret"},
    ),
    "token": (
        lambda gate: gate.url,
        {"bearer.auth.credentials.source": "STATIC_TOKEN", "bearer.auth.token": "token-1"},
    ),
    "oauth": (
        lambda gate: gate.url,
        {
            "bearer.auth.credentials.source": "OAUTHBEARER",
            "bearer.auth.client.id": "me",
            "bearer.auth.client.secret": "hush",
            "bearer.auth.scope": "schemas",
        },
    ),
    "a header": (lambda gate: gate.url, {"request.header.Authorization": "Bearer token-1"}),
}


@pytest.mark.parametrize("way", SIGN_IN)
def test_signing_in(registry: Registry, topic: str, way: str) -> None:
    wanted = {basic("an na", "se:cret"), "Bearer token-1"}
    url: Callable[[Gate], str]
    url, options = SIGN_IN[way]
    with standing(Gate(registry.url, lambda headers: headers.get("Authorization") in wanted)) as gate:
        if way == "oauth":
            options = {**options, "bearer.auth.issuer.endpoint.url": gate.issuer}
        converter = configured(AvroConverter, url(gate), **options)
        assert converter.decode(topic, written(converter, topic, OLD, {"id": 1})).value == {"id": 1}
        assert gate.tokens == (1 if way == "oauth" else 0)
        with pytest.raises(Fatal, match=r"refuses these credentials \(status 401\)") as caught:
            wrong = configured(AvroConverter, gate.url.replace("://", "://anna:wrong-one@"))
            wrong.encoder(topic, OLD)({"id": 1})
        assert "wrong-one" not in str(caught.value)


def test_tls(registry: Registry, topic: str, tmp_path: Path) -> None:
    certificate = make(tmp_path, "registry")
    with standing(Gate(registry.url), certificate.both) as gate:
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            configured(AvroConverter, gate.url).encoder(topic, OLD)({"id": 1})
        trusted = {"schema.registry.ssl.truststore.location": str(certificate.trusted)}
        converter = configured(AvroConverter, gate.url, **trusted)
        assert converter.decode(topic, written(converter, topic, OLD, {"id": 1})).value == {"id": 1}


def test_a_truststore_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "trust.jks").write_bytes(b"\xfe\xed\xfe\xed")
    store = {"schema.registry.ssl.truststore.location": str(tmp_path / "trust.jks")}
    with pytest.raises(ConfigError, match="holds no certificates of use"):
        configured(AvroConverter, "https://h", **store)
