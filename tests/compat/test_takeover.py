"""Debezium on Kafka Connect is stopped, Headwater goes on at its offset, in its topics and on its slot; and back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Database

from .counting import in_order, nothing_lost, repeated, writers
from .scene import Scene

pytestmark = pytest.mark.compat
ENOUGH = 400
"""Records of one phase."""


def finish(scene: Scene) -> None:
    """Let whoever runs write all of it, then hold the topics against the database."""
    committed = scene.end_writing()
    last = scene.sentinels()
    for change in last:
        scene.until_all(change)
    nothing_lost(scene.records(), committed + last)


def test_there_and_back_again(database: Database, make_scene: Callable[[Database], Scene]) -> None:
    """Both are stopped in good order, within transactions as it happens: every change comes exactly once."""
    scene = make_scene(database)
    scene.begin()
    for phase in range(2):
        if phase:
            scene.start_java()
        scene.until_more(ENOUGH)
        scene.java.stop_connector(scene.name)
        scene.headwater.start()
        scene.until_more(ENOUGH)
        assert scene.headwater.stop() == 0
    scene.start_java()
    finish(scene)
    scene.java.stop_connector(scene.name)
    records = scene.records()
    counts = writers(records)
    assert counts[True] >= 2 * ENOUGH and counts[False] >= 2 * ENOUGH
    in_order(records)
    assert not repeated(records)
