"""Settings of Kafka clients that stand in a worker's file without a prefix.

Kafka Connect hands them to the clients of its own three topics alone; tasks get what stands behind `producer.`,
`consumer.` and `admin.`. Here those clients are set up for these topics already (they wait for all replicas and read
committed records), so that such settings are accepted and change nothing. Source of the names: `ProducerConfig`,
`ConsumerConfig` and `AdminClientConfig` of Kafka 4.3, but for those that `worker_options` takes by their first words.
"""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Option

__all__ = ["OWN_CLIENTS"]

_PRODUCER: Final = (
    r"acks", r"batch\.size", r"buffer\.memory", r"compression\.(type|(gzip|lz4|zstd)\.level)",
    r"delivery\.timeout\.ms", r"enable\.idempotence", r"linger\.ms",
    r"max\.(block\.ms|in\.flight\.requests\.per\.connection|request\.size)",
    r"partitioner\.(class|ignore\.keys|adaptive\.partitioning\.enable|availability\.timeout\.ms)",
    r"transaction\.timeout\.ms",
)  # fmt: skip
_CONSUMER: Final = (
    r"allow\.auto\.create\.topics", r"auto\.(commit\.interval\.ms|offset\.reset)", r"check\.crcs",
    r"enable\.auto\.commit", r"exclude\.internal\.topics", r"fetch\.(max\.bytes|max\.wait\.ms|min\.bytes)",
    r"isolation\.level", r"max\.(partition\.fetch\.bytes|poll\.(interval\.ms|records))",
    r"partition\.assignment\.strategy",
)  # fmt: skip
_EVERY: Final = (
    r"default\.api\.timeout\.ms", r"enable\.metrics\.push", r"interceptor\.classes", r"(key|value)\.(de)?serializer",
    r"retries",
)  # fmt: skip


def _accepted(patterns: tuple[str, ...], doc: str) -> Option:
    return Option("|".join(patterns), doc=doc, pattern=True, importance="low", group="Clients")


OWN_CLIENTS: Final = (
    _accepted(_PRODUCER, "Accepted without effect: Kafka Connect hands these to the clients of its own topics alone, "
              "which Headwater sets up by itself. For sources write `producer.…`."),
    _accepted(_CONSUMER, "The same; for sinks write `consumer.…`."),
    _accepted(_EVERY, "The same of all kinds of clients."),
)  # fmt: skip
