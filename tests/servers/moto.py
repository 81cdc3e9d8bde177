"""A throw-away S3 and SQS service: `moto_server`. It checks no signatures and keeps everything in memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from .process import free_port, kill_all

KEYS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
"""Credentials, of any kind, for a boto3 client."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Its URL; `folder` takes its log."""
    port = free_port()
    program = Path(sys.executable).parent / "moto_server"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-p", str(port)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 240
        try:
            while True:
                try:
                    urllib.request.urlopen(url, timeout=5).close()
                    break
                except (OSError, urllib.error.URLError):
                    assert process.poll() is None and time.monotonic() < deadline, "moto_server did not start"
                    time.sleep(0.1)
            yield url
        finally:
            kill_all(process)
