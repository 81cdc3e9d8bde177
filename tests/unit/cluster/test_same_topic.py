"""Two workers of one group with different config topics have to say so."""

from __future__ import annotations

import pytest

from headwater.worker.cluster.membership import CONNECTOR, Assigned, Elsewhere, Item
from headwater.worker.cluster.same_topic import PATIENCE_S, SameTopic

HAS = Assigned(4, "me", False, "http://a:8083/", 12, frozenset({Item("shop", CONNECTOR)}))


@pytest.mark.parametrize(
    ("elsewhere", "position", "known", "named"),
    [
        (Elsewhere("http://b:8083/", 40), 12, {"shop"}, ["http://b:8083/", "40", "12"]),
        (None, 7, {"shop"}, ["http://a:8083/", "12", "7"]),
        (None, 12, {"other"}, ["http://a:8083/", "shop"]),
    ],
    ids=["no round is assigned", "behind for ever", "as long, with other connectors"],
)
def test_a_difference_that_stays_is_told(
    elsewhere: Elsewhere | None, position: int, known: set[str], named: list[str]
) -> None:
    same = SameTopic("my-configs")
    assert same.look(HAS, elsewhere, position, known, 100.0) == ""
    assert same.look(HAS, elsewhere, position, known, 99.0 + PATIENCE_S) == ""
    told = same.look(HAS, elsewhere, position, known, 100.0 + PATIENCE_S)
    assert all(name in told for name in ["my-configs", "config.storage.topic", *named])
    assert same.look(HAS, None, 12, {"shop"}, 101.0 + PATIENCE_S) == ""
    assert same.look(HAS, elsewhere, position, known, 102.0 + PATIENCE_S) == "", "it has to stay anew"


def test_who_reads_on_is_behind_and_nothing_else() -> None:
    same = SameTopic("my-configs")
    ahead = Assigned(4, "me", False, "http://a:8083/", 100, frozenset())
    assert {same.look(ahead, None, n, {"shop"}, n * PATIENCE_S) for n in range(100)} == {""}


def test_who_stands_alone_or_is_no_member_differs_from_nobody() -> None:
    same = SameTopic("my-configs")
    for assigned in (Assigned(), Assigned(0, items=None, config_offset=50)):
        assert {same.look(assigned, None, 3, (), n * PATIENCE_S) for n in range(3)} == {""}
