"""A connector's config and plan, as a worker makes them of a driver's options."""

from __future__ import annotations

from collections.abc import Mapping

from headwater.worker.config.plan import ConnectorPlan, build_plan
from headwater.worker.config.secrets import expand

__all__ = ["config_of", "planned"]


def config_of(name: str, connector_class: str, options: Mapping[str, str]) -> dict[str, str]:
    """The whole config. A task that fails is started again soon, and without end."""
    return {
        "name": name,
        "connector.class": connector_class,
        "restart.backoff.initial.ms": "50",
        "restart.backoff.max.ms": "500",
        "restart.max.attempts": "-1",
        **options,
    }


def planned(raw: Mapping[str, str]) -> tuple[ConnectorPlan, dict[str, str]]:
    """The plan of the connector's one task, and its task config. Raises `ConfigError`."""
    plain = expand(raw)
    plan = build_plan(plain)
    configs = plan.connector.plan_tasks(plan.values, 1)
    assert len(configs) == 1, f"plan_tasks gave {len(configs)} task configs where 1 was the most"
    return build_plan(plain, task_config=configs[0]), configs[0]
