"""`headwater check` asks the brokers too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.cli.main import main
from headwater.worker.log import open_log
from tests.servers.kafka import KafkaServer
from tests.servers.process import free_port


def check(folder: Path, capsys: pytest.CaptureFixture[str], **options: str) -> dict[str, dict[str, Any]]:
    """Findings about the worker by subject. `options`: of the worker, `_` for a dot."""
    view, worker = folder / "view.yaml", folder / "worker.yaml"
    view.write_text(f"name: v\nconnector.class: ParquetSink\ntopics: t\npath: {folder / 'lake'}\n")
    worker.write_text("".join(f"{name.replace('_', '.')}: {value}\n" for name, value in options.items()))
    status = main(["check", str(view), "--worker", str(worker), "--json"])
    findings = [one for one in json.loads(capsys.readouterr().out)["findings"] if one["connector"] == "(worker)"]
    assert status == int(any(one["level"] == "error" for one in findings))
    return {one["subject"]: one for one in findings}


def test_more_replicas_than_brokers(kafka: KafkaServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = {f"{what}_storage_topic": f"check-{what}" for what in ("config", "offset", "topics", "views")}
    found = check(tmp_path, capsys, bootstrap_servers=kafka.bootstrap, **names)
    assert found["brokers"]["level"] == "ok"
    assert {found[name]["level"] for name in names.values()} == {"error"}
    assert found["check-offset"]["fix"].startswith("offset.storage.replication.factor: -1")
    assert found["check-views"]["fix"].startswith("config.storage.replication.factor: -1")

    mended = {f"{what}_storage_replication_factor": "-1" for what in ("config", "offset")}
    found = check(tmp_path, capsys, bootstrap_servers=kafka.bootstrap, **names, **mended)
    assert {found[name]["message"] for name in names.values()} == {
        "will be made, with the brokers' default number of replicas"
    }
    log = open_log({"bootstrap.servers": kafka.bootstrap}, tmp_path)
    assert not log.topics(names.values()), "checking has made topics"
    log.close()


def test_no_broker(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = check(tmp_path, capsys, bootstrap_servers=f"127.0.0.1:{free_port()}")
    assert found["brokers"]["level"] == "error"
    assert "up and reachable" in found["brokers"]["message"]
