"""A connector's whole config: what comes out, and every problem at once."""

from __future__ import annotations

import pytest

from headwater.worker.api import ConfigError, Record
from headwater.worker.config.plan import ConnectorPlan, ErrorPolicy, RestartPolicy, build_plan
from headwater.worker.config.policies import BoundaryPolicy
from headwater.worker.convert.header import SimpleHeaderConverter
from headwater.worker.convert.json import JsonConverter
from headwater.worker.convert.string import StringConverter
from tests.unit.config.sample_plugins import PLUGINS, IsTopic, NumbersConnector, Rename

SOURCE = {"name": "n", "connector.class": "NumbersConnector", "numbers.topic": "t"}
SINK = {"name": "p", "connector.class": "PrintConnector", "topics": "a,b", "print.file": "f"}


def plan(base: dict[str, str], worker: dict[str, str] | None = None, **changes: str) -> ConnectorPlan:
    return build_plan(base | {k.replace("__", "."): v for k, v in changes.items()}, worker, PLUGINS)


def problems(raw: dict[str, str], worker: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        build_plan(raw, worker, PLUGINS)
    return [str(problem) for problem in caught.value.problems]


def test_a_source_with_defaults() -> None:
    made = plan(SOURCE)
    assert (made.name, made.kind, made.tasks_max, made.exactly_once) == ("n", "source", 1, True)
    assert isinstance(made.connector, NumbersConnector)
    assert made.values["numbers.to"] == 10
    assert isinstance(made.key_converter, JsonConverter)
    assert made.header_converter is None
    assert made.errors == ErrorPolicy()
    assert made.restart == RestartPolicy()
    assert made.stages == ()
    assert made.topic_group("t") is None


def test_a_sink_with_everything() -> None:
    made = plan(SINK, None, **{
        "tasks.max": "3", "errors.tolerance": "ALL", "errors.deadletterqueue.topic.name": "dead",
        "errors.deadletterqueue.context.headers.enable": "true", "errors.retry.timeout": "-1",
        "key.converter": "StringConverter", "key.converter.schemas.enable": "false",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter.schemas.enable": "false",
        "header.converter": "org.apache.kafka.connect.storage.SimpleHeaderConverter",
        "transforms": "two, one", "transforms.one.type": "Rename", "transforms.one.to": "x",
        "transforms.one.predicate": "is", "transforms.one.negate": "true",
        "transforms.two.type": "Rename", "transforms.two.to": "y",
        "predicates": "is", "predicates.is.type": "IsTopic", "predicates.is.name": "a",
        "consumer.override.max.poll.records": "7", "restart.max.attempts": "-1",
    })  # fmt: skip
    assert made.topics == ("a", "b")
    assert made.errors == ErrorPolicy("all", -1, dlq_topic="dead", dlq_context_headers=True)
    assert isinstance(made.key_converter, StringConverter)
    assert isinstance(made.header_converter, SimpleHeaderConverter)
    two, one = made.stages
    assert (two.alias, two.predicate, two.negate) == ("two", None, False)
    assert isinstance(one.predicate, IsTopic)
    assert isinstance(one.transform, Rename)
    assert (one.transform.to, one.predicate.name, one.negate) == ("x", "a", True)
    assert one.predicate.test(Record("a"))
    assert made.consumer_overrides == {"max.poll.records": "7"}
    assert made.restart.max_attempts == -1


def test_topics_by_expression() -> None:
    raw = {k: v for k, v in SINK.items() if k != "topics"}
    made = build_plan(raw | {"topics.regex": r"a\..*"}, None, PLUGINS)
    assert made.topics_regex and made.topics_regex.fullmatch("a.b")
    assert problems(raw) == ["topics: required and missing (name the topics to read, or set topics.regex)"]
    assert problems(SINK | {"topics.regex": "x"}) == ["topics.regex: cannot stand beside topics (keep one of the two)"]
    assert problems(raw | {"topics.regex": "("})[0].startswith("topics.regex: is not a regular expression")
    looped = problems(SINK | {"errors.deadletterqueue.topic.name": "b"})
    assert looped == ["topics: holds the dead letter queue b (it would feed itself)"]


def test_every_problem_at_once() -> None:
    raw = SOURCE | {
        "numbers.two": "3", "numbers.random": "true", "tasks.max": "0", "topics": "x", "errors.tolerance": "al",
        "transform.a.type": "Rename", "transforms": "a,b,c", "transforms.a.type": "Renam",
        "transforms.b.type": "Rename", "transforms.b.too": "x", "transforms.b.predicate": "iss",
        "transforms.cc.type": "Rename", "predicates": "is", "predicates.is.type": "IsTopic",
        "value.converter": "JsonConvertr", "key.converter.schemas.enable": "false",
        "transaction.boundary": "connector", "numbers.skip.1": "maybe", "connector.plugin.version": "1",
    }  # fmt: skip
    assert problems(raw) == [
        "topics: belongs to sink connectors",
        "numbers.two: unknown option (did you mean numbers.to?)",
        "numbers.random: not supported by Headwater (numbers come in their order)",
        "tasks.max: must be at least 1",
        "errors.tolerance: must be one of none, all; did you mean all?",
        "transform.a.type: unknown option (did you mean transforms.a.type?)",
        "numbers.skip.1: must be true or false",
        "connector.plugin.version: not supported by Headwater (pip decides which version of a plugin is installed: "
        "leave this option out)",
        "predicates.is.name: required and missing",
        "transforms.cc.type: no transform 'cc' is declared (did you mean c?)",
        "transforms.a.type: no transform 'Renam' is installed (did you mean Rename?)",
        "transforms.b.too: unknown option (did you mean transforms.b.to?)",
        "transforms.b.to: required and missing",
        "transforms.b.predicate: no predicate 'iss' is declared (did you mean is?)",
        "transforms.c.type: required and missing (the name of a transform)",
        "key.converter.schemas.enable: has no effect without key.converter (name the converter too: key.converter: …)",
        "value.converter: no converter 'JsonConvertr' is installed (did you mean JsonConverter?)",
        "transaction.boundary: the connector does not support connector-defined transaction boundaries (use poll or "
        "interval)",
    ]


def test_where_transactions_end() -> None:
    assert build_plan(SOURCE, None, PLUGINS).boundary == BoundaryPolicy("poll", 60_000)
    worker = {"offset.flush.interval.ms": "7000"}
    every = {"transaction.boundary": "interval"}
    assert build_plan(SOURCE | every, worker, PLUGINS).boundary == BoundaryPolicy("interval", 7_000)
    every["transaction.boundary.interval.ms"] = "20"
    assert build_plan(SOURCE | every, worker, PLUGINS).boundary == BoundaryPolicy("interval", 20)


def test_without_a_connector_the_rest_is_still_checked() -> None:
    found = problems({"connector.class": "Nombers", "tasks.max": "x", "own.option": "1", "transforms": "a"})
    assert [text.partition(":")[0] for text in found] == ["connector.class", "tasks.max", "name", "transforms.a.type"]
    assert problems({"name": "a"})[0].startswith("connector.class: required and missing")


def test_rules_of_the_connector_itself() -> None:
    assert problems(SOURCE | {"numbers.from": "11"}) == ["numbers.from: is above numbers.to (swap them)"]


def test_a_plugin_that_refuses_its_options() -> None:
    base = SOURCE | {"transforms": "a", "transforms.a.type": "Rename", "transforms.a.key.secret": "hunter2"}
    assert problems(base | {"transforms.a.to": "refused"}) == ["transforms.a.to: is refused"]
    assert problems(base | {"transforms.a.to": "broken"}) == [
        "transforms.a: Rename refused its options: ValueError: no: ***"
    ]


@pytest.mark.parametrize("name", ["", "a/b", "a\nb"])
def test_names_that_cannot_be_used(name: str) -> None:
    assert problems(SOURCE | {"name": name})[0].startswith("name: must not")


def test_the_workers_converters_are_the_default() -> None:
    worker = {"key.converter": "StringConverter", "value.converter": "JsonConverter",
              "value.converter.schemas.enable": "false"}  # fmt: skip
    made = plan(SOURCE, worker)
    assert isinstance(made.key_converter, StringConverter)
    assert isinstance(made.value_converter, JsonConverter)
    assert isinstance(plan(SOURCE, worker, key__converter="JsonConverter").key_converter, JsonConverter)


def test_exactly_once() -> None:
    assert not plan(SOURCE, exactly__once__support="disabled").exactly_once
    assert not plan(SOURCE, {"exactly.once.source.support": "disabled"}).exactly_once
    assert problems(SOURCE | {"exactly.once.support": "required"}) == [
        "exactly.once.support: required, but this connector does not promise it"
    ]
    found = problems(SOURCE | {"exactly.once.support": "required"}, {"exactly.once.source.support": "disabled"})
    assert "exactly.once.source.support=enabled" in found[0]


def test_topic_creation_groups() -> None:
    made = plan(SOURCE, None, **{
        "topic.creation.groups": "big", "topic.creation.big.include": "t.*,u", "topic.creation.big.exclude": "tx",
        "topic.creation.big.partitions": "6", "topic.creation.big.cleanup.policy": "compact",
        "topic.creation.default.partitions": "-1", "topic.creation.default.replication.factor": "2",
    })  # fmt: skip
    big, other = made.topic_group("tt"), made.topic_group("tx")
    assert big and other
    assert (big.name, big.partitions, big.replication_factor, big.config) == (
        "big",
        6,
        None,
        {"cleanup.policy": "compact"},
    )
    assert (other.name, other.partitions, other.replication_factor) == ("default", None, 2)
    assert problems(SOURCE | {"topic.creation.groups": "big", "topic.creation.bog.partitions": "1",
                              "topic.creation.default.partitions": "0"}) == [
        "topic.creation.big.include: required and missing (Regular expressions that match whole topic names.)",
        "topic.creation.default.partitions: must be -1 or at least 1",
        "topic.creation.bog.partitions: belongs to no declared group of topics "
        "(add its group to topic.creation.groups)",
    ]  # fmt: skip
    assert problems(SINK | {"topic.creation.default.partitions": "1"}) == [
        "topic.creation.default.partitions: belongs to source connectors"
    ]


def test_a_tasks_own_config_is_merged_in() -> None:
    made = build_plan(SOURCE, None, PLUGINS, {"numbers.from": "5", "task.part": "1"})
    assert made.values["numbers.from"] == 5
    assert "task.part" not in made.raw


def test_problems_do_not_quote_secrets() -> None:
    raw = SOURCE | {"numbers.password": "hunter2", "producer.override.sasl.jaas.config": "hunter2", "tasks.max": "x"}
    with pytest.raises(ConfigError) as caught:
        build_plan(raw, None, PLUGINS)
    assert "hunter2" not in repr(caught.value.problems)
    made = build_plan(raw | {"tasks.max": "1"}, None, PLUGINS)
    assert made.secret_options() == {"numbers.password"}
    assert "hunter2" not in repr(made.values)
