"""Rebuilds that are killed, given up or do not pass the verification: readers have the old view all the time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import psycopg
import pytest

from headwater.worker.config.load import load_files

from .shop import Shop

pytestmark = pytest.mark.system

STAGES = ["preflight", "create", "replay", "catch_up", "verify", "ready", "swap"]
KILLED = ["replay", "verify", "ready", "swap"]
SPOIL = """
CREATE FUNCTION headwater.spoil() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.id = 77 THEN NEW.money = 123456; END IF; RETURN NEW; END $$
"""


def rebuild(shop: Shop, file: Path, **options: Any) -> str:
    """The job's id."""
    config = load_files([file])[0].raw
    return str(shop.worker.request("POST", "/views/shop-view/rebuild", {**options, "config": config})["job"]["id"])


def stage(shop: Shop, job: str) -> str:
    """Of this job; `over` after it."""
    running = shop.progress()["job"]
    return str(running["stage"]) if running is not None and running["id"] == job else "over"


def kill_job(shop: Shop) -> None:
    for pid in shop.worker.children():
        try:
            if b"rebuild.job_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def kill_worker(shop: Shop) -> None:
    shop.worker.kill()
    shop.start()


def reader(shop: Shop) -> psycopg.Connection[Any]:
    """A transaction that has read the view and stays open: no swap can pass it."""
    connection = psycopg.connect(shop.server.dsn(shop.view))
    connection.execute("SELECT count(*) FROM public.shop_public_account")
    return connection


def old_view_serves(shop: Shop, columns: str) -> bool:
    with shop.server.connect(shop.view) as connection:
        row = connection.execute(f"SELECT count(*), count({columns}) FROM public.shop_public_account").fetchone()
    return row is not None and int(str(row[0])) > 1500


@pytest.mark.timeout(1200)
def test_a_rebuild_killed_in_any_stage_comes_to_its_end(shop: Shop) -> None:
    """One rebuild a stage, to and fro between two configs; the job's process and the whole worker die by turns."""
    shop.start()
    shop.wait_until_equal()
    full, slim = shop.folder / "full.yaml", shop.slim_file
    full.write_text(shop.view_file.read_text())
    kills: list[Callable[[Shop], None]] = [kill_job, kill_worker]
    reached = []
    writer = shop.writer(seed=9, pause_s=0.3)  # slow enough that a rebuild comes after on a busy machine
    try:
        for number, wanted in enumerate(KILLED):
            column = "money" if number % 2 else "owner"
            promote = "manual" if wanted == "ready" else "auto"
            with reader(shop) if wanted == "swap" else nullcontext():
                job = rebuild(shop, full if number % 2 else slim, promote=promote, keep="0")
                shop.wait_for(
                    lambda job=job, wanted=wanted: stage(shop, job) in ("over", *STAGES[STAGES.index(wanted) :])
                )
                reached.append(stage(shop, job))
                if reached[-1] not in ("swap", "over"):
                    assert old_view_serves(shop, column)
                kills[number % 2](shop)
            if wanted == "ready":
                shop.wait_for(lambda job=job: stage(shop, job) == "ready")
                assert old_view_serves(shop, column)
                shop.worker.request("POST", "/views/shop-view/promote")
            assert shop.wait_for_end(job)["outcome"] == "done", (wanted, shop.worker.tail())
    finally:
        writer.stop()
    assert {"ready", "swap"} <= set(reached)
    shop.wait_until_equal()
    assert shop.run("verify", "shop-view", "--source")["result"]["equal"]


@pytest.mark.parametrize("when", ["replay", "ready"])
def test_what_is_given_up_leaves_nothing_behind(shop: Shop, when: str) -> None:
    shop.start()
    shop.wait_until_equal()
    before = shop.tables()
    job = rebuild(shop, shop.slim_file, promote="manual")
    shop.wait_for(lambda: stage(shop, job) in STAGES[STAGES.index(when) :])
    kill_job(shop)
    shop.wait_for(lambda: stage(shop, job) in STAGES[STAGES.index(when) :])
    done = shop.run("rebuild", "shop-view", "--abort")
    assert (done["outcome"], done["clean"]) == ("aborted", True)
    nothing_is_left(shop, before)
    shop.execute("UPDATE account SET balance = 0 WHERE id < 10")
    shop.wait_until_equal()


def test_a_generation_that_is_not_equal_is_never_swapped_in(shop: Shop) -> None:
    shop.start()
    shop.wait_until_equal()
    before = shop.tables()
    with shop.server.connect(shop.view) as connection:
        connection.execute(SPOIL)
    job = rebuild(shop, shop.slim_file)
    spoil(shop, before)
    last = shop.wait_for_end(job)
    assert (last["outcome"], last["stage"]) == ("failed", "give_up")
    assert "1 rows differ" in last["reasons"][0]
    assert "77" in last["reasons"][1]
    shop.wait_for(lambda: list(shop.progress()["generations"]) == ["1"])
    nothing_is_left(shop, before)
    shop.execute("DELETE FROM account WHERE id < 10")
    shop.wait_until_equal()

    job = rebuild(shop, shop.slim_file, keep_failed=True)
    spoil(shop, before)
    assert shop.wait_for_end(job)["outcome"] == "failed"
    assert shop.progress()["generations"] == {"1": "live", "3": "failed"}
    assert len(shop.tables()) > len(before)
    assert shop.run("rebuild", "shop-view", "--abort")["outcome"] == "dropped"
    nothing_is_left(shop, before)


def spoil(shop: Shop, before: list[str]) -> None:
    """Whatever is written into the new table of accounts, one row of it is wrong."""

    def table() -> str | None:
        return next((name for name in shop.tables() if name not in before and "account" in name), None)

    shop.wait_for(table)
    with shop.server.connect(shop.view) as connection:
        connection.execute(
            f"CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON {table()} FOR EACH ROW EXECUTE FUNCTION headwater.spoil()"
        )


def nothing_is_left(shop: Shop, before: list[str]) -> None:
    """No table, no row of Headwater's own tables and no consumer group of any generation but the first."""
    assert shop.tables() == before
    with shop.server.connect(shop.view) as connection:
        for table in ("generations", "tables", "offsets"):
            found = connection.execute(f"SELECT DISTINCT generation FROM headwater.{table}").fetchall()
            assert found == [(1,)], table
    with closing(shop.open_log()) as log:
        assert log.committed("connect-shop-view")
        for number in (2, 3):
            assert not log.committed(f"connect-shop-view-g{number}")
