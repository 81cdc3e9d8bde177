from __future__ import annotations

import time
from typing import Any

import pytest

from headwater.worker.api import Retriable
from headwater.worker.rest import secrets_shown
from headwater.worker.rest.secrets_shown import SecretOptions


def test_a_plugin_that_could_not_be_asked_once_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(secrets_shown, "AGAIN_S", 2.0)

    def call(verb: str, raw: dict[str, str]) -> dict[str, Any]:
        asked.append(raw["connector.class"])
        if len(asked) == 1:
            raise Retriable("no answer within 90 s")
        return {"options": [{"name": "shibboleth", "type": "PASSWORD"}, {"name": "path", "type": "STRING"}]}

    options = SecretOptions(call)
    config = {"connector.class": "Mine"}
    assert options.of(config) == frozenset() == options.of(config)
    assert asked == ["Mine"]  # not at every look
    time.sleep(2.1)
    assert options.of(config) == {"shibboleth"} == options.of(config)
    assert asked == ["Mine", "Mine"]
