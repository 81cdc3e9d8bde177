"""What `headwater check` asks the brokers that the worker's file names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headwater.worker.api import ConfigError, HeadwaterError
from headwater.worker.config.secrets import expand
from headwater.worker.runtime.internal_topics import InternalTopics

WORKER: Final = "(worker)"
"""Where a connector's name stands in a connector's finding."""
_OPTIONS: Final = ("config.storage.replication.factor", "offset.storage.replication.factor")


def check_log(worker: Mapping[str, str]) -> list[dict[str, Any]]:
    """Findings: do the brokers answer, are the internal topics there or can they be made? Changes nothing.

    `worker`: the worker's options as written. Without brokers in them there is nothing to ask.
    """
    if not worker.get("bootstrap.servers", "").strip():
        return []
    from headwater.worker.log.kafka import KafkaLog  # only here: without brokers Headwater does without librdkafka

    try:
        settings = expand(worker)
        servers = settings["bootstrap.servers"]
        log = KafkaLog(settings)
        names = InternalTopics.of(settings)
        config, offset = names.configs_replicas, names.offsets_replicas
        wanted = dict.fromkeys((names.configs, names.topics, names.views), (1, config, _OPTIONS[0]))
        wanted[names.offsets] = (names.offsets_partitions, offset, _OPTIONS[1])
        there = log.topics(wanted)
    except ConfigError as error:
        return [_finding("error", p.option, p.message, p.hint) for p in error.problems]
    except HeadwaterError as error:
        return [_finding("error", "brokers", str(error))]
    findings = [_finding("ok", "brokers", f"connected to Kafka at {servers}")]
    for name, (partitions, replicas, option) in wanted.items():
        if name in there:
            findings.append(_finding("ok", name, "is there"))
            continue
        try:
            log.would_create(name, partitions, {"replication.factor": str(replicas)})
        except HeadwaterError as error:
            too_many = replicas > 0 and "replication" in str(error).lower()
            fix = (
                f"{option}: -1    # in the worker's file; now {replicas}. -1: the brokers' default" if too_many else ""
            )
            findings.append(_finding("error", name, str(error), fix))
        else:
            copies = "the brokers' default number of replicas" if replicas < 0 else f"{replicas} replicas"
            findings.append(_finding("ok", name, f"will be made, with {copies}"))
    return findings


def _finding(level: str, subject: str, message: str, fix: str = "") -> dict[str, Any]:
    return {"connector": WORKER, "level": level, "subject": subject, "message": message, "fix": fix}
