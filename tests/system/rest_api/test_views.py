"""Views through the REST API of a real worker: rebuilt, verified, rolled back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from tests.rest_worker import error, states, wait_for


def test_a_view_is_rebuilt(client: httpx.Client, view: str, config: dict[str, str]) -> None:
    (listed,) = [one for one in client.get("/views").json() if one["name"] == view]
    assert listed["name"] == view and listed["generations"] == {"1": {"phase": "live"}} and listed["job"] is None
    assert "has never been rebuilt" in error(client.post(f"/views/{view}/rollback"), 409)
    assert "no job is running" in error(client.post(f"/views/{view}/abort"), 409)
    assert "unknown: kepe" in error(client.post(f"/views/{view}/rebuild", json={"kepe": "1h"}), 400)
    assert "is not a time" in error(client.post(f"/views/{view}/rebuild", json={"keep": "soon"}), 400)
    job = started(client.post(f"/views/{view}/rebuild", json={"config": {**config, "fields": "id,x"}, "keep": "1h"}))
    running = client.post(f"/views/{view}/verify")
    assert f"rebuild of {view} is running" in error(running, 409)
    assert ended(client, view, job)["outcome"] == "done"
    whole = client.get(f"/views/{view}").json()
    assert whole["current"] == 2 and whole["generations"]["1"]["phase"] == "kept"
    assert whole["generations"]["2"]["config"]["fields"] == "id,x"
    wait_for(lambda: client.get(f"/connectors/{view}/config").json()["fields"] == "id,x")
    wait_for(lambda: states(client, view) == ["RUNNING"])
    job = started(client.post(f"/views/{view}/verify", json={}))
    entry = ended(client, view, job)
    assert entry["outcome"] == "done" and entry["result"]["found"] == {"items": 20}
    job = started(client.post(f"/views/{view}/rollback", json={"keep": "0"}))
    assert ended(client, view, job)["outcome"] == "done"
    wait_for(lambda: list(client.get(f"/views/{view}").json()["generations"]) == ["1"])
    wait_for(lambda: client.get(f"/connectors/{view}/config").json()["fields"] == "id")


def test_a_rebuild_and_a_change_of_its_config_do_not_cross(
    client: httpx.Client, view: str, config: dict[str, str]
) -> None:
    """Whoever is second knows what the first one wrote: a config is refused, or is what the rebuild begins with."""
    changed = {**config, "fields": "id,x"}
    with ThreadPoolExecutor(2) as pool:
        rebuild = pool.submit(client.post, f"/views/{view}/rebuild", json={"keep": "1h"})
        put = pool.submit(client.put, f"/connectors/{view}/config", json=changed)
    entry = ended(client, view, started(rebuild.result()))
    assert entry["outcome"] == "done", entry
    fields = "id,x" if put.result().status_code == 200 else "id"
    assert put.result().status_code in (200, 409), put.result().text
    whole = client.get(f"/views/{view}").json()
    assert {number: one["config"]["fields"] for number, one in whole["generations"].items()} == {
        "1": fields,
        "2": fields,
    }
    wait_for(lambda: client.get(f"/connectors/{view}/config").json()["fields"] == fields)


def started(response: httpx.Response) -> str:
    assert response.status_code == 202, response.text
    return str(response.json()["job"]["id"])


def ended(client: httpx.Client, view: str, job: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def over() -> bool:
        last = client.get(f"/views/{view}/progress").json()["last"]
        if last is not None and last["id"] == job:
            found.append(last)
        return bool(found)

    wait_for(over)
    return found[0]
