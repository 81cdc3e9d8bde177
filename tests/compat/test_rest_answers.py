"""One script of REST calls, sent to a Java Kafka Connect worker, to one of ours that stands alone, and to one of ours
that does not lead its cluster: the answers are the same, but for what stands in `rest_allowed`."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from headwater.worker.cluster.standalone import Standalone
from headwater.worker.rest.server import Listener, RestServer
from tests import plugins
from tests.servers import connect
from tests.servers.cache import SERVER_USER, is_root, server_folder
from tests.servers.connect import CONVERTER
from tests.servers.kafka import KafkaServer
from tests.servers.worker import MemberProcess

from .rest_allowed import ALLOWED
from .rest_compared import Answer, differences
from .rest_script import LINES, Call, script

pytestmark = pytest.mark.compat
TOPIC = "rest-lines"
PATIENCE_S = 300.0
SETTINGS = {
    **{f"{kind}.storage.replication.factor": "1" for kind in ("config", "offset", "status")},
    "scheduled.rebalance.max.delay.ms": "0",
}
CONVERTERS = {"key.converter": CONVERTER, "value.converter": CONVERTER, "offset.flush.interval.ms": "1000"}


def _own(group: str) -> dict[str, str]:
    """A group of its own: no other test's connectors are among the answers."""
    names = {kind: f"{group}-{kind}" for kind in ("config", "offset", "status")}
    return {"group.id": group, **{f"{kind}.storage.topic": name for kind, name in names.items()}}


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[str]:
    plugins.install()
    listener = Listener("127.0.0.1:0")
    worker = Standalone(CONVERTERS, tmp_path, f"127.0.0.1:{listener.port}")
    worker.start()
    server = RestServer(worker, listener)
    server.start()
    yield listener.url
    server.stop()
    worker.stop()


@pytest.fixture
def follower(kafka: KafkaServer, tmp_path: Path) -> Iterator[str]:
    """The second of two workers: the first one leads their cluster."""
    plugins.install()
    settings = SETTINGS | CONVERTERS | {"bootstrap.servers": kafka.bootstrap, **_own("rest-of-two")}
    settings |= {"topics.storage.topic": "rest-of-two-topics", "views.storage.topic": "rest-of-two-views"}
    first, second = (MemberProcess(tmp_path, name, settings) for name in ("first", "second"))
    try:
        first.start()
        second.start()
        yield second.url
    finally:
        first.kill()
        second.kill()


@pytest.fixture(scope="module")
def java_answers(kafka: KafkaServer, folder: Path) -> Iterator[Future[list[Answer]]]:
    """As they come while the first test asks the same of our worker."""
    with connect.running(kafka.bootstrap, settings=_own("rest-answers")) as worker, ThreadPoolExecutor(1) as pool:
        yield pool.submit(answers, worker.url, script(str(folder), TOPIC))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The Java worker's user can read and write here."""
    folder = server_folder("rest")
    lines, copy = folder / "lines", folder / "copy"
    lines.write_text("".join(f"line {number}\n" for number in range(LINES)))
    copy.touch()
    if is_root():
        for path in (lines, copy):
            shutil.chown(path, SERVER_USER)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("who", ["alone", pytest.param("follower", marks=pytest.mark.long)])
def test_the_same_answers(
    who: str, java_answers: Future[list[Answer]], folder: Path, request: pytest.FixtureRequest
) -> None:
    calls = script(str(folder), TOPIC)
    assert len({call.name for call in calls}) == len(calls)
    ours = answers(request.getfixturevalue(who), calls)
    pairs = list(zip(calls, java_answers.result(), ours, strict=True))
    found = [difference for call, left, right in pairs for difference in differences(call, left, right)]
    unexplained = [one for one in found if not any(allowed.covers(one) for allowed in ALLOWED)]
    assert not unexplained, "\n" + "\n".join(
        f"{one.call}: {one.field}: Java {one.java!r}, ours {one.ours!r}" for one in unexplained
    )
    useless = [allowed for allowed in ALLOWED if not any(allowed.covers(one) for one in found)]
    assert not useless


def answers(url: str, calls: list[Call]) -> list[Answer]:
    # A connection a call: a kept one may be closed by the server just when the next call is sent.
    with httpx.Client(base_url=url, timeout=PATIENCE_S, headers={"Connection": "close"}) as client:
        return [settled(client, call) for call in calls]


def settled(client: httpx.Client, call: Call) -> Answer:
    """The answer once it is what the call waits for; what is not settled yet (409, no status so far) is asked again."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = ask(client, call)
        if time.monotonic() > deadline:
            return answer
        rebalancing = answer.status == 409 and "exists" not in answer.body["message"]
        if not rebalancing and (call.until is None or (answer.status < 400 and call.until(answer.body))):
            return answer
        time.sleep(0.1)


def ask(client: httpx.Client, call: Call) -> Answer:
    if call.body is None or isinstance(call.body, str):
        return Answer.of(client.request(call.method, call.path, content=call.body, headers=dict(call.headers)))
    return Answer.of(client.request(call.method, call.path, json=call.body, headers=dict(call.headers)))
