"""How workers of a cluster sign requests to each other: options of `DistributedConfig` of Kafka Connect 4.3."""

from __future__ import annotations

from typing import Final

from headwater.worker.api import Option, OptionType, at_least

__all__ = ["ALGORITHMS", "SIGNING"]

ALGORITHMS: Final = ("HmacSHA256", "HmacSHA384", "HmacSHA512", "HmacSHA224", "HmacSHA1")
"""Java's names."""


def _known(names: list[str]) -> str | None:
    unknown = [name for name in names if name not in ALGORITHMS]
    if unknown or not names:
        return f"{', '.join(unknown) or 'nothing'} is named; there are {', '.join(ALGORITHMS)}"
    return None


SIGNING: Final = (
    Option("inter.worker.key.ttl.ms", OptionType.INT, 3_600_000, "After so long the leader makes a new key for "
           "requests between workers, ms; 0: never.", validate=at_least(0), importance="low", group="Cluster"),
    Option("inter.worker.key.generation.algorithm", default="HmacSHA256", choices=ALGORITHMS, importance="low",
           group="Cluster", doc="What kind of key that is."),
    Option("inter.worker.key.size", OptionType.INT, None, "Its size in bits; default: what is usual for its kind.",
           validate=at_least(40), importance="low", group="Cluster"),
    Option("inter.worker.signature.algorithm", default="HmacSHA256", choices=ALGORITHMS, importance="low",
           group="Cluster", doc="How this worker signs requests to others."),
    Option("inter.worker.verification.algorithms", OptionType.LIST, ("HmacSHA256",), "Signatures of which kind this "
           "worker takes from others; its own must be among them.", validate=_known, importance="low",
           group="Cluster"),
)  # fmt: skip
