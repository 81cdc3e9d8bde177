"""Following a job while its worker is up, away, or without its log."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from headwater.worker.cli.client import Client, Refused
from headwater.worker.cli.job_watch import watch

RUNNING = (200, {"job": {"id": "j", "kind": "verify", "stage": "compare"}, "last": None, "progress": None})
ENDED = (200, {"job": None, "last": {"id": "j", "outcome": "done"}, "progress": None})
BUSY = (503, {"error_code": 503, "message": "the offsets of headwater-views-0 could not be read; try again"})
WRONG = (404, {"error_code": 404, "message": "there is no view of that name"})


@pytest.fixture
def worker() -> Iterator[tuple[str, list[tuple[int, Any]]]]:
    """Its address, and the answers that it will give, in order."""
    answers: list[tuple[int, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, document = answers.pop(0)
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Not on stderr, which a test looks at."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_log_that_is_away_is_waited_for(
    worker: tuple[str, list[tuple[int, Any]]], capsys: pytest.CaptureFixture[str]
) -> None:
    url, answers = worker
    answers += [RUNNING, BUSY, RUNNING, BUSY, ENDED]
    assert watch(Client(url), "view", "j")["outcome"] == "done"
    assert "the worker's log does not answer; the job goes on when it is back" in capsys.readouterr().err


def test_other_refusals_end_it(worker: tuple[str, list[tuple[int, Any]]]) -> None:
    url, answers = worker
    answers += [RUNNING, WRONG]
    with pytest.raises(Refused, match="no view of that name"):
        watch(Client(url), "view", "j")
