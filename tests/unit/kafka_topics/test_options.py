from __future__ import annotations

import pytest

from headwater.connectors.kafka.cluster import settings
from headwater.connectors.kafka.converting import made_converter
from headwater.connectors.kafka.sink import KafkaSinkConnector
from headwater.connectors.kafka.source import KafkaSourceConnector
from headwater.worker.api import ConfigError, Option, Options, Problem, SinkConnector, SourceConnector, Type, primitive

CONVERTERS = Options(*(Option(name, default=None) for name in ("key.converter", "value.converter", "transforms")))
"""Of the framework, as far as the connectors look at them."""
BYTES = {"key.converter": "ByteArrayConverter", "value.converter": "ByteArrayConverter"}
SOURCE = {"source.bootstrap.servers": "k:1", "topics": "a", "topic": "b"}
SINK = {"target.bootstrap.servers": "k:1", "topic": "b"}


def problems(connector: SourceConnector | SinkConnector, options: dict[str, str]) -> list[Problem]:
    values, found = (CONVERTERS + connector.options).parse(options)
    return found + connector.validate(values)


def test_bytes_as_they_are_and_data() -> None:
    json = {"source.key.converter": "JsonConverter", "source.value.converter": "JsonConverter"}
    assert not problems(KafkaSourceConnector(), SOURCE | BYTES)
    assert not problems(KafkaSourceConnector(), SOURCE | json | {"source.value.converter.schemas.enable": "false"})
    assert not problems(KafkaSinkConnector(), SINK | BYTES | {"target.topic.cleanup.policy": "compact"})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"topics.regex": "a.*"}, "not both"),
        ({"topics": "", "topics.regex": "a.*"}, "several topics would become one"),
        ({"topic": "${table}"}, "knows ${topic}"),
        ({"value.converter": "JsonConverter"}, "bytes that nobody has read"),
        ({"source.value.converter": "AvroConverterX"}, "no installed converter"),
        ({"source.value.converter": "JsonConverter", "source.value.converter.schemas": "x"}, "unknown option"),
        ({"source.client.sasl.jaas.config": "x"}, "no JAAS"),
        ({"source.client.auto.offset.reset": "latest"}, "rests on its own"),
        ({"source.client.bootstrap.servers": "k:2"}, "set source.bootstrap.servers"),
        ({"copy": "newest"}, "must be one of"),
    ],
)
def test_what_does_not_fit_is_said(more: dict[str, str], message: str) -> None:
    [problem] = problems(KafkaSourceConnector(), SOURCE | BYTES | more)
    assert message in str(problem)


def test_a_sink_cannot_write_data_as_bytes() -> None:
    found = problems(KafkaSinkConnector(), SINK | {"key.converter": "ByteArrayConverter"})
    assert [p.option for p in found] == ["target.value.converter"]


def test_a_sink_writes_no_bytes_as_base64() -> None:
    """A transform may make data of them."""
    json = {"target.key.converter": "org.apache.kafka.connect.json.JsonConverter"}
    [problem] = problems(KafkaSinkConnector(), SINK | BYTES | json)
    assert problem.option == "target.key.converter" and "base64" in str(problem)
    assert not problems(KafkaSinkConnector(), SINK | BYTES | json | {"transforms": "parse"})


def test_a_sink_keeps_the_settings_that_it_rests_on() -> None:
    for name, text in (("acks", "1"), ("message.timeout.ms", "1000"), ("batch.size", "1000000000")):
        [problem] = problems(KafkaSinkConnector(), SINK | BYTES | {f"target.client.{name}": text})
        assert name in str(problem) and "rests on its own" in str(problem)
    assert not problems(KafkaSinkConnector(), SINK | BYTES | {"target.client.acks": "all"})


def test_settings_of_the_client_and_the_connectors_own() -> None:
    options = {"source.client.security.protocol": "ssl", "source.client.sasl.password": "s", "source.client.acks": "0"}
    values, _ = KafkaSourceConnector.options.parse(SOURCE | options)
    found = settings(values, "source", {"acks": "all"})
    assert (found["security.protocol"], found["sasl.password"], found["acks"]) == ("ssl", "s", "all")
    assert found["bootstrap.servers"] == "k:1"
    entry = KafkaSourceConnector.options.find("source.client.ssl.key.pem")
    assert isinstance(entry, Option) and entry.secret


def test_converters_of_the_other_side() -> None:
    more = {"source.value.converter": "JsonConverter", "source.value.converter.schemas.enable": "false"}
    values, _ = KafkaSourceConnector.options.parse(SOURCE | more)
    assert made_converter(values, "source", "value").decode("t", b'{"a":1}') == (None, {"a": 1})
    assert made_converter(values, "source", "key").decode("t", b"x") == (primitive(Type.BYTES, True), b"x")


def test_positions_that_cannot_be_read_are_refused() -> None:
    values, _ = KafkaSourceConnector.options.parse(SOURCE)
    good = ({"topic": "a", "partition": 0}, {"format": 1, "offset": 5})
    KafkaSourceConnector().alter_offsets(values, [good, ({"topic": "a", "partition": 1}, None)])
    for partition, position in (
        ({"topic": "a"}, {"offset": 5}),
        ({"topic": "a", "partition": 0}, {"offset": -1}),
        ({"topic": "a", "partition": 0}, {"format": 2, "offset": 1}),
        ({"topic": "a", "partition": 0}, {"offset": 1, "until": "x"}),
    ):
        with pytest.raises(ConfigError, match="cannot be read"):
            KafkaSourceConnector().alter_offsets(values, [(partition, position)])
