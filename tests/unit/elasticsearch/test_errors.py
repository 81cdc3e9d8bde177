"""What the servers' answers mean for the task."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from headwater.connectors.elasticsearch.client import open_client
from headwater.connectors.elasticsearch.client.contract import Busy, Refusal, is_gone, path, refused
from headwater.connectors.elasticsearch.sink import ElasticsearchSinkConnector
from headwater.worker.api import Fatal, HeadwaterError

BLOCKED = {"type": "cluster_block_exception", "reason": "index read-only"}
NOT_FOUND = {"type": "index_not_found_exception", "reason": "no such index [i]"}
CLOSED = {"type": "index_closed_exception", "reason": "closed"}
STARTING = {"type": "no_shard_available_action_exception", "reason": "no shard available"}


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (429, {"type": "es_rejected_execution_exception", "reason": "full"}, Busy),
        (429, {"type": "circuit_breaking_exception", "reason": "too large"}, Busy),
        (503, STARTING, Busy),
        (502, "<html>Bad Gateway</html>", Busy),
        (403, BLOCKED, Busy),
        (400, CLOSED, Busy),
        (401, {"type": "security_exception", "reason": "who"}, Fatal),
        (403, {"type": "security_exception", "reason": "may not"}, Fatal),
        (404, NOT_FOUND, Refusal),
        (400, {"type": "mapper_parsing_exception", "reason": "failed", "caused_by": {"reason": "the cause"}}, Refusal),
        (413, "", Refusal),
    ],
)
def test_what_a_status_means(status: int, error: object, kind: type[HeadwaterError]) -> None:
    found = refused(status, {"error": error} if isinstance(error, dict) else error, "POST /_bulk")
    assert type(found) is kind
    assert "POST /_bulk" in str(found)
    if isinstance(error, dict):
        assert (error.get("caused_by") or error)["reason"] in str(found)


def test_an_index_that_is_gone_and_one_that_is_starting() -> None:
    assert is_gone(NOT_FOUND)
    assert not is_gone(STARTING)
    assert not is_gone(None)


def _hang_up(listener: socket.socket) -> None:
    """Take what a client says first, and go away."""
    while True:
        try:
            call, _ = listener.accept()
        except OSError:
            return  # it was shut down
        with call, contextlib.suppress(OSError):
            call.recv(65536)


@pytest.mark.parametrize("distribution", ["elasticsearch", "opensearch"])
def test_a_handshake_that_is_cut_is_tried_again(distribution: str) -> None:
    """A balancer without a server behind it does so: that is no reason to distrust anybody."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_hang_up, args=(listener,), daemon=True)
        thread.start()
        raw: dict[str, str | None] = {
            "connection.url": f"https://127.0.0.1:{listener.getsockname()[1]}", "distribution": distribution,
        }  # fmt: skip
        client = open_client(ElasticsearchSinkConnector.options.parse(raw)[0])
        with pytest.raises(Busy):
            client.request("GET", "/")
        client.close()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(60)
    assert not thread.is_alive()


def test_paths_are_quoted() -> None:
    assert path("shop%2f", "_doc", "a/b") == "/shop%252f/_doc/a%2Fb"
