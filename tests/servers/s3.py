"""A throw-away S3 service: VersityGW over a folder of its own. It checks signatures and honours conditional writes."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from .cache import SERVER_USER, is_root, server_folder
from .golang import go_program
from .process import free_port
from .server import Server

MODULE = "github.com/versity/versitygw/cmd/versitygw"
VERSION = "v1.8.0"
HEALTH = "/health"


def binary() -> Path:
    """Built on first use. Raises `MissingTool`, `RuntimeError`."""
    return go_program(MODULE, VERSION)


class S3Server(Server):
    """One service on 127.0.0.1; port, credentials and data stay the same however often it is killed and started.

    `options` are further options of `versitygw`, such as "--max-requests=2".
    """

    title = "S3"
    region = "us-east-1"

    def __init__(self, options: Sequence[str] = ()) -> None:
        self.program = binary()
        super().__init__(server_folder("s3"))
        self.port = free_port()
        self.access_key = "headwater-tests"
        self.secret_key = secrets.token_hex(16)
        self.options = list(options)
        self.log.touch()
        self.data.mkdir()
        if is_root():
            for path in (self.log, self.data):
                shutil.chown(path, SERVER_USER)

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

    def start(self, timeout_s: float = 240) -> Self:
        """Returns once it answers."""
        command: list[str | Path] = [self.program, "--port", f"127.0.0.1:{self.port}", "--health", HEALTH]
        command += ["--region", self.region, *self.options, "posix", self.data]
        keys = {"ROOT_ACCESS_KEY_ID": self.access_key, "ROOT_SECRET_ACCESS_KEY": self.secret_key}
        self._launch(command, self._answers, (OSError,), timeout_s, env=keys)
        return self

    def _answers(self) -> None:
        urllib.request.urlopen(self.endpoint + HEALTH, timeout=5).close()

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
