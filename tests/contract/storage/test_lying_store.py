"""A store, or a proxy before it, that does not know conditional writes is found out before anything is committed."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import boto3
import pytest

from headwater.worker.api import Fatal

from .conftest import opened

KEYS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}


def proxy_to(url: str, dropped: str) -> ThreadingHTTPServer:
    """Passes everything on but the header `dropped`."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            headers = {"Content-Type": "application/octet-stream"}  # else urllib says that it is a form
            headers |= {n: value for n, value in self.headers.items() if n.lower() not in (dropped, "expect")}
            request = urllib.request.Request(url + self.path, data, headers, method=self.command)
            try:
                reply = urllib.request.urlopen(request, timeout=30)
            except urllib.error.HTTPError as error:
                reply = error
            with reply:
                body = reply.read()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    if name.lower() in ("etag", "content-type", "last-modified"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


@pytest.fixture
def lying(moto: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a store that ignores the header that is the parameter."""
    server = proxy_to(moto, request.param)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("lying", "words"),
    [("if-none-match", r"only if absent \(If-None-Match: \*\)"), ("if-match", r"had changed meanwhile \(If-Match\)")],
    indirect=["lying"],
)
def test_found_out(lying: str, words: str, moto: str) -> None:
    bucket = f"lying-{urlsplit(lying).port}"
    boto3.client("s3", endpoint_url=moto, **KEYS).create_bucket(Bucket=bucket)
    config = {"path": f"s3://{bucket}", "aws.access.key.id": "any", "aws.secret.access.key": "any"}
    storage = opened(config | {"store.url": lying})
    with pytest.raises(Fatal, match=words):
        storage.probe("g1")
    assert list(storage.list()) == []
    opened(config | {"store.url": moto}).probe("g1")
