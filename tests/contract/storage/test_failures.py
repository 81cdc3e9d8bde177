"""What goes wrong with a store: whether it is worth another try, and what the message tells the user to do."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from headwater.connectors.object_store import s3_errors
from headwater.connectors.parquet.storage import LocalStorage, Storage, local
from headwater.connectors.parquet.storage.local_errors import file_errors
from headwater.worker.api import Fatal, Retriable
from tests.servers.s3 import S3Server, running

from .conftest import opened, s3_config

HASTY = {"s3.part.retries": "0"}


def every_call(storage: Storage, kind: type[Exception], words: str) -> None:
    def write() -> None:
        output = storage.open_output("f")
        try:
            output.write(b"x" * 6_000_000)
            output.publish()
        finally:
            output.discard()

    for call in (
        lambda: storage.read("f"),
        lambda: storage.create("f", b"x"),
        lambda: storage.replace("f", b"x", "tag"),
        lambda: storage.open_input("f"),
        lambda: list(storage.list()),
        lambda: storage.delete(["f"]),
        storage.abandon_uploads,
        write,
    ):
        with pytest.raises(kind, match=words):
            call()


def test_no_such_bucket(s3: S3Server) -> None:
    storage = opened(s3_config(s3, "nobody-made-this"))
    every_call(storage, Fatal, r"NoSuchBucket.*Create the bucket s3://nobody-made-this")


def test_wrong_keys(s3: S3Server, bucket: str) -> None:
    config = s3_config(s3, bucket) | {"aws.secret.access.key": "a wrong one"}
    every_call(opened(config), Fatal, r"SignatureDoesNotMatch.*Check aws\.access\.key\.id")
    with pytest.raises(Fatal) as caught:
        opened(config).read("f")
    assert "a wrong one" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "number", "kind", "words"),
    [
        ("SlowDown", 503, Retriable, "too many requests"),
        ("", 503, Retriable, "too many requests"),
        ("ThrottlingException", 400, Retriable, "too many requests"),
        ("InternalError", 500, Retriable, "tries again"),
        ("RequestTimeout", 400, Retriable, "tries again"),
        ("NoSuchUpload", 404, Retriable, "tries again"),
        ("ExpiredToken", 400, Retriable, "tries again"),
        ("AccessDenied", 403, Fatal, r"Allow s3:GetObject, .* on s3://lake to the key"),
        ("InvalidObjectState", 403, Fatal, "is archived: restore it"),
        ("InvalidAccessKeyId", 403, Fatal, "Check aws.access.key.id"),
        ("RequestTimeTooSkewed", 403, Fatal, "this machine's clock"),
        ("PermanentRedirect", 301, Fatal, "set s3.region"),
        ("NotImplemented", 501, Fatal, "lacks what a view needs"),
        ("InvalidArgument", 400, Fatal, "Look at the options"),
    ],
)
def test_what_s3_says(name: str, number: int, kind: type[Exception], words: str) -> None:
    answer = {"Error": {"Code": name, "Message": "as S3 puts it"}, "ResponseMetadata": {"HTTPStatusCode": number}}
    with pytest.raises(kind, match=words) as caught, s3_errors("write", "s3://lake/views/f"):
        raise ClientError(answer, "PutObject")
    assert "cannot write s3://lake/views/f" in str(caught.value) and "as S3 puts it" in str(caught.value)


def test_a_proxy_keeps_its_password(s3: S3Server, bucket: str) -> None:
    proxy = {"s3.proxy.url": "http://127.0.0.1:9", "s3.proxy.user": "me", "s3.proxy.password": "hidden/word"}
    with pytest.raises(Retriable) as caught:
        opened(s3_config(s3, bucket) | HASTY | proxy).read("f")
    assert "hidden" not in str(caught.value)


def test_nobody_answers(s3: S3Server, bucket: str) -> None:
    config = s3_config(s3, bucket) | HASTY | {"store.url": "http://127.0.0.1:9"}
    every_call(opened(config), Retriable, r"Could not connect.*Headwater tries again")


def test_killed_while_a_file_is_written() -> None:
    """The service comes back; the file is written again, and read while the service goes once more."""
    with running() as server:
        server.create_bucket("lake")
        storage = opened(s3_config(server, "lake") | HASTY)
        output = storage.open_output("f")
        output.write(b"x" * 11_000_000)
        server.kill()
        with pytest.raises(Retriable):
            output.write(b"x" * 11_000_000)
        output.discard()
        with pytest.raises(Retriable):
            storage.create("m", b"1")
        server.start()
        assert list(storage.list()) == []
        assert storage.abandon_uploads(older_than_s=-60) == 1
        output = storage.open_output("f")
        output.write(b"x" * 11_000_000)
        output.publish()
        with storage.open_input("f") as source:
            server.kill()
            source.seek(0)
            with pytest.raises(Retriable, match=r"cannot read s3://lake/views/shop/f"):
                source.read(100)


def test_too_many_requests() -> None:
    """A service that serves one at a time says SlowDown to a second."""
    with running(["--max-connections", "4", "--max-requests", "1"]) as server:
        server.create_bucket("lake")
        storages = [opened(s3_config(server, "lake") | HASTY) for _ in range(8)]
        outcomes = _at_once(storages)
        assert any(isinstance(o, Retriable) and "too many requests" in str(o) for o in outcomes)
        assert all(o is True or isinstance(o, Retriable) for o in outcomes)


def _at_once(storages: list[Storage]) -> list[object]:
    def create(number: int) -> object:
        try:
            return storages[number % len(storages)].create(f"m/{number}", b"x" * 3_000_000)
        except Retriable as error:
            return error

    with ThreadPoolExecutor(len(storages)) as pool:
        return list(pool.map(create, range(100)))


def test_a_limit_of_the_file_size(tmp_path: Path) -> None:
    """Stands for a disk that is full in the middle of a file: nothing of it stays."""
    code = (
        "import sys, resource; from headwater.connectors.parquet.storage import LocalStorage\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"
        "storage = LocalStorage(sys.argv[1]); output = storage.open_output('f')\n"
        "try: output.write(b'x' * 1_500_000)\n"
        "except Exception as error: print(type(error).__name__, error)\n"
        "output.discard(); print(storage.create('m', b'small'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "Fatal cannot write" in done.stdout and done.stdout.endswith("True\n")
    assert os.listdir(tmp_path) == ["m"]


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    storage = LocalStorage(str(tmp_path / "file" / "view"))
    with pytest.raises(Fatal, match="Not a directory"):
        storage.create("f", b"x")
    assert storage.read("f") is None and list(storage.list()) == []


def test_nobody_may_write(tmp_path: Path) -> None:
    """/proc refuses everybody, root too."""
    with pytest.raises((Fatal, Retriable), match=r"cannot write /proc/sys/view/f"):
        LocalStorage("/proc/sys/view").create("f", b"x")


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, Retriable, "Free some space"),
        (errno.EDQUOT, Retriable, "raise the quota"),
        (errno.EIO, Retriable, "Check the disk"),
        (errno.EACCES, Fatal, "Let the user that runs Headwater write"),
        (errno.EROFS, Fatal, "choose another one with the option path"),
        (errno.ENAMETOOLONG, Fatal, "Choose a shorter path"),
    ],
)
def test_what_the_system_says(number: int, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught, file_errors("write", "/data/view/f"):
        raise OSError(number, os.strerror(number))
    assert f"cannot write /data/view/f: {os.strerror(number)}" in str(caught.value)


def test_the_lock_is_held_by_one_that_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say so and try again, not wait for ever: whoever waits here cannot be stopped in good order."""
    monkeypatch.setattr(local, "_LOCK_WAIT_S", 0.1)
    storage = LocalStorage(str(tmp_path))
    storage.create("f", b"old")
    _, tag = storage.read("f") or (b"", "")
    holder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(Retriable, match="another process has held its lock"):
            storage.replace("f", b"new", tag)
    finally:
        os.close(holder)
    assert storage.replace("f", b"new", tag)
