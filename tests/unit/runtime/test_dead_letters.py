"""What a dead letter says about why it failed."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.transforms.decrypt_fields import DecryptFields
from headwater.worker.api import DataError
from headwater.worker.config.plan import ErrorPolicy
from headwater.worker.log.contract import Message
from headwater.worker.log.embedded import EmbeddedLog
from headwater.worker.runtime.dead_letters import DeadLetters, make_queue
from headwater.worker.runtime.errors import Where
from headwater.worker.runtime.letter import letter_of
from headwater.worker.runtime.task_spec import TaskSpec

POLICY = ErrorPolicy(tolerance="all", dlq_topic="dead", dlq_replication_factor=1, dlq_context_headers=True)


@pytest.mark.parametrize("reveals", [True, False])
def test_what_was_decrypted_stays_out_of_the_queue(tmp_path: Path, reveals: bool) -> None:
    assert DecryptFields.reveals
    with closing(EmbeddedLog(tmp_path / "log.db")) as log:
        letters = DeadLetters(log, POLICY, TaskSpec("view", 0, 1, {}), ["t"], {}, str, reveals)
        said = []
        for stage in ("TASK_PUT", "TRANSFORMATION", "VALUE_CONVERTER"):
            try:
                raise DataError("'Anna' is no number")
            except DataError as error:
                made = letters._letter(Message("t", b"k", b"v", (), 5, 0, 7), Where(stage, "Sink", "t-0@7"), error, 999)
            letter = letter_of(made)
            assert letter is not None and letter.reason["exception.class.name"].endswith("DataError")
            said.append("Anna" in letter.reason["exception.message"] + letter.reason["exception.stacktrace"])
        assert said == [not reveals, not reveals, True]
        letters.close()


def test_a_queue_takes_what_the_connectors_topics_take(tmp_path: Path) -> None:
    room = 64 * 1024
    with closing(EmbeddedLog(tmp_path / "log.db")) as log:
        for name, size in (("t.a", "2000000"), ("t.b", "3000000"), ("u", "4000000")):
            log.create_topic(name, 1, {"max.message.bytes": size})

        def made(name: str, topics: list[str] | re.Pattern[str], least_bytes: int | None = None) -> str | None:
            make_queue(log, replace(POLICY, dlq_topic=name), topics, least_bytes)
            return log.topics([name])[name].config.get("max.message.bytes")

        assert made("none", []) is None
        assert made("listed", ["t.a"]) == str(2_000_000 + room)
        assert made("regex", re.compile(r"t\..*")) == str(3_000_000 + room)
        assert made("source", [], 5_000_000) == str(5_000_000 + room)
