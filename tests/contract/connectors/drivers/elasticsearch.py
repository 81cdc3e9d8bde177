"""Indices that are views, in Elasticsearch or OpenSearch."""

from __future__ import annotations

import secrets

from headwater.worker.api import Record, Type, primitive, struct
from headwater.worker.testing import Row, SinkDriver
from tests.servers.cable import Cable
from tests.servers.elasticsearch import SearchServer


class ElasticsearchDriver(SinkDriver):
    """`cable`: to the server."""

    connector_class = "ElasticsearchSink"

    def __init__(self, server: SearchServer, cable: Cable) -> None:
        self._server, self._cable, self._prefix = server, cable, f"c{secrets.token_hex(6)}"

    def config(self, target: str) -> dict[str, str]:
        return {
            "connection.url": f"http://{self._cable.address}",
            "distribution": self._server.distribution,
            "index.name.format": f"{self._prefix}-{target}",
            "index.settings": '{"number_of_replicas": 0}',
            "state.index.prefix": self._prefix,
            "max.retries": "1",
            "retry.backoff.ms": "20",
        }

    def rows(self, target: str) -> list[Row]:
        found = self._server.documents(f"{self._prefix}-{target}").values()
        return [Row(document["id"], document["text"]) for document in found]

    def bad_record(self, record: Record) -> Record:
        """A text, where the mapping says a number."""
        schema = struct({"id": primitive(Type.STRING), "text": primitive(Type.STRING)})
        return record.replace(value={"id": "eight", "text": "bad"}, value_schema=schema)

    def cut(self) -> None:
        self._cable.pull_out()

    def mend(self) -> None:
        self._cable.plug_in()

    def close(self) -> None:
        for index in self._server.indices(f"{self._prefix}*"):
            self._server.request("DELETE", f"/{index}")
