"""A throw-away S3 service: VersityGW over a folder of its own. It checks signatures and honours conditional writes."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .cache import SERVER_USER, is_root, server_folder
from .golang import go_program
from .process import free_port, kill_all, spawn

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.8.0"
HEALTH = "/health"


def binary() -> Path:
    """Built on first use. Raises `MissingTool`, `RuntimeError`."""
    return go_program(MODULE, VERSION)


class S3Server:
    """One service on 127.0.0.1; port, credentials and data stay the same however often it is killed and started.

    `options` are further options of `versitygw`, such as "--max-requests=2".
    """

    region = "us-east-1"

    def __init__(self, options: Sequence[str] = ()) -> None:
        self.program = binary()
        self.folder = server_folder("s3")
        self.port = free_port()
        self.access_key = "headwater-tests"
        self.secret_key = secrets.token_hex(16)
        self.options = list(options)
        self._process: subprocess.Popen[bytes] | None = None
        self.log.touch()
        self.data.mkdir()
        if is_root():
            for path in (self.log, self.data):
                shutil.chown(path, SERVER_USER)

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def data(self) -> Path:
        """A folder a bucket, a file an object; for looking at, not for writing."""
        return self.folder / "data"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def credentials(self) -> dict[str, str]:
        """As environment variables."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": self.region,
        }

    def start(self, timeout_s: float = 60) -> S3Server:
        """Returns once it answers."""
        command: list[str | Path] = [self.program, "--port", f"127.0.0.1:{self.port}", "--health", HEALTH]
        command += ["--region", self.region, *self.options, "posix", self.data]
        keys = {"ROOT_ACCESS_KEY_ID": self.access_key, "ROOT_SECRET_ACCESS_KEY": self.secret_key}
        self._process = spawn(command, self.log, env=keys)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                urllib.request.urlopen(self.endpoint + HEALTH, timeout=5).close()
                return self
            except (OSError, urllib.error.URLError) as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"S3 did not start: {error}\n{self.log.read_text()[-3000:]}") from error
            time.sleep(0.05)

    def stop(self, timeout_s: float = 60) -> None:
        """It ends the requests that it has begun."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                kill_all(self._process)
            self._process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            kill_all(self._process)
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nobody answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self) -> Any:
        """A boto3 client with the server's credentials; an independent view of what is there."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}),
        )

    def create_bucket(self, name: str) -> None:
        self.client().create_bucket(Bucket=name)

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Of all its objects, in order."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def uploads(self, bucket: str) -> list[str]:
        """Keys of multipart uploads that were begun and not ended."""
        pages = self.client().get_paginator("list_multipart_uploads").paginate(Bucket=bucket)
        return [item["Key"] for page in pages for item in page.get("Uploads", [])]

    def delete_bucket(self, name: str) -> None:
        """With all that it holds."""
        client = self.client()
        for key in self.keys(name):
            client.delete_object(Bucket=name, Key=key)
        for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=name):
            for upload in page.get("Uploads", []):
                client.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        client.delete_bucket(Bucket=name)


@contextlib.contextmanager
def running(options: Sequence[str] = ()) -> Iterator[S3Server]:
    server = S3Server(options)
    try:
        yield server.start()
    finally:
        server.close()
