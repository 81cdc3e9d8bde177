"""`connector.client.config.override.policy`: which settings of the Kafka clients a connector may change.

Source: the policies of org.apache.kafka.connect.connector.policy (Kafka 4.3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from headwater.worker.api import Problem

__all__ = ["ALLOWLIST", "POLICIES", "POLICY", "overrides_of", "refused_overrides"]

POLICY: Final = "connector.client.config.override.policy"
ALLOWLIST: Final = "connector.client.config.override.allowlist"
POLICIES: Final = ("All", "None", "Principal", "Allowlist")

_OVERRIDE: Final = re.compile(r"(?:producer|consumer|admin)\.override\.(.+)")
_PRINCIPAL: Final = frozenset({"sasl.jaas.config", "sasl.mechanism", "security.protocol"})


def overrides_of(raw: Mapping[str, str]) -> dict[str, str]:
    """The overrides among a connector's options, under their full names."""
    return {name: text for name, text in raw.items() if _OVERRIDE.fullmatch(name)}


def refused_overrides(raw: Mapping[str, str], worker: Mapping[str, str]) -> list[Problem]:
    """A problem for each override in a connector's options `raw` that the `worker`'s policy does not let pass."""
    policy = worker.get(POLICY, "").strip().lower()
    if policy in ("", "all"):
        return []
    allowed = frozenset[str]()
    hint = f"the worker's {POLICY}=None allows none; leave it out, or change the policy in the worker's file"
    if policy == "principal":
        allowed = _PRINCIPAL
        hint = f"the worker's {POLICY}=Principal allows {', '.join(sorted(_PRINCIPAL))} alone"
    elif policy == "allowlist":
        allowed = frozenset(name.strip() for name in worker.get(ALLOWLIST, "").split(",")) - {""}
        hint = f"add {{name}} to {ALLOWLIST} in the worker's file, or leave the option out"
    return [
        Problem(key, "this worker does not let connectors override it", hint.replace("{name}", found[1]))
        for key in raw
        if (found := _OVERRIDE.fullmatch(key)) and found[1] not in allowed
    ]
