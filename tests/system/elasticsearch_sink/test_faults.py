"""Whatever goes wrong between worker and server: nothing lost, nothing refused that could be written, bounded."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.connectors.elasticsearch.sink import ElasticsearchSinkConnector
from headwater.worker.api import Fatal, HeadwaterError, Record, Retriable, TopicPartition
from tests.servers import elasticsearch
from tests.servers.elasticsearch import SearchServer
from tests.servers.search_gate import Fault, Gate, standing
from tests.system.postgres_sink.records import Topic
from tests.unit.rest.certificates import make

from .task import Task, fresh, parsed, values

pytestmark = pytest.mark.system


def records_of(topic: Topic, count: int, keys: int) -> list[Record]:
    return [topic.put({"id": n % keys, "name": f"n{n}", "qty": n}) for n in range(count)]


def wanted(count: int, keys: int) -> dict[str, int]:
    return {str(n % keys): n for n in range(count)}


def deliver(gate: Gate, distribution: str, topic: Topic, records: list[Record], step: int = 25, **options: str) -> None:
    """`step` records at a time; after a `Retriable` a fresh task goes on where the view stands, as at the runtime."""
    made = parsed(gate.url, distribution, **{"read_timeout_ms": "3000", **options})
    partition = TopicPartition(topic.name, 0)
    for _ in range(200):
        try:
            with Task(made, partition, view=topic.name) as task:
                for start in range(task.at[partition], len(records), step):
                    task.put(*records[start : start + step])
                assert task.bad == []
                return
        except Retriable:
            continue
    pytest.fail("it does not come to an end")


def test_each_fault(search: SearchServer) -> None:
    """Every second bulk request of documents or offsets goes wrong, until each fault was there twice."""
    topic = Topic(topic=f"{fresh()}.faults", flat=True)
    records = records_of(topic, 400, 70)
    left = [*Fault, *(fault for fault in Fault if fault is not Fault.SILENCE)]
    calls = itertools.count(1)

    def choose(method: str, path: str) -> Fault | None:
        return left.pop() if path.startswith("/_bulk") and next(calls) % 2 == 0 and left else None

    with standing(search.url) as gate:
        gate.choose = choose
        deliver(gate, search.distribution, topic, records)
        assert not left, "too few requests for all faults"
    assert {key: doc["qty"] for key, doc in search.documents(topic.name).items()} == wanted(400, 70)


def test_all_faults_at_random(search: SearchServer) -> None:
    """On every kind of request."""
    topic = Topic(topic=f"{fresh()}.chance", flat=True)
    records = records_of(topic, 400, 90)
    chance = random.Random(11)
    quick = [fault for fault in Fault if fault is not Fault.SILENCE]

    def choose(method: str, path: str) -> Fault | None:
        if chance.random() > 0.2:
            return None
        fault = chance.choice(quick)
        return Fault.TOO_MANY if fault is Fault.ITEMS_TOO_MANY and not path.startswith("/_bulk") else fault

    with standing(search.url) as gate:
        gate.choose = choose
        deliver(gate, search.distribution, topic, records)
        assert len(gate.happened) >= 4
    assert {key: doc["qty"] for key, doc in search.documents(topic.name).items()} == wanted(400, 90)


def test_no_answer_for_good(search: SearchServer) -> None:
    """After max.retries the runtime is told; it never hangs and never skips."""
    topic = Topic(topic=f"{fresh()}.gone", flat=True)
    partition = TopicPartition(topic.name, 0)
    with standing(search.url) as gate:
        made = parsed(gate.url, search.distribution, max_retries="2")
        with Task(made, partition, view=topic.name) as task:
            task.put(topic.put({"id": 1}))
            gate.choose = lambda method, path: Fault.UNAVAILABLE if path.startswith("/_bulk") else None
            task.write([topic.put({"id": 2})])
            with pytest.raises(Retriable, match="in 3 tries"):
                task.sink.flush()
            assert gate.happened[Fault.UNAVAILABLE] == 3
            assert task.bad == []


def test_requests_in_flight_are_bounded(search: SearchServer) -> None:
    topic = Topic(topic=f"{fresh()}.bounded", flat=True)
    records = records_of(topic, 1200, 1200)
    with standing(search.url) as gate:
        options = {"max_in_flight_requests": "3", "batch_size": "20", "read_timeout_ms": "300000"}
        deliver(gate, search.distribution, topic, records, 400, **options)
        assert gate.most_at_once <= 3
    assert len(search.documents(topic.name)) == 1200


@pytest.fixture(scope="module")
def mortal() -> Iterator[SearchServer]:
    """A node that takes small requests only, and may be killed."""
    with elasticsearch.running("elasticsearch", {"http.max_content_length": "64kb"}) as server:
        yield server


@pytest.mark.long
def test_a_request_that_is_too_large(mortal: SearchServer) -> None:
    """It is halved; a single document that is too large is reported."""
    topic = Topic(topic="large", flat=True)
    with Task(values(mortal), TopicPartition("large", 0), view="large") as task:
        task.put(
            *(topic.put({"id": n, "name": "x" * 9000, "qty": n}) for n in range(20)),
            topic.put({"id": 20, "name": "x" * 90_000, "qty": 20}),
        )
        assert [record.offset for record, _ in task.bad] == [20]
        assert "larger than the server takes" in str(task.bad[0][1])
    assert len(mortal.documents("large")) == 20


@pytest.mark.long
def test_killed_and_started_again(mortal: SearchServer) -> None:
    """The server dies with requests on their way; what it has acknowledged it still has."""
    topic = Topic(topic="dying", flat=True)
    records = records_of(topic, 600, 100)
    partition = TopicPartition("dying", 0)
    made = values(mortal, max_retries="1", batch_size="20")
    left = {120, 360}
    while True:
        try:
            with Task(made, partition, view="dying") as task:
                for start in range(task.at[partition], len(records), 60):
                    task.write(records[start : start + 60])
                    if start in left:
                        left.remove(start)
                        mortal.kill()
                    task.sink.flush()
            break
        except Retriable:
            mortal.start()
    assert not left
    assert {key: doc["qty"] for key, doc in mortal.documents("dying").items()} == wanted(600, 100)


@pytest.mark.parametrize("how", ["user", "key"])
def test_tls_and_who_one_is(search: SearchServer, how: str, tmp_path: Path) -> None:
    if how == "key" and search.distribution == "opensearch":
        who, right, wrong = {"user": ("u", "p")}, {"connection_username": "u", "connection_password": "p"}, {}
        assert [p.option for p in ElasticsearchSinkConnector().validate(
            ElasticsearchSinkConnector.options.parse(
                {"connection.url": "x", "distribution": "opensearch", "connection.api.key": "k"}
            )[0]
        )] == ["connection.api.key"]  # fmt: skip
    elif how == "key":
        who, right, wrong = {"api_key": "a2V5"}, {"connection_api_key": "a2V5"}, {"connection_api_key": "b3RoZXI="}
    else:
        who = {"user": ("u", "s3cret")}
        right = {"connection_username": "u", "connection_password": "s3cret"}
        wrong = {"connection_username": "u", "connection_password": "nope-nope"}
    certificate = make(tmp_path, "gate")
    trust = {"elastic_https_ca_file": str(certificate.trusted)}
    topic = Topic(topic=f"{fresh()}.tls", flat=True)
    partition = TopicPartition(topic.name, 0)
    with standing(search.url, certificate=certificate.both, **who) as gate:
        assert gate.url.startswith("https:")
        with Task(parsed(gate.url, search.distribution, **right, **trust), partition, view=topic.name) as task:
            task.put(topic.put({"id": 1}))
        for options, said in (({**wrong, **trust}, "401"), (right, "no trusted connection")):
            with pytest.raises(Fatal, match=said) as caught:
                Task(parsed(gate.url, search.distribution, **options), partition, view=topic.name)
            assert not any(secret in str(caught.value) for secret in ("s3cret", "nope-nope", "a2V5", "b3RoZXI="))
        careless = parsed(gate.url, search.distribution, **right, elastic_https_verify="false")
        assert ElasticsearchSinkConnector().check(careless)[0].level == "ok"
    assert len(search.documents(topic.name)) == 1


def test_the_wrong_server(elasticsearch: SearchServer, opensearch: SearchServer) -> None:
    for server, said in ((elasticsearch, "elasticsearch"), (opensearch, "opensearch")):
        other = "opensearch" if server.distribution == "elasticsearch" else "elasticsearch"
        (finding,) = [f for f in ElasticsearchSinkConnector().check(parsed(server.url, other)) if f.level == "error"]
        assert said in (finding.message + finding.fix).lower()


def test_nobody_there() -> None:
    made = parsed("http://127.0.0.1:9", "elasticsearch")
    with pytest.raises(HeadwaterError, match=r"127\.0\.0\.1:9"):
        Task(made, TopicPartition("t", 0))
    assert [finding.level for finding in ElasticsearchSinkConnector().check(made)] == ["error"]
