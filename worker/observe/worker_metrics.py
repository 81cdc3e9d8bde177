"""Kafka Connect's metrics of connectors, of the worker and of its rebalances; see `connect_metrics` for the names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from .connect_metrics import family
from .observed import Observed, Starts, state_of

__all__ = ["connector_metrics", "rebalance_metrics", "worker_metrics"]

_WORKER: Final = "kafka_connect_connect_worker_metrics"
_REBALANCE: Final = "kafka_connect_connect_worker_rebalance_metrics"
_COUNTED: Final = ("running", "paused", "failed", "unassigned", "restarting")


def connector_metrics(observed: Observed) -> Iterator[Metric]:
    """Texts are labels of a metric that is always 1, as the exporters make them."""
    versions = {str(task["connector"]): str(task["plugin"].get("version", "")) for task in observed.tasks}
    for name, label, doc in (
        ("status", "status", "State of the connector."),
        ("connector_type", "connector_type", "source or sink."),
        ("connector_class", "connector_class", "The plugin, as the config names it."),
        ("connector_version", "connector_version", "Version of the plugin."),
    ):
        made = InfoMetricFamily(f"kafka_connect_connector_metrics_{name}", doc, labels=("connector",))
        for connector in observed.connectors:
            told = {
                "status": connector["state"].lower(),
                "connector_type": connector["type"],
                "connector_class": connector["class"],
                "connector_version": versions.get(connector["name"], ""),
            }
            if told[name]:
                made.add_metric([connector["name"]], {label: told[name]})
        yield made


def worker_metrics(observed: Observed) -> Iterator[Metric]:
    tasks = observed.tasks
    yield _one(f"{_WORKER}_connector_count", "Connectors that this worker looks after.", len(observed.connectors))
    yield _one(f"{_WORKER}_task_count", "Tasks of this worker.", len(tasks))
    for what in ("connector", "task"):
        tried, good, bad = observed.starts.get(what, Starts())
        name = f"{_WORKER}_{what}_startup"
        yield _one(f"{name}_attempts_total", f"Starts of a {what}.", tried)
        yield _one(f"{name}_success_total", "Those that succeeded.", good)
        yield _one(f"{name}_failure_total", "Those that failed.", bad)
        if good + bad:
            yield _one(f"{name}_success_percentage", "Share of good starts, 0 to 1.", good / (good + bad))
            yield _one(f"{name}_failure_percentage", "Share of failed starts, 0 to 1.", bad / (good + bad))
    states = {str(task["connector"]): Counter[str]() for task in tasks}
    for task in tasks:
        states[str(task["connector"])][state_of(task)] += 1
    whole = GaugeMetricFamily(f"{_WORKER}_connector_total_task_count", "Tasks here.", labels=("connector",))
    for connector, counted in states.items():
        whole.add_metric([connector], counted.total())
    yield whole
    for state in _COUNTED:
        made = GaugeMetricFamily(f"{_WORKER}_connector_{state}_task_count", f"Tasks {state}.", labels=("connector",))
        for connector, counted in states.items():
            made.add_metric([connector], counted[state])
        yield made


def rebalance_metrics(observed: Observed) -> Iterator[Metric]:
    """A worker that stands alone has none."""
    told = observed.rebalances
    if told is None:
        return
    yield _one(f"{_REBALANCE}_completed_rebalances_total", "Rebalances that this worker has seen.", told["completed"])
    yield _one(f"{_REBALANCE}_rebalancing", "1: it is no member of its group at the moment.", told["rebalancing"])
    yield _one(f"{_REBALANCE}_epoch", "Generation of the group.", told["epoch"])
    if told["since_last_s"] is not None:
        since = round(told["since_last_s"] * 1000)
        yield _one(f"{_REBALANCE}_time_since_last_rebalance_ms", "Since the last rebalance, ms.", since)
    for name, text in (("leader_name", told["leader"]), ("connect_protocol", told["protocol"])):
        if text:
            info = InfoMetricFamily(f"{_REBALANCE}_{name}", name.replace("_", " ").capitalize() + ".")
            info.add_metric([], {name: text})
            yield info


def _one(name: str, doc: str, value: float) -> Metric:
    made = family(name, doc)
    made.add_metric([], float(value))
    return made
