"""The text that Prometheus reads, in the format that it asks for.

Source of the formats: Prometheus text format 0.0.4, and OpenMetrics 1.0 where the request's `Accept` names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from .connect_metrics import task_metrics
from .observed import Observed
from .own_metrics import own_metrics
from .worker_metrics import connector_metrics, rebalance_metrics, worker_metrics

__all__ = ["exposition"]

_OWN_PROCESS: Final = ProcessCollector(registry=None)
"""Memory, processor time and open files of the worker's own process."""


class _Look(Collector):
    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def collect(self) -> Iterator[Metric]:
        for part in (connector_metrics, task_metrics, worker_metrics, rebalance_metrics, own_metrics):
            yield from part(self._observed)
        yield from _OWN_PROCESS.collect()


def exposition(observed: Observed, accept: str = "") -> tuple[bytes, str]:
    """The metrics as text, and its content type."""
    encode, content_type = choose_encoder(accept)
    return encode(_Look(observed)), content_type
