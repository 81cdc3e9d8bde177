"""All generations of one view."""

from __future__ import annotations

from headwater.worker.api import Values


class PostgresGenerations:
    def __init__(self, values: Values, view: str) -> None:
        self._values = values
        self._view = view
