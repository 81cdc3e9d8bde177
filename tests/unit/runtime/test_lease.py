"""The lease as its readers in other processes see it."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from headwater.worker.runtime.lease import Lease, LeaseReader, now_ms


def test_held_until_its_end() -> None:
    lease = Lease()
    assert not lease.held
    lease.grant(now_ms() + 60_000)
    reader = LeaseReader(lease.path, lease.number)
    assert lease.held and reader.held
    lease.grant(now_ms() + 20)
    time.sleep(0.05)
    assert not lease.held and not reader.held
    lease.close()


def test_what_is_over_is_not_renewed() -> None:
    lease = Lease()
    lease.grant(now_ms() - 1)
    assert not lease.renew(now_ms() + 60_000)
    assert not lease.held
    lease.grant(now_ms() + 60_000)
    assert lease.renew(now_ms() + 90_000)
    end = lease.end_ms
    assert lease.renew(now_ms() + 1_000) and lease.end_ms == end, "an old answer takes nothing back"
    lease.close()


def test_who_was_started_under_another_one_never_holds_it_again() -> None:
    lease = Lease()
    lease.grant(now_ms() + 60_000)
    old = LeaseReader(lease.path, lease.number)
    lease.end()
    assert not old.held
    lease.grant(now_ms() + 60_000)
    assert not old.held
    assert LeaseReader(lease.path, lease.number).held
    lease.close()


def test_another_process_sees_it_and_its_end() -> None:
    lease = Lease()
    lease.grant(now_ms() + 60_000)
    program = (
        "import sys\nfrom headwater.worker.runtime.lease import LeaseReader\n"
        "reader = LeaseReader(sys.argv[1], int(sys.argv[2]))\n"
        "for _ in sys.stdin:\n    print(reader.held, flush=True)\n"
    )
    command = [sys.executable, "-c", program, lease.path, str(lease.number)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None and child.stdout is not None

        def answer() -> str:
            assert child.stdin is not None and child.stdout is not None
            child.stdin.write("\n")
            child.stdin.flush()
            return child.stdout.readline().strip()

        assert answer() == "True"
        lease.close()
        assert answer() == "False"
        child.stdin.close()
    with pytest.raises(OSError):
        LeaseReader(lease.path, 1)
