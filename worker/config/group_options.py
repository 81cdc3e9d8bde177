"""A worker's options for its group: when a worker counts as gone, and what then happens to its connectors and tasks.

Names and meanings: `DistributedConfig` of Kafka Connect 4.3.1. `scheduled.rebalance.max.delay.ms` is 5 s here, not 5
minutes, and counts for workers alone that have left in good order.
"""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Option, OptionType, at_least

__all__ = ["GROUP"]

_INT: Final = OptionType.INT

GROUP: Final = (
    Option("session.timeout.ms", _INT, 10_000, "A worker that the brokers have not heard of for so long is gone, and "
           "others take over its connectors and tasks, ms. The brokers' group.min.session.timeout.ms is the least.",
           validate=at_least(1), group="Cluster"),
    Option("heartbeat.interval.ms", _INT, 3_000, "How often a worker tells the brokers that it is there, ms; at most a "
           "third of session.timeout.ms.", validate=at_least(1), importance="low", group="Cluster"),
    Option("rebalance.timeout.ms", _INT, 60_000, "How long the others wait for a worker when connectors and tasks are "
           "assigned anew, ms.", validate=at_least(1), importance="low", group="Cluster"),
    Option("scheduled.rebalance.max.delay.ms", _INT, 5_000, "How long the connectors and tasks of a worker that has "
           "left in good order wait for it to come back, ms. Those of a worker that died do not wait.",
           validate=at_least(0), group="Cluster"),
    Option("connect.protocol", default="sessioned", choices=("sessioned", "compatible", "eager"), importance="low",
           group="Cluster", doc="What workers of one group speak with each other. `sessioned`: requests between them "
           "are signed; `eager`: everything stops whenever connectors and tasks are assigned anew."),
    Option("worker.sync.timeout.ms", _INT, 3_000, "Accepted without effect: a worker that is behind on the config "
           "topic reads on for 3 s before it joins again.", importance="low", group="Cluster"),
    Option("worker.unsync.backoff.ms", _INT, 300_000, "Accepted without effect: it does not leave its group for that.",
           importance="low", group="Cluster"),
)  # fmt: skip
