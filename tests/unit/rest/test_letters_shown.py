"""What dead letters are not to show."""

from __future__ import annotations

import pytest

from headwater.worker.config.secrets import Redactor, secret_values
from headwater.worker.rest.dead_letters import _filled_in


def test_what_variables_hold_is_kept_out_of_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORDERS_PASSWORD", "hush-hush")
    monkeypatch.delenv("NOT_HERE", raising=False)
    raw = {"connection.password": "${env:ORDERS_PASSWORD}", "other.password": "${env:NOT_HERE}", "topics": "orders"}
    filled_in = _filled_in(raw)
    assert filled_in["other.password"] == raw["other.password"] and filled_in["topics"] == "orders"
    assert Redactor(secret_values(raw, filled_in)).redact("orders: not hush-hush") == "orders: not ***"
