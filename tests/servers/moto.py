"""A throw-away S3 and SQS service: `moto_server`. It checks no signatures and keeps everything in memory."""

from __future__ import annotations

import contextlib
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from .process import kill_all, spawn

KEYS = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
"""Credentials, of any kind, for a boto3 client."""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """Its URL; `folder` takes its log."""
    log = folder / "log"
    program = Path(sys.executable).parent / "moto_server"
    process = spawn([program, "-p", "0"], log, as_server_user=False)
    deadline = time.monotonic() + 240
    try:
        while not (url := _url(log)):
            assert process.poll() is None and time.monotonic() < deadline, f"moto did not start:\n{log.read_text()}"
            time.sleep(0.1)
        yield url
    finally:
        kill_all(process)


def _url(log: Path) -> str:
    """ "" until it answers at the port that the system gave it."""
    found = re.search(r"Running on (http://[\d.:]+)\n", log.read_text())
    if found is None:
        return ""
    try:
        urllib.request.urlopen(found[1], timeout=5).close()
    except (OSError, urllib.error.URLError):
        return ""
    return found[1]
