"""A Java cluster's group and topics are taken over by `headwater worker`, and taken back, while the database is
written to: connectors, their target states and their offsets carry on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests import plugins
from tests.conftest import Database
from tests.servers.kafka import KafkaServer

from .cluster_scene import ClusterScene
from .conftest import COMMITTED
from .counting import in_order, nothing_lost, one_place_with_the_commit_before, repeated, writers
from .reading import written

pytestmark = [pytest.mark.compat, pytest.mark.long]
ENOUGH = 400
"""Records of one phase."""
EXACTLY_ONCE = {"exactly.once.source.support": "enabled"}

MakeScene = Callable[[Mapping[str, str]], ClusterScene]


@pytest.fixture
def make_cluster_scene(kafka: KafkaServer, database: Database, tmp_path: Path) -> Iterator[MakeScene]:
    plugins.install()
    made: list[ClusterScene] = []

    def make(settings: Mapping[str, str]) -> ClusterScene:
        made.append(ClusterScene(kafka, database, tmp_path / "scene", settings))
        return made[-1]

    yield make
    for scene in made:
        scene.close()


@pytest.mark.parametrize(("settings", "killed"), [(COMMITTED, False), (EXACTLY_ONCE, True)], ids=["stopped", "killed"])
def test_a_java_clusters_topics_are_taken_over(
    make_cluster_scene: MakeScene, settings: Mapping[str, str], killed: bool
) -> None:
    """Stopped in good order, or killed with all that it wrote in transactions: every change comes exactly once."""
    scene = make_cluster_scene(settings)
    scene.begin()
    scene.until_more(ENOUGH)
    if killed:
        scene.until_java_stored()
        scene.kill_java()
    else:
        scene.java.stop()

    scene.headwater.start()
    assert set(scene.headwater.get("/connectors")) == {scene.name, scene.lines, scene.copy}
    went_on = {scene.name: ["RUNNING", "RUNNING"], scene.lines: ["PAUSED", "PAUSED"], scene.copy: ["STOPPED"]}
    scene.until_states(scene.headwater, went_on)
    expected = {"name": scene.name, **scene.config, "database.password": "********"}
    assert scene.headwater.get(f"/connectors/{scene.name}/config") == expected
    scene.until_more(ENOUGH)
    assert scene.slots() == [f"s_{scene.name}"]
    scene.append("four", "five")
    assert scene.copied() == ["one", "two", "three"]
    for name in (scene.lines, scene.copy):
        scene.resume(name)
    everything = {name: ["RUNNING", "RUNNING"] for name in went_on}
    scene.until_states(scene.headwater, everything)
    scene.until_copied(5)
    scene.until_stored(scene.headwater, len("one\ntwo\nthree\nfour\nfive\n"))
    if killed:
        scene.kill_headwater()
    else:
        assert scene.headwater.stop() == 0

    scene.start_java()
    scene.until_states(scene.java, everything)
    scene.append("six")
    scene.until_copied(6)
    scene.until_more(ENOUGH)
    committed = scene.end_writing()
    last = scene.sentinels()
    for change in last:
        scene.until_all(change)
    records = scene.records()
    nothing_lost(records, committed + last)
    in_order(records)
    twice = repeated(records)
    assert all(one_place_with_the_commit_before(found) for found in twice.values()), twice
    assert not [raw for raw in records if written(raw).by_headwater and written(raw).snapshot], "a second snapshot"
    counts = writers(records)
    assert counts[True] >= ENOUGH and counts[False] >= 2 * ENOUGH
    assert scene.copied() == ["one", "two", "three", "four", "five", "six"]
