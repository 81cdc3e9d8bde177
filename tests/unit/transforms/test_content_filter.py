"""Debezium's Filter and ContentBasedRouter, with expressions."""

from __future__ import annotations

import pytest

from headwater.transforms.content_based_router import ContentBasedRouter
from headwater.transforms.content_filter import ContentFilter
from headwater.worker.api import ConfigError, DataError, Header, Record
from headwater.worker.config.plugins import installed

from .configured import configured, from_text

EVENT = {"op": "u", "before": {"id": 2}, "after": {"id": 2, "v": "x"}, "source": {"table": "t"}}
RECORD = Record("shop.t", {"id": 2}, EVENT, headers=(Header("idh", b"7"),))
TOMBSTONE = Record("shop.t", {"id": 2}, None)


@pytest.mark.parametrize(
    ("condition", "stays"),
    [
        ("value.op == 'u' && value.before.id == 2", True),
        ("value.op != 'u'", False),
        ("headers.idh == '7' && key.id == 2 && topic.startsWith('shop.')", True),
    ],
)
def test_filter(condition: str, stays: bool) -> None:
    assert configured(ContentFilter, condition=condition).apply(RECORD) == (RECORD if stays else None)


@pytest.mark.parametrize(("mode", "stays"), [("keep", True), ("drop", False), ("evaluate", False)])
def test_records_without_a_value(mode: str, stays: bool) -> None:
    made = configured(ContentFilter, condition="value != null", null_handling_mode=mode)
    assert made.apply(TOMBSTONE) == (TOMBSTONE if stays else None)
    router = from_text(ContentBasedRouter, {"topic.expression": "'x'", "null.handling.mode": mode})
    routed = router.apply(TOMBSTONE)
    assert (routed and routed.topic) == {"keep": "shop.t", "drop": None, "evaluate": "x"}[mode]


def test_topics_that_are_looked_at() -> None:
    made = configured(ContentFilter, condition="false", topic_regex=r"shop\..*")
    assert made.apply(RECORD) is None and made.apply(RECORD.replace(topic="other")) is not None


@pytest.mark.parametrize(
    ("expression", "topic"),
    [
        ("value.op == 'u' ? 'updates' : topic", "updates"),
        ("value.op == 'c' ? dyn('new') : null", "shop.t"),
        ("topic + '.' + value.source.table", "shop.t.t"),
    ],
)
def test_router(expression: str, topic: str) -> None:
    made = from_text(ContentBasedRouter, {"topic.expression": expression, "language": "CEL"})
    routed = made.apply(RECORD)
    assert routed is not None and routed.topic == topic and routed.value is EVENT


def test_what_gives_something_else() -> None:
    with pytest.raises(DataError, match=r"shop\.t: Filter: value\.op is neither true nor false"):
        configured(ContentFilter, condition="value.op").apply(RECORD)
    with pytest.raises(DataError, match=r"shop\.t: ContentBasedRouter: value\.before\.id gives no name"):
        from_text(ContentBasedRouter, {"topic.expression": "value.before.id"}).apply(RECORD)


@pytest.mark.parametrize("language", ["jsr223.groovy", "jsr223.graal.js", "wasm.chicory", "groovy"])
def test_scripts_are_refused_and_the_way_out_is_shown(language: str) -> None:
    for name in ("io.debezium.transforms.Filter", "io.debezium.transforms.ContentBasedRouter"):
        kind = installed().load("transform", name)
        option = "condition" if name.endswith("Filter") else "topic.expression"
        with pytest.raises(ConfigError, match=r"language: must be cel: .*set language: cel"):
            from_text(kind, {option: "topic == 'x'" if option == "condition" else "topic", "language": language})
