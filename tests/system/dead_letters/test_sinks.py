"""Records that fail in each stage before each view: dead letters say why, and once mended they all are in the view."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.cluster.standalone import Standalone
from headwater.worker.log.contract import Message
from headwater.worker.runtime.letter import MARK
from tests.rest_worker import wait_for

from .scene import REASONS, Connector
from .targets import REFUSED, Copy, Files, Index, Lines, Rows, Table, Target

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

GOOD = 20
HEADER, KEY, VALUE, TRANSFORM, PREDICATE, OVERTAKEN = 100, 101, 102, 103, 104, 106
STAGES = {HEADER: "HEADER_CONVERTER", KEY: "KEY_CONVERTER", VALUE: "VALUE_CONVERTER", TRANSFORM: "TRANSFORMATION",
          PREDICATE: "TRANSFORMATION", REFUSED: "TASK_PUT", OVERTAKEN: "TRANSFORMATION"}  # fmt: skip
CLASSES = {HEADER: "StringConverter", KEY: "StringConverter", VALUE: "JsonConverter", TRANSFORM: "Select",
           PREDICATE: "Choosy", OVERTAKEN: "Select"}  # fmt: skip


def schema(city_may_be_missing: bool) -> str:
    fields = [{"field": name, "type": "int32", "optional": False} for name in ("n", "total", "parts")]
    fields += [{"field": "code", "type": "string", "optional": False}]
    fields += [{"field": "city", "type": "string", "optional": city_may_be_missing}]
    return json.dumps({"type": "struct", "optional": False, "fields": fields})


def config(target: Target, topic: str) -> dict[str, str]:
    return {
        "topics": topic, "tasks.max": "1",
        "key.converter": "StringConverter", "header.converter": "StringConverter", "value.converter": "JsonConverter",
        "value.converter.schema.content": schema(False), "value.converter.schemas.enable": "true",
        "transforms": "key, share, marked",
        "transforms.key.type": "ValueToKey", "transforms.key.fields": "n",
        "transforms.share.type": "Select", "transforms.share.type.share": "int64",
        "transforms.share.set.share": "value.total / value.parts",
        "transforms.marked.type": "InsertHeader", "transforms.marked.header": "seen",
        "transforms.marked.value.literal": "yes", "transforms.marked.predicate": "choosy",
        "predicates": "choosy, lot", "predicates.choosy.type": "Choosy", "predicates.choosy.at": str(PREDICATE),
        "predicates.lot.type": "HasHeaderKey", "predicates.lot.name": "lot",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": f"{topic}-dead",
        "errors.deadletterqueue.context.headers.enable": "true",
        **target.options(),
    }  # fmt: skip


MENDED: dict[str, str | None] = {
    "key.converter.converter.encoding": "ISO-8859-1",
    "header.converter.converter.encoding": "ISO-8859-1",
    "value.converter.schema.content": schema(True),
    "transforms.share.set.share": "value.parts == 0 ? 0 : value.total / value.parts",
    "transforms.marked.predicate": None,
}


def message(topic: str, n: int, total: int = 10) -> Message:
    """Good, unless the number is one of the poison's."""
    value: dict[str, Any] = {"n": n, "total": total, "parts": 5, "code": "10.0.0.1", "city": "Oslo"}
    key: bytes | None = b"key %d" % n
    headers = [("lot", b"a")]
    if n == HEADER:
        headers = [("lot", b"\xff")]
    elif n == KEY:
        key = b"\xff"
    elif n == VALUE:
        del value["city"]
    elif n == TRANSFORM or (n == OVERTAKEN and total == 10):
        value["parts"] = 0
    elif n == REFUSED:
        value["code"], key, headers = "no address" + "!" * 3000, None, []
    return Message(topic, key, json.dumps(value).encode(), headers)


@pytest.fixture(params=["postgres", "elasticsearch", "parquet", "file", "kafka"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Target:
    """Each on the real server."""

    def server(name: str) -> Any:
        return request.getfixturevalue(name)

    makers: dict[str, Callable[[], Target]] = {
        "postgres": lambda: Table(server("database")),
        "elasticsearch": lambda: Index(server("elasticsearch")),
        "parquet": lambda: Files(tmp_path / "lake"),
        "file": lambda: Lines(tmp_path / "lines"),
        "kafka": lambda: Copy(server("kafka").bootstrap),
    }
    return makers[request.param]()


@pytest.mark.long
def test_poison_in_every_stage(
    worker: Standalone, connector: Connector, target: Target, headwater: Callable[..., tuple[int, str]]
) -> None:
    topic = connector.name
    worker.log.create_topic(topic, 1, {})
    good = Rows((n, 10) for n in range(GOOD))
    poison = [n for n in STAGES if n != REFUSED or target.refuses]
    connector.append(*(message(topic, n) for n in range(GOOD)))
    connector.put(config(target, topic))
    wait_for(lambda: connector.done_with(GOOD))
    wait_for(lambda: target.rows() == good)
    target.spoil()
    connector.append(*(message(topic, n) for n in poison))
    wait_for(lambda: connector.waiting() == len(poison))
    good[OVERTAKEN, 20] += 1
    connector.append(message(topic, OVERTAKEN, 20))
    wait_for(lambda: target.rows() == good)
    check_letters(connector, poison)
    shown = json.loads(headwater("dlq", "show", topic, "--output", "json")[1])
    assert {(letter["record"], letter["stage"]) for letter in shown["letters"]} == {
        (f"{topic}-0@{GOOD + at}", STAGES[n]) for at, n in enumerate(poison)
    }
    assert target.rows().total() + shown["waiting"] == GOOD + len(poison) + 1
    if target.remembers_refusals:
        assert headwater("verify", topic)[0] == 0

    changes = target.mend()
    connector.put(config(target, topic) | MENDED | changes)
    wait_for(lambda: headwater("dlq", "replay", topic)[0] == 0)  # the task before may not have ended yet
    shown = json.loads(headwater("dlq", "show", topic, "--output", "json")[1])
    superseded = 0 if target.every_record else 1
    assert shown["replays"]["replayed"] == len(poison) - superseded and shown["waiting"] == 0
    assert shown["replays"]["superseded"] == superseded
    assert target.rows() == good + Rows((n, 10) for n in poison if n != OVERTAKEN or target.every_record)
    if target.rebuilds:
        assert headwater("verify", topic)[0] == 0


def check_letters(connector: Connector, poison: list[int]) -> None:
    """In the order of the topic, with the bytes that lay there and Kafka Connect's headers behind the mark."""
    letters = connector.messages(f"{connector.name}-dead")
    found = sorted(letters, key=lambda letter: json.loads(dict(letter.headers)[MARK] or b"")["offset"])
    for offset, (n, letter) in enumerate(zip(poison, found, strict=True), GOOD):
        original = message(connector.name, n)
        own = len(original.headers)
        assert (letter.key, letter.value) == (original.key, original.value)
        assert list(letter.headers[:own]) == list(original.headers)
        said = {name: (text or b"").decode() for name, text in letter.headers[own + 1 :]}
        assert {name.removeprefix("__connect.errors.") for name in said} == REASONS
        reason = {name.removeprefix("__connect.errors."): text for name, text in said.items()}
        assert (reason["topic"], reason["partition"], reason["offset"]) == (connector.name, "0", str(offset))
        assert (reason["connector.name"], reason["task.id"], reason["stage"]) == (connector.name, "0", STAGES[n])
        assert reason["class.name"].rpartition(".")[2] == CLASSES.get(n, reason["class.name"].rpartition(".")[2])
        assert reason["exception.class.name"].endswith("DataError") and reason["exception.stacktrace"]
