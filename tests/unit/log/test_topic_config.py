from __future__ import annotations

import pytest

from headwater.worker.log import LogError
from headwater.worker.log.topic_config import parse_topic_config


def test_defaults_are_kafkas() -> None:
    settings = parse_topic_config("t", {})
    assert (settings.delete, settings.compact) == (True, False)
    assert settings.max_message_bytes == 1_048_588
    assert settings.retention_ms == 7 * 24 * 3600 * 1000
    assert settings.delete_retention_ms == 24 * 3600 * 1000
    assert settings.min_cleanable_dirty_ratio == 0.5


def test_both_policies_at_once() -> None:
    settings = parse_topic_config("t", {"cleanup.policy": "compact, delete"})
    assert settings.delete
    assert settings.compact


def test_options_about_brokers_are_kept_without_effect() -> None:
    parse_topic_config(
        "t", {"min.insync.replicas": "2", "compression.type": "zstd", "segment.ms": "1", "replication.factor": "3"}
    )


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"retention": "1"}, "unknown option retention"),
        ({"cleanup.policyy": "compact"}, "did you mean cleanup.policy"),
        ({"cleanup.policy": "compress"}, "cleanup.policy must be"),
        ({"cleanup.policy": ""}, "cleanup.policy must be"),
        ({"retention.ms": "-2"}, "at least -1"),
        ({"max.message.bytes": "1.5"}, "whole number"),
        ({"delete.retention.ms": "-1"}, "at least 0"),
        ({"min.cleanable.dirty.ratio": "2"}, "between 0 and 1"),
        ({"min.cleanable.dirty.ratio": "half"}, "between 0 and 1"),
        ({"message.timestamp.type": "LogAppendTime"}, "can only do message.timestamp.type=CreateTime"),
    ],
)
def test_what_it_cannot_do_is_said(config: dict[str, str], says: str) -> None:
    with pytest.raises(LogError, match=says):
        parse_topic_config("t", config)
