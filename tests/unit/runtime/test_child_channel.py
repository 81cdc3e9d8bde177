"""What a child tells, whatever its plugins have put into it."""

from __future__ import annotations

import orjson
import pytest

from headwater.worker.runtime.child_channel import plain
from headwater.worker.runtime.errors import text_of


def test_what_json_cannot_say_is_said_otherwise() -> None:
    odd = {"path": "/in/\udcff.csv", 7: [1 << 80, {"a"}, None, True, 1.5], "deep": {"\ud800": ("x",)}}
    said = plain(odd)
    assert said == {
        "path": "/in/?.csv", "7": [str(1 << 80), ["a"], None, True, 1.5], "deep": {"?": ["x"]},
    }  # fmt: skip
    assert orjson.loads(orjson.dumps(said)) == said
    with pytest.raises(TypeError):
        orjson.dumps(odd, option=orjson.OPT_NON_STR_KEYS)


def test_long_texts_are_shortened() -> None:
    said = plain({"trace": "b" + "x" * 500_000 + "e", "short": "y"}, 1_000)
    assert said["short"] == "y" and len(said["trace"]) < 1_100
    assert said["trace"].startswith("bx") and said["trace"].endswith("xe") and "more characters)…" in said["trace"]


def test_an_error_that_cannot_say_what_it_is() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    assert text_of(Mute()) == "its message cannot be read: RuntimeError"
