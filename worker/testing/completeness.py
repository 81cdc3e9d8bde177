"""Is there a contract for each connector that a package brings?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from headwater.worker.config.plugins import PluginKind, installed

from .sink_contract import SinkContract
from .source_contract import SourceContract

__all__ = ["without_contract"]


def without_contract(distribution: str, contracts: Iterable[type[Any]]) -> list[str]:
    """The connectors of this installed package that none of these classes tests. One test under any of a connector's
    names is enough."""
    tested: set[tuple[PluginKind, str]] = set()
    for contract in contracts:
        kind: PluginKind = "source" if issubclass(contract, SourceContract) else "sink"
        assert issubclass(contract, SourceContract | SinkContract), f"{contract.__name__} is no contract"
        tested.add((kind, contract.driver_type.connector_class))
    return [
        plugin.name
        for plugin in installed().all()
        if plugin.kind in ("source", "sink")
        and plugin.package.rpartition(" ")[0] == distribution
        and not any((plugin.kind, name) in tested for name in plugin.names)
    ]
