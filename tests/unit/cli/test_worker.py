"""`headwater worker` before it asks any server: a file that cannot make a member of a cluster is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from headwater.worker.api import ConfigError
from headwater.worker.cli.main import main
from headwater.worker.cli.worker import demand_reachable

BROKERS = "bootstrap.servers: kafka.example.com:9092\n"


def refused(folder: Path, text: str, capsys: pytest.CaptureFixture[str]) -> str:
    path = folder / "w.yaml"
    path.write_text(text)
    assert main(["worker", str(path), "--data", str(folder / "data")]) == 1
    assert not (folder / "data").exists()
    return capsys.readouterr().err


def test_a_cluster_needs_brokers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(tmp_path, "group.id: x\n", capsys)
    assert f"{tmp_path}/w.yaml" in said
    assert "bootstrap.servers" in said and "a cluster of workers needs Kafka" in said and "headwater run" in said


def test_a_member_needs_its_rest_api(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for listeners in ("none", '""'):
        said = refused(tmp_path, f"{BROKERS}listeners: {listeners}\n", capsys)
        assert "listeners" in said and "a member of a cluster needs its REST API" in said


def test_problems_are_told_with_their_lines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(tmp_path, f"{BROKERS}\ngroup.idd: x\nsession.timeout.ms: long\n", capsys)
    assert f"{tmp_path}/w.yaml:3: group.idd: unknown option (did you mean group.id?)" in said
    assert f"{tmp_path}/w.yaml:4: session.timeout.ms: must be a whole number" in said


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_one_that_others_cannot_reach_does_not_join_brokers_elsewhere(host: str) -> None:
    with pytest.raises(ConfigError, match=r"rest\.advertised\.host\.name.*which is their own machine"):
        demand_reachable(f"http://{host}:8083/", ["localhost:9092", "kafka.example.com:9092"])
    demand_reachable(f"http://{host}:8083/", ["localhost:9092", "127.0.0.1:9093", "[::1]:9094"])


def test_one_that_others_can_reach_joins() -> None:
    demand_reachable("http://worker-1.example.com:8083/", ["kafka.example.com:9092"])
    demand_reachable("http://10.1.2.3:8083/", ["10.9.9.9:9092"])
