"""What the view's cluster still lacks."""

from __future__ import annotations

from typing import Final

from headwater.worker.api import DataError, Finding, HeadwaterError, Values

from ..client import Client, open_client, shown
from ..client.options import ELASTICSEARCH, OPENSEARCH
from .aliases import holders, meta_of, said_taken
from .names import index_name
from .options import is_stream
from .state import ViewState

OLDEST: Final = {ELASTICSEARCH: (8, 0), OPENSEARCH: (2, 4)}
"""Clients of version 8 want a server of version 8; OpenSearch knows points in time from 2.4 on."""


def findings(values: Values, view: str = "") -> list[Finding]:
    """Changes nothing. `view`: its name, if it is known."""
    try:
        client = open_client(values)
    except HeadwaterError as error:
        return [Finding("error", "connection", str(error))]
    try:
        found = [_server(client, values), _health(client)]
        if view:
            ViewState(client, values, view).list()
            found += _names(client, values, view)
        return found
    except HeadwaterError as error:
        fix = "start the server, or correct connection.url, connection.username and connection.password"
        return [Finding("error", "connection", str(error), fix)]
    finally:
        client.close()


def _server(client: Client, values: Values) -> Finding:
    about = client.request("GET", "/")["version"]
    distribution, number = about.get("distribution", ELASTICSEARCH), str(about["number"])
    if distribution != values["distribution"]:
        return Finding(
            "error", "server", f"{shown(values)} is {distribution} {number}", f"distribution: {distribution}"
        )
    major, minor = (int(part) for part in number.split(".")[:2])
    oldest = OLDEST[distribution]
    if (major, minor) < oldest:
        message = f"{distribution} {number} is too old: {oldest[0]}.{oldest[1]} or newer is needed"
        return Finding("error", "server", message)
    return Finding("ok", "server", f"{distribution} {number} at {shown(values)}")


def _health(client: Client) -> Finding:
    health = client.request("GET", "/_cluster/health")
    if health["status"] == "red":
        return Finding("error", "health", "the cluster is red: shards are missing", "GET /_cluster/allocation/explain")
    return Finding("ok", "health", f"the cluster is {health['status']}, {health['number_of_nodes']} nodes")


def _names(client: Client, values: Values, view: str) -> list[Finding]:
    """Names that are taken already. Where a transform may give topics other names, only the records will tell."""
    if is_stream(values):
        return []
    found = []
    for topic in values.get("topics") or ():
        try:
            name = index_name(values["index.name.format"], topic)
        except DataError as error:
            found.append(Finding("error", topic, str(error)))
            continue
        strangers = {index for index in holders(client, name) if meta_of(client, index).get("view") != view}
        if strangers:
            unless = "; so it is, unless a transform renames the topic" if values.get("transforms") else ""
            level = "warning" if unless else "error"
            found.append(Finding(level, name, said_taken(name, strangers) + unless))  # type: ignore[arg-type]
    return found
