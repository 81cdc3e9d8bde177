"""What keeps a connector's tasks from starting is known to the leader, and has to be seen on every worker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headwater.worker.cluster.config_records import config_messages, connector_records
from headwater.worker.cluster.config_state import Configured
from headwater.worker.cluster.config_topic import ConfigTopic
from headwater.worker.cluster.config_writer import ConfigWriter
from headwater.worker.cluster.following import Following
from headwater.worker.cluster.leading import Leading
from headwater.worker.cluster.membership import CONNECTOR, Assigned, Item
from headwater.worker.cluster.peers import Peers
from headwater.worker.cluster.planner import Planner
from headwater.worker.cluster.session_keys import SessionPolicy
from headwater.worker.cluster.state import Build, TaskPlan, Wanted, plans_to_commit
from headwater.worker.cluster.status import connector_state
from headwater.worker.cluster.status_report import StatusReport
from headwater.worker.cluster.status_topic import StatusTopic
from headwater.worker.cluster.surroundings import Surroundings
from headwater.worker.cluster.told_status import connector_told
from headwater.worker.log import open_log
from headwater.worker.runtime.internal_topics import InternalTopics
from tests import plugins

RAW = {"name": "shop", "connector.class": "PostgresSource"}
TWO: tuple[Mapping[str, str], ...] = ({"n": "0"}, {"n": "1"})
BUILD = Build("shop", 1)

Refused = tuple[Build, Sequence[Mapping[str, str]], str]


class Leader:
    """Answers all that it is asked alike."""

    def __init__(self) -> None:
        self.status, self.message = 204, ""
        self.asked: list[str] = []
        told = self

        class Answer(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.dumps({"error_code": told.status, "message": told.message}).encode()
                told.asked.append(f"{self.command} {self.path}")
                self.send_response(told.status)
                self.send_header("Content-Length", str(0 if told.status == 204 else len(body)))
                self.end_headers()
                if told.status != 204:
                    self.wfile.write(body)

            do_POST = do_PUT

            def log_message(self, *args: object) -> None:
                """Nothing is said."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def leader() -> Iterator[Leader]:
    made = Leader()
    yield made
    made.server.shutdown()
    made.server.server_close()


def follower(leader: Leader, connector: Configured, **plans: TaskPlan) -> Wanted:
    """It runs the connector, and none of its tasks."""
    assigned = Assigned(5, "me", False, leader.url, items=frozenset({Item("shop", CONNECTOR)}))
    return Wanted({"shop": connector}, plans={Build(n, 1): plan for n, plan in plans.items()}, assigned=assigned)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.02)


def test_the_connectors_status_says_what_the_leader_cannot_do(leader: Leader, tmp_path: Path) -> None:
    leader.status, leader.message = 409, "tasks of shop cannot start yet: not authorized"
    following = Following(Peers(SessionPolicy.of({})), lambda *refused: None)
    wanted = follower(leader, Configured("shop", RAW, tasks=TWO, new_tasks=True))

    def asked() -> bool:
        following.act(wanted, None)
        return bool(following.troubles())

    until(asked)
    log = open_log({}, tmp_path)
    topic = StatusTopic(log, InternalTopics(status_replicas=-1))
    StatusReport(topic, "here:1").tell(replace(wanted, troubles=following.troubles()), wanted.assigned, [])
    assert topic.flush(60)
    topic.refresh()
    by_any_worker = connector_told(wanted.connectors["shop"], None, topic.told("shop"), "source")["connector"]
    assert (by_any_worker["state"], by_any_worker["worker_id"]) == ("UNASSIGNED", "here:1")
    assert leader.url in by_any_worker["trace"] and "not authorized" in by_any_worker["trace"]
    leader.status = 204
    until(lambda: not asked())  # it is asked again, and does it
    assert set(leader.asked) == {"PUT /connectors/shop/fence"}
    topic.close()
    log.close()


def test_what_is_asked_no_more_is_no_trouble(leader: Leader) -> None:
    leader.status, leader.message = 500, "the disk is full"
    peers = Peers(SessionPolicy.of({}))
    following = Following(peers, lambda *refused: None)
    wanted = follower(leader, Configured("shop", RAW, planned=False), shop=TaskPlan(RAW, "source", TWO))
    following.act(wanted, None)
    until(following.troubles)
    assert "the disk is full" in following.troubles()["shop"]
    following.rest()
    assert following.troubles() == {}


def test_a_plan_that_the_leader_cannot_write_down_is_not_asked_for_again(leader: Leader) -> None:
    leader.status, leader.message = 400, "it is too large"
    refused: list[Refused] = []
    following = Following(Peers(SessionPolicy.of({})), lambda *what: refused.append(what))
    wanted = follower(leader, Configured("shop", RAW, planned=False), shop=TaskPlan(RAW, "source", TWO))
    following.act(wanted, None)
    until(lambda: refused)
    assert refused == [(BUILD, TWO, "it is too large")]


def test_a_plan_that_is_refused_holds_up_no_other(tmp_path: Path) -> None:
    log = open_log({}, tmp_path)
    log.create_topic("configs", 1, {"cleanup.policy": "compact", "max.message.bytes": "2000"})
    raws = {name: {**RAW, "name": name} for name in ("large", "small")}
    around = Surroundings(log, {}, tmp_path, "here:1", InternalTopics(configs="configs"))
    writer = ConfigWriter(log, "lone", lambda: True)
    refused: list[Refused] = []
    for name, raw in raws.items():
        writer.write(config_messages("configs", connector_records(name, raw)))
    leading = Leading(around, writer, lambda: None, lambda *what: refused.append(what))
    large = ({"tables": "x" * 5000},)
    plans = {Build("large", 1): TaskPlan(raws["large"], "sink", large)}
    plans[Build("small", 1)] = TaskPlan(raws["small"], "sink", TWO)
    connectors = {name: Configured(name, raw) for name, raw in raws.items()}
    leading.act(Wanted(connectors, plans=plans), None, lambda name: False)
    [(build, tasks, why)] = refused
    assert (build, tasks) == (Build("large", 1), large) and "max.message.bytes" in why
    topic = ConfigTopic(log, "configs")
    topic.refresh()
    assert {name: one.tasks for name, one in topic.connectors().items()} == {"large": (), "small": TWO}
    topic.close()
    writer.release()
    log.close()


def test_a_connector_whose_plan_is_refused_fails_until_it_is_restarted(tmp_path: Path) -> None:
    plugins.install()
    changed: list[int] = []
    planner = Planner({}, tmp_path, lambda: changed.append(1))
    raw = {
        "name": "view",
        "connector.class": "SqliteView",
        "topics": "items",
        "path": str(tmp_path / "v"),
        "fields": "a",
    }
    build = Build("view", 1)
    planner.want({build: raw})
    until(lambda: build in planner.plans())
    plan = planner.plans()[build]
    assert not plan.error
    planner.refuse(build, [{"of": "another plan"}], "too large")
    assert planner.plans()[build] == plan
    planner.refuse(build, plan.tasks, "too large")
    wanted = Wanted({"view": Configured("view", raw)}, plans=planner.plans())
    assert connector_state(wanted.connectors["view"], wanted.plans[build], "here:1") == {
        "state": "FAILED", "worker_id": "here:1", "trace": "too large",
    }  # fmt: skip
    assert plans_to_commit(wanted) == {}
    planner.want({build: raw})
    assert planner.plans()[build].error == "too large"
    planner.forget("view")
    assert planner.plans() == {}
