"""The stages between a connector and the log: transforms in order, each with its predicate."""

from __future__ import annotations

from dataclasses import dataclass

from headwater.worker.api import Predicate, Transform


@dataclass(frozen=True, slots=True)
class Stage:
    """One configured transform. It applies where `predicate` is None or `predicate.test(record) != negate`."""

    alias: str
    transform: Transform
    predicate: Predicate | None = None
    negate: bool = False
