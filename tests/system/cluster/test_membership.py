"""Members of a group on a real broker: they come, go, die and sleep; what there is runs once, and little moves."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from headwater.worker.runtime.lease import now_ms
from tests.servers import cable as cables
from tests.servers import kafka as kafka_servers
from tests.servers.kafka import KafkaServer

from .scene import SESSION_MS, Scene

pytestmark = pytest.mark.system

Make = Callable[..., Scene]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Scene] = []

    def scene(bootstrap: str, **settings: str) -> Scene:
        made.append(Scene(tmp_path, bootstrap, **settings))
        return made[-1]

    yield scene
    for one in made:
        one.close()


def test_killed_members_are_replaced(kafka: KafkaServer, make: Make) -> None:
    """A follower, then the leader; 10 connectors of 2 tasks."""
    scene = make(kafka.bootstrap)
    scene.write(10)
    scene.start("a", "b", "c")
    scene.until_balanced()
    for victim in ("follower", "leader"):
        leader = scene.leader()
        name = leader if victim == "leader" else next(n for n in scene.members if n != leader)
        kept = {other: scene.runs([other]) for other in scene.members if other != name}
        ran = scene.kill(name)
        took = scene.until_balanced()
        print(f"kill -9 of the {victim}: others run its {len(ran)} after {took} ms (session {SESSION_MS} ms)")
        for other, items in kept.items():
            assert set(items) <= set(scene.runs([other])), "what the others had stayed where it was"
        scene.start(name)
        scene.until_balanced()


def test_a_leader_that_dies_while_it_assigns_costs_the_others_nothing(kafka: KafkaServer, make: Make) -> None:
    """Between the answer to their join and the assignment they wait for the leader's session to end."""
    scene = make(kafka.bootstrap)
    scene.write(6)
    scene.start("a", "b", "c")
    scene.until_balanced()
    others = {name: scene.members[name].told["incarnation"] for name in scene.members if name != scene.leader()}
    (scene.folder / "hang").touch()
    scene.write(7)
    scene.until((scene.folder / "hanging").exists, "the leader is about to assign")
    scene.kill(scene.leader())
    (scene.folder / "hang").unlink()
    scene.until_balanced()
    assert {name: scene.members[name].told["incarnation"] for name in others} == others, "nobody fell out"
    for name in others:
        assert len(scene.starts(name)) == len(set(scene.starts(name))), "what ran went on"


def test_a_zombie_has_given_up_everything_before_it_does_anything(kafka: KafkaServer, make: Make) -> None:
    """SIGSTOP for longer than a session: when it goes on, its lease is over, and so says `assigned`."""
    scene = make(kafka.bootstrap)
    scene.write(6)
    scene.start("a", "b", "c")
    scene.until_balanced()
    name = scene.leader()
    zombie = scene.members[name]
    ran = scene.runs([name])
    zombie.freeze()
    others = [other for other in scene.members if other != name]
    scene.until(lambda: scene.balanced(others), "the others have taken over")
    zombie.thaw()
    scene.until(lambda: bool(zombie.told["zombie"]), "the zombie looks around")
    found = zombie.told["zombie"][0]
    assert ran and found["slept_ms"] > SESSION_MS / 2  # its clock and the coordinator's begin at different moments
    assert found["held"] == [] and found["items"] == 0
    scene.until_balanced()


def test_who_leaves_in_good_order_is_waited_for_and_little_moves(kafka: KafkaServer, make: Make) -> None:
    """A rolling restart: its connectors and tasks wait, it gets them back at once, the others' go on all the while."""
    scene = make(kafka.bootstrap, scheduled_rebalance_max_delay_ms="600000")
    scene.write(6)
    scene.start("a", "b", "c")
    scene.until_balanced()
    settled = {name: scene.starts(name) for name in scene.members}
    for name in [other for other in scene.members if other != scene.leader()]:
        rest = [other for other in scene.members if other != name]
        before = {other: scene.members[other].told["generation"] for other in rest}
        scene.members[name].stop()
        scene.until(
            lambda rest=rest, before=before: all(scene.members[o].told["generation"] > before[o] for o in rest),  # type: ignore[misc]
            "the others have seen it leave",
        )
        assert len(scene.runs(rest)) < len(scene.items), "what it had waits for it"
        scene.members[name].start()
        scene.until_balanced()
        settled[name] = scene.starts(name)
    assert {name: scene.starts(name) for name in scene.members} == settled, "nothing was started anew elsewhere"


