"""The main job through `headwater run`: a database becomes topics, topics become a view, the view is rebuilt."""

from __future__ import annotations

import json
import time

import pytest

from .shop import FULL, SLIM_SOURCE, SLIM_VIEW, Shop

pytestmark = pytest.mark.system


def test_the_main_job(each_shop: Shop) -> None:
    shop = each_shop
    checked = shop.run("check", *map(str, shop.worker.files), *shop.options)
    assert {finding["level"] for finding in checked["findings"]} <= {"ok", "warning"}
    writer = shop.writer(seed=1)  # the snapshot is taken under load
    worker = shop.start()
    shop.wait_for(lambda: len(shop.tables()) >= 8)
    assert writer.stop().total() > 0
    live_changes(shop)
    shop.wait_until_equal()

    writer = shop.writer(seed=2)
    shop.server.restart()
    time.sleep(0.5)
    writer.stop()
    shop.wait_until_equal()
    rebuilt_and_back(shop)
    grown = {**FULL, "account": "id, owner, balance, seen, nick"}
    shop.execute("ALTER TABLE account ADD COLUMN nick text", "UPDATE account SET nick = 'nick' || id WHERE id % 9 = 0")
    shop.wait_until_equal(grown, grown)
    assert worker.command("status").returncode == 0
    assert worker.stop() == 0

    shop.execute("INSERT INTO account (id, owner, balance) VALUES (777777, 'while it was stopped', 1)")
    files = [*map(str, worker.files), *shop.options]
    done = worker.command("run", *files, "--data", str(worker.data), "--listen", "none", "--until-caught-up")
    assert done.returncode == 0, done.stderr
    assert shop.view_rows(grown) == shop.source_rows(grown)


def live_changes(shop: Shop) -> None:
    """One of each kind, and one that never came to be."""
    shop.execute(
        "INSERT INTO account VALUES (500001, 'new', 1.25, '2024-02-29 12:00+02')",
        "UPDATE account SET balance = -7 WHERE id = 500001",
        "UPDATE account SET id = 500002 WHERE id = 500001",
        "INSERT INTO account SELECT n, 'gone', 0 FROM generate_series(600001, 600010) n",
        "DELETE FROM account WHERE id BETWEEN 600001 AND 600010",
        "INSERT INTO note VALUES ('a table without a key'), (NULL)",
    )
    with shop.server.connect(shop.source) as connection, connection.transaction(force_rollback=True):
        connection.execute("UPDATE account SET owner = 'never'")
        connection.execute("INSERT INTO note VALUES ('never')")


def rebuilt_and_back(shop: Shop) -> None:
    """With live changes all the time."""
    writer = shop.writer(seed=3)
    try:
        plan = shop.run("rebuild", "shop-view", "--config", str(shop.slim_file), "--dry-run")["plan"]
        change = plan["changes"]["shop.public.account"]
        assert "owner" in change["dropped"] and "money" in change["added"]
        assert set(plan["changes"]) == {"shop.public.account"}
        assert shop.run("views", "shop-view")["current"] == 1
        done = shop.run("rebuild", "shop-view", "--config", str(shop.slim_file))
        assert (done["outcome"], done["generation"], done["instead_of"]) == ("done", 2, 1)
        compared = shop.run("verify", "shop-view")["result"]
        assert compared["equal"]
        assert compared["unsettled"] or compared["expected"] == compared["found"]  # the log may be compacted meanwhile
        compare_with_source(shop)
    finally:
        writer.stop()
    shop.wait_until_equal(SLIM_SOURCE, SLIM_VIEW)
    writer = shop.writer(seed=4)
    back = shop.run("rollback", "shop-view")
    writer.stop()
    assert (back["outcome"], back["generation"]) == ("done", 1)
    shop.wait_until_equal()
    view = shop.run("views")[0]
    assert view["current"] == 1
    assert {number: entry["phase"] for number, entry in view["generations"].items()} == {"1": "live", "2": "kept"}
    history = [(entry["kind"], entry["outcome"]) for entry in view["history"]]
    history = [entry for entry in history if entry != ("verify", "failed")]
    assert [kind for kind, _ in history] == ["rebuild", "rebuild", "verify", "verify", "rollback"]
    assert {outcome for _, outcome in history} == {"done"}


def compare_with_source(shop: Shop) -> None:
    """Beside live changes, once in some fifty times, a transaction is missed on one side (docs/rebuild.md). What is
    wrong with the view itself stays wrong."""
    for _ in range(3):
        done = shop.worker.command("verify", "shop-view", "--source", "--json")
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stdout + done.stderr + shop.worker.tail()
    result = json.loads(done.stdout)["result"]
    assert result["equal"]
    assert result["unsettled"] or result["expected"] == result["found"]


def test_an_edit_touches_its_own_connector_alone(shop: Shop) -> None:
    worker = shop.start()
    shop.execute("INSERT INTO note VALUES ('one')", "INSERT INTO document VALUES (1, 'one')")
    shop.wait_until_equal()
    source, view = shop.pid("shop"), shop.pid("shop-view")
    shop.source_file.write_text(shop.source_file.read_text() + "poll.interval.ms: 200\n")
    shop.wait_for(lambda: shop.pid("shop") not in (0, source))
    shop.execute("INSERT INTO account VALUES (500001, 'new', 1.25)")
    shop.wait_until_equal()
    assert shop.pid("shop-view") == view
    source = shop.pid("shop")
    shop.view_file.write_text(shop.view_file.read_text() + "batch.size: 100\n")
    shop.wait_for(lambda: shop.pid("shop-view") not in (0, view))
    shop.execute("DELETE FROM account WHERE id < 100")
    shop.wait_until_equal()
    assert shop.pid("shop") == source
    assert worker.get("/connectors/shop-view")["config"]["batch.size"] == "100"
