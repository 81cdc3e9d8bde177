"""Data streams: one that is not there is made, with a template of its own."""

from __future__ import annotations

from headwater.worker.api import DataError, Fatal, Values

from ..client import Client, Refusal, answered, path
from .documents import Plan
from .mappings import missing, whole_mapping
from .options import json_option

PRIORITY = 500
"""Above the built-in templates of Elasticsearch, which have 100 to 200."""


class Streams:
    """Of one view. A stream that is there is written to as it is."""

    def __init__(self, client: Client, values: Values, view: str) -> None:
        self._client, self._values, self._view = client, values, view
        self._there: set[str] = set()
        self._ready: set[Plan] = set()

    def ready(self, plan: Plan, versions: str) -> str:
        """The stream to append to. Raises `DataError` for fields that it cannot have, `Fatal`."""
        if plan.part not in self._there:
            if answered(self._client, "GET", path("_data_stream", plan.part)) is None:
                self._create(plan)
            self._there.add(plan.part)
        if plan not in self._ready:
            self._grow(plan)
            self._ready.add(plan)
        return plan.part

    def publish(self) -> None:
        """Readers use the stream's own name."""

    def _create(self, plan: Plan) -> None:
        template = {
            "index_patterns": [plan.part],
            "priority": PRIORITY,
            "data_stream": {},
            "template": {
                "settings": json_option(self._values, "index.settings"),
                "mappings": whole_mapping(plan.properties, plan.guessed, {"view": self._view}),
            },
        }
        try:
            self._client.request("PUT", path("_index_template", f"headwater-{plan.part}"), template)
            self._client.request("PUT", path("_data_stream", plan.part))
        except Refusal as error:
            if error.kind != "resource_already_exists_exception":
                raise Fatal(f"the data stream {plan.part} could not be made: {error.reason}") from error

    def _grow(self, plan: Plan) -> None:
        """New fields go to the newest backing index. Raises `DataError` where it cannot have them."""
        about = self._client.request("GET", path("_data_stream", plan.part))["data_streams"][0]
        index = about["indices"][-1]["index_name"]
        mapping = self._client.request("GET", path(index, "_mapping"))[index]["mappings"]
        if lacking := missing(mapping.get("properties", {}), plan.properties):
            newest = {"write_index_only": "true"}  # older ones may have had such a field otherwise
            try:
                self._client.request("PUT", path(plan.part, "_mapping"), {"properties": lacking}, newest)
            except Refusal as error:
                raise DataError(f"the data stream {plan.part} cannot have further fields: {error.reason}") from error