def test_those_who_do_not_come_back_are_replaced_after_the_delay(kafka: KafkaServer, make: Make) -> None:
    scene = make(kafka.bootstrap, scheduled_rebalance_max_delay_ms="1000")
    scene.write(4)
    scene.start("a", "b")
    scene.until_balanced()
    scene.members.pop(scene.leader()).stop()
    scene.until_balanced()


@pytest.mark.parametrize("protocol", ["sessioned", pytest.param("eager", marks=pytest.mark.long)])
def test_nothing_runs_twice_while_it_moves(kafka: KafkaServer, make: Make, protocol: str) -> None:
    """Members that take their time to stop; config that changes; a member that comes and one that leaves."""
    scene = make(kafka.bootstrap, connect_protocol=protocol)
    scene.write(5)
    scene.start("a", "b", stop_ms=400)
    scene.until_balanced()
    scene.start("c", stop_ms=400)
    scene.until_balanced()
    scene.write(8)
    scene.until_balanced()
    scene.write(3)
    scene.until_balanced()
    scene.members.pop("a").stop(signal.SIGTERM)
    scene.until_balanced()
    running: dict[str, str] = {}
    for line in sorted(scene.story(), key=lambda one: one["ms"]):
        if line["what"] == "started":
            assert line["item"] not in running, f"{line} while it ran at {running[line['item']]}"
            running[line["item"]] = line["by"]
        else:
            assert running.pop(line["item"]) == line["by"]


@pytest.mark.long
def test_the_brokers_go_and_come_back(make: Make) -> None:
    """For less than a session, and for longer: the second time everything was given up meanwhile."""
    with kafka_servers.running("4.3") as kafka:
        scene = make(kafka.bootstrap)
        scene.write(6)
        scene.start("a", "b", "c")
        scene.until_balanced()
        kafka.restart()
        scene.until_balanced()
        kafka.stop()
        scene.until(lambda: not scene.runs(), "everything is given up without brokers")
        assert all(member.told["generation"] == -1 for member in scene.members.values())
        kafka.start()
        scene.until_balanced()


@pytest.mark.long
def test_a_cut_cable(make: Make) -> None:
    """One member hears nothing and is not heard: it gives up by itself what the others take, and comes back."""
    server = KafkaServer("4.3", listeners={"CABLE": "PLAINTEXT"})
    with contextlib.ExitStack() as stack:
        stack.callback(server.close)
        cable = stack.enter_context(cables.laid(server.address("CABLE")))
        server.settings["advertised.listeners"] = f"PLAINTEXT://{server.bootstrap},CABLE://{cable.address}"
        server.write_properties()
        server.start()
        scene = make(server.bootstrap)
        scene.write(6)
        scene.start("a", "b")
        scene.start("far", bootstrap_servers=cable.address)
        scene.until_balanced()
        far = scene.members["far"]
        for _ in range(2):
            incarnation = far.told["incarnation"]
            cable.cut()
            scene.until(lambda: not far.told["runs"], "it has given up what it had")
            assert far.told["generation"] == -1
            scene.until_balanced("a", "b")
            cable.mend()
            print(f"mended: back and balanced after {scene.until_balanced()} ms")
            assert far.told["incarnation"] > incarnation


@pytest.mark.long
def test_a_join_that_takes_longer_than_a_session_stops_nothing(kafka: KafkaServer, make: Make) -> None:
    """All wait for a frozen member whose session is longer than theirs; meanwhile heartbeats take another way."""
    scene = make(kafka.bootstrap)
    scene.write(6)
    scene.start("a", "b")
    scene.start("slow", session_timeout_ms=str(3 * SESSION_MS))
    scene.until_balanced()
    before = {name: scene.members[name].told["incarnation"] for name in ("a", "b")}
    scene.members["slow"].freeze()
    begin = now_ms()
    scene.start("c")
    scene.until_balanced("a", "b", "c")
    assert now_ms() - begin > SESSION_MS
    assert {name: scene.members[name].told["incarnation"] for name in before} == before
