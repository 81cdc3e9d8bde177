"""Who may ask, and what browsers are told: sign-in, pages from elsewhere, headers, listeners for /admin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from headwater.worker.api import ConfigError
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.rest.app import build_app
from headwater.worker.rest.settings import RestSettings

EXTENSION = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension"


def asking(worker: Standalone, settings: dict[str, str], admin_listener: bool = False) -> TestClient:
    app = build_app(worker, settings=RestSettings.of(settings), admin_listener=admin_listener)
    return TestClient(app, base_url="http://127.0.0.1:8083")


@pytest.fixture
def users(tmp_path: Path) -> Iterator[dict[str, str]]:
    path = tmp_path / "users.properties"
    path.write_text("# who may\nann = s3cret:word\nbéa=péché\n")
    yield {"rest.extension.classes": EXTENSION, "rest.basic.auth.users.file": str(path)}


def test_sign_in(worker: Standalone, users: dict[str, str]) -> None:
    asked = asking(worker, users)
    assert asked.get("/connectors", auth=("ann", "s3cret:word")).status_code == 200
    assert asked.get("/", auth=("béa".encode(), "péché".encode())).status_code == 200
    for path in ("/", "/health", "/connectors", "/admin/loggers", "/nothing"):
        refused = asked.get(path)
        assert refused.status_code == 401
        assert refused.json() == {"error_code": 401, "message": "User cannot access the resource."}
        assert refused.headers["www-authenticate"].startswith("Basic ")
    for name, password in (("ann", "s3cret"), ("ann", ""), ("eve", "s3cret:word"), ("", "")):
        assert asked.get("/", auth=(name, password)).status_code == 401
    for header in ("Basic", "Basic !!", "Basic YW5u", "Bearer YW5uOnMzY3JldDp3b3Jk"):
        assert asked.get("/", headers={"Authorization": header}).status_code == 401
    # workers among themselves sign their requests with the cluster's key instead
    assert "stands alone" in asked.put("/connectors/x/fence").text
    assert "stands alone" in asked.post("/connectors/x/tasks", json=[]).text
    assert asked.post("/connectors/x/tasks/0/restart").status_code == 401


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rest.extension.classes": EXTENSION}, "rest.basic.auth.users.file: required by rest.extension.classes"),
        ({"rest.extension.classes": "com.example.Audit"}, "Java classes are not run here"),
        ({"rest.basic.auth.users.file": "/nowhere"}, "cannot read /nowhere"),
        ({"rest.basic.auth.users.file": "/dev/null"}, "names nobody"),
        ({"response.http.headers.config": "set X-A"}, "is not of the form"),
        ({"response.http.headers.config": "setDate Expires:soon"}, "milliseconds from now"),
    ],
)
def test_wrong_options(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RestSettings.of(settings)
    assert said in str(caught.value.problems[0])


def test_pages_from_elsewhere(worker: Standalone) -> None:
    page = {"Origin": "https://console.example.com"}
    closed = asking(worker, {})
    assert "access-control-allow-origin" not in closed.get("/", headers=page).headers
    assert closed.put("/connectors/x/pause", headers=page).status_code == 403
    open_ = asking(
        worker, {"access.control.allow.origin": page["Origin"], "access.control.allow.methods": "GET,PUT,DELETE"}
    )
    assert open_.get("/", headers=page).headers["access-control-allow-origin"] == page["Origin"]
    assert open_.put("/connectors/x/pause", headers=page).status_code == 404
    assert open_.put("/connectors/x/pause", headers={"Origin": "https://evil.example"}).status_code == 403
    before = {**page, "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "Content-Type"}
    allowed = open_.options("/connectors/x/config", headers=before)
    assert allowed.status_code == 200 and "PUT" in allowed.headers["access-control-allow-methods"]
    anybody = asking(worker, {"access.control.allow.origin": "*"})
    answer = anybody.get("/", headers=page)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_headers_of_every_answer(worker: Standalone) -> None:
    rules = 'add Cache-Control: no-cache, set X-Frame-Options:DENY, "add X-List:a, b", setDate Expires:3600000'
    asked = asking(worker, {"response.http.headers.config": rules})
    for path in ("/", "/nothing"):
        headers = asked.get(path).headers
        assert headers["cache-control"] == "no-cache" and headers["x-frame-options"] == "DENY"
        assert headers["x-list"] == "a, b" and headers["expires"].endswith(" GMT")


def test_a_listener_for_admin(worker: Standalone) -> None:
    settings = {"admin.listeners": "http://127.0.0.1:0"}
    main, admin = asking(worker, settings), asking(worker, settings, admin_listener=True)
    assert main.get("/admin/loggers").status_code == 404 and main.get("/connectors").status_code == 200
    assert admin.get("/admin/loggers").status_code == 200 and admin.get("/connectors").status_code == 404
    assert asking(worker, {"admin.listeners": ""}).get("/admin/loggers").status_code == 404


def test_topic_tracking_may_be_off(worker: Standalone) -> None:
    off = asking(worker, {"topic.tracking.enable": "false"})
    assert off.get("/connectors/x/topics").json() == {"error_code": 403, "message": "Topic tracking is disabled."}
    fixed = asking(worker, {"topic.tracking.allow.reset": "false"})
    assert fixed.get("/connectors/x/topics").status_code == 200
    assert fixed.put("/connectors/x/topics/reset").json()["message"] == "Topic tracking reset is disabled."


def test_only_json_is_answered(worker: Standalone) -> None:
    asked = asking(worker, {})
    assert asked.get("/", headers={"Accept": "text/html"}).json()["message"] == "HTTP 406 Not Acceptable"
    assert asked.get("/", headers={"Accept": "text/html, application/json;q=0.5"}).status_code == 200
