"""Rows of files that fail in each stage of a source: dead letters say why, and once mended they are on the topic."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.worker.cluster.standalone import Standalone
from headwater.worker.log.contract import Message
from tests.rest_worker import wait_for

from .scene import REASONS, Connector

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

GOOD = 20
HEADER, KEY, VALUE, TRANSFORM, PREDICATE, LARGE, UNREADABLE, OVERTAKEN = range(100, 108)
STAGES = {HEADER: "HEADER_CONVERTER", KEY: "KEY_CONVERTER", VALUE: "VALUE_CONVERTER", TRANSFORM: "TRANSFORMATION",
          PREDICATE: "TRANSFORMATION", LARGE: "KAFKA_PRODUCE", UNREADABLE: "TASK_POLL",
          OVERTAKEN: "TRANSFORMATION"}  # fmt: skip
CLASSES = {HEADER: "StringConverter", KEY: "StringConverter", VALUE: "StringConverter", TRANSFORM: "Select",
           PREDICATE: "Choosy", OVERTAKEN: "Select"}  # fmt: skip
MENDED: dict[str, str | None] = {
    "key.converter.converter.encoding": "UTF-8",
    "value.converter.converter.encoding": "UTF-8",
    "header.converter.converter.encoding": "UTF-8",
    "transforms.share.set.share": "value.parts == 0 ? 0 : value.total / value.parts",
    "transforms.marked.predicate": None,
}


def config(folder: Path, topic: str) -> dict[str, str]:
    latin = "ISO-8859-1"
    return {
        "connector.class": "FileSource", "path": f"{folder}/*.jsonl", "format": "jsonl", "topic": topic,
        "types": "n:int64,total:int64,parts:int64,code:string,lot:string,note:string", "key.fields": "code",
        "poll.interval.ms": "50", "headers.enabled": "false", "tasks.max": "1",
        "key.converter": "StringConverter", "key.converter.converter.encoding": latin,
        "value.converter": "StringConverter", "value.converter.converter.encoding": latin,
        "header.converter": "StringConverter", "header.converter.converter.encoding": latin,
        "transforms": "lot, share, marked",
        "transforms.lot.type": "HeaderFrom$Value", "transforms.lot.operation": "move",
        "transforms.lot.fields": "lot", "transforms.lot.headers": "lot",
        "transforms.share.type": "Select", "transforms.share.type.share": "int64",
        "transforms.share.set.share": "value.total / value.parts",
        "transforms.marked.type": "InsertHeader", "transforms.marked.header": "seen",
        "transforms.marked.value.literal": "yes", "transforms.marked.predicate": "choosy",
        "predicates": "choosy", "predicates.choosy.type": "Choosy", "predicates.choosy.at": str(PREDICATE),
        "topic.creation.default.partitions": "1", "topic.creation.default.replication.factor": "1",
        "topic.creation.default.max.message.bytes": "2000",
        "errors.tolerance": "all", "errors.deadletterqueue.topic.name": f"{topic}-dead",
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
    }  # fmt: skip


def line(n: int, total: int = 10) -> str:
    """Good, unless the number is one of the poison's."""
    row = {"n": n, "total": total, "parts": 5, "code": f"c{n}", "lot": "a", "note": "-"}
    if n == UNREADABLE:
        return '{"n": '
    if n == TRANSFORM or (n == OVERTAKEN and total == 10):
        row["parts"] = 0
    row |= {HEADER: {"lot": "€"}, KEY: {"code": "c€"}, VALUE: {"note": "€"}, LARGE: {"note": "x" * 5000}}.get(n, {})
    return json.dumps(row)


def put(folder: Path, name: str, *lines: str) -> None:
    coming = folder / f".{name}"
    coming.write_text("".join(f"{text}\n" for text in lines))
    coming.rename(folder / f"{name}.jsonl")


def rows(messages: list[Message]) -> Counter[tuple[int, int]]:
    """Number and total of each."""
    found = ((m.value or b"").decode().removeprefix("Struct{").removesuffix("}").split(",") for m in messages)
    pairs = (dict(field.split("=") for field in fields) for fields in found)
    return Counter((int(pair["n"]), int(pair["total"])) for pair in pairs)


def test_poison_in_every_stage_of_a_source(
    worker: Standalone, connector: Connector, headwater: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    """What the source could not read at all, and what has a newer row of its key now, stays in the queue."""
    topic = connector.name
    put(tmp_path, "1", *(line(n) for n in range(GOOD)), *(line(n) for n in STAGES))
    connector.put(config(tmp_path, topic))
    good = Counter((n, 10) for n in range(GOOD))
    wait_for(lambda: connector.waiting() == len(STAGES))
    put(tmp_path, "2", line(OVERTAKEN, 20))
    good[OVERTAKEN, 20] += 1
    wait_for(lambda: rows(connector.messages(topic)) == good)
    check_letters(connector)
    shown = json.loads(headwater("dlq", "show", topic, "--output", "json")[1])
    assert Counter(letter["stage"] for letter in shown["letters"]) == Counter(STAGES.values())

    connector.put(config(tmp_path, topic) | MENDED)
    worker.log.alter_topic(topic, {"max.message.bytes": "100000"})

    def mended() -> bool:
        """The task before may not have ended yet, and the topic's producer hears of its new limit in a while."""
        status, _ = headwater("dlq", "replay", topic)
        return status == 1 and connector.waiting() == 2

    wait_for(mended)
    shown = json.loads(headwater("dlq", "show", topic, "--output", "json")[1])
    assert {letter["stage"] for letter in shown["letters"]} == {"REPLAY", "TASK_POLL"}
    assert shown["replays"]["replayed"] == len(STAGES) - 2 and not shown["replays"]["superseded"]
    expected = good + Counter((n, 10) for n in STAGES if n not in (UNREADABLE, OVERTAKEN))
    assert rows(connector.messages(topic)) == expected
    assert rows(connector.messages(topic)).total() + shown["waiting"] == GOOD + len(STAGES) + 1


def check_letters(connector: Connector) -> None:
    found: Counter[tuple[str, str]] = Counter()
    for letter in connector.messages(f"{connector.name}-dead"):
        said = {name: (text or b"").decode() for name, text in letter.headers if name.startswith("__connect.errors.")}
        reason = {name.removeprefix("__connect.errors."): text for name, text in said.items()}
        assert set(reason) == REASONS - {"topic", "partition", "offset"}
        assert (reason["connector.name"], reason["task.id"]) == (connector.name, "0")
        found[reason["stage"], reason["class.name"].rpartition(".")[2]] += 1
    by_stage = Counter(stage for stage, _ in found.elements())
    assert by_stage == Counter(STAGES.values())
    assert not Counter((STAGES[n], name) for n, name in CLASSES.items()) - found
