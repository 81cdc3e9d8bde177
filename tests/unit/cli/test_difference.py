"""What `connectors apply` says that it changes."""

from __future__ import annotations

from headwater.worker.cli.apply import difference
from headwater.worker.rest.secrets_shown import MASK


def test_passwords_are_neither_compared_nor_shown() -> None:
    before = {
        "a": "1",
        "b": "2",
        "c.password": MASK,
        "opaque": MASK,
        "url": f"pg://u:{MASK}@h",
        "d.password": "${env:X}",
    }
    after = {
        "a": "1",
        "b": "3",
        "c.password": "new",
        "opaque": "x",
        "url": "pg://u:new@h",
        "d.password": "plain",
        "e": "4",
    }
    assert difference(before, after) == [
        {"option": "b", "from": "2", "to": "3"},
        {"option": "d.password", "from": "${env:X}", "to": MASK},
        {"option": "e", "from": None, "to": "4"},
    ]
    assert difference(before, before) == []
    assert difference({"opaque": MASK}, {}) == [{"option": "opaque", "from": MASK, "to": None}]
