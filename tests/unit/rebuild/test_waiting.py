"""A job whose pipeline cannot go on says what it waits for, and can be given up meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.api import Retriable
from headwater.worker.log import open_log
from headwater.worker.rebuild.stages import run
from headwater.worker.rebuild.work import Work
from tests.servers.process import free_port

from .job_runner import Silent
from .scene import SETTINGS, VIEW, Scene, outcome, wait_for

SAYS = "items-0@0 waits in VALUE_CONVERTER: the schema registry does not answer (http://127.0.0.1:"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, partitions=1)
    scene.send_raw("items", b"k1", b"\0\0\0\0\1{}")
    yield scene
    scene.close()


def without_registry(scene: Scene, **more: str) -> dict[str, str]:
    converter = {
        "value.converter": "JsonSchemaConverter",
        "value.converter.schema.registry.url": f"http://127.0.0.1:{free_port()}",
        "value.converter.retries.wait.ms": "10",
    }
    return scene.config(**converter, **more)


class Job(threading.Thread):
    """The job's process on a thread; `told`: what it says of where it stands."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(daemon=True)
        self._data = scene.data
        self.told: list[Mapping[str, Any]] = []

    def run(self) -> None:
        with (
            closing(open_log(SETTINGS, self._data)) as log,
            closing(Work(VIEW, log, SETTINGS, Silent(), self.told.append)) as work,
        ):
            run(work)

    def waits(self) -> bool:
        return any(str(told.get("detail", "")).startswith(SAYS) for told in list(self.told))


def test_a_dead_registry_is_named_and_the_job_can_be_given_up(scene: Scene) -> None:
    scene.requests.rebuild(VIEW, without_registry(scene), {})
    job = Job(scene)
    job.start()
    wait_for(job.waits)
    scene.requests.wish(VIEW, "abort")
    job.join(120)
    assert not job.is_alive()
    assert outcome(scene.state()) == ("aborted", ["a user gave it up"])
    assert scene.state().current == 1


def test_a_limit_of_the_users_ends_the_wait(scene: Scene) -> None:
    scene.requests.rebuild(VIEW, without_registry(scene, **{"errors.retry.timeout": "50"}), {})
    job = Job(scene)
    job.start()
    job.join(120)
    assert not job.is_alive()
    result, reasons = outcome(scene.state())
    assert result == "failed" and "the schema registry does not answer" in reasons[0]


def test_a_log_that_does_not_answer_is_not_the_records_error(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise Retriable("the broker does not answer")

    with (
        closing(open_log(SETTINGS, scene.data)) as log,
        closing(Work(VIEW, log, SETTINGS, Silent(), lambda told: None)) as work,
    ):
        monkeypatch.setattr(work._views, "refresh", away)
        assert not work.wait_for_record(0.0, SAYS)
