"""The way to the store is bad: each row comes once all the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from headwater.worker.api import Fatal, Retriable

from .faults import KINDS, Faults, between
from .store import S3Driver, Store

pytestmark = pytest.mark.system


@pytest.mark.parametrize(("seed", "silent"), [(0, 0), pytest.param(1, 2, marks=pytest.mark.long)])
def test_each_row_once(moto_store: Store, seed: int, silent: int) -> None:
    """`silent`: requests that get no answer, for 30 s each."""
    wanted = []
    for n in range(15):
        lines = [f"{n} {line} {'x' * (200 if n else 50_000)}" for line in range(100)]
        moto_store.put(f"in/{n:02}", "\n".join(lines))
        wanted += lines
    faults = Faults(seed, silent)
    with between(moto_store.options["store.url"], faults) as url:
        store = replace(moto_store, options={**moto_store.options, "store.url": url, "s3.part.retries": "0"})
        driver = S3Driver(store, format="lines", record_batch_max_size=37, listing_full_interval_ms=50)
        driver.start()
        failures = 0
        while len(driver.log) < len(wanted):
            try:
                driver.read()
            except Retriable:
                failures += 1
                driver.die().start()
        faults.calm = True
        driver.die().start().drain().die()
    assert Counter(driver.lines) == dict.fromkeys(wanted, 1)
    assert failures and all(faults.happened[kind] for kind in KINDS) and faults.happened["silent"] == silent


def test_no_such_bucket(store: Store) -> None:
    gone = replace(store, bucket="nobody-made-this")
    driver = S3Driver(gone, format="lines").start()
    with pytest.raises(Fatal, match=r"NoSuchBucket.*Create the bucket s3://nobody-made-this"):
        driver.read()
    driver.die()


def test_wrong_keys(gateway_store: Store) -> None:
    wrong = replace(gateway_store, options={**gateway_store.options, "aws.secret.access.key": "a wrong one"})
    driver = S3Driver(wrong, format="lines").start()
    with pytest.raises(Fatal, match=r"SignatureDoesNotMatch.*Check aws\.access\.key\.id") as caught:
        driver.read()
    assert "a wrong one" not in str(caught.value)
    driver.die()


def test_what_check_says(store: Store) -> None:
    driver = S3Driver(store, format="lines")
    (found,) = driver.connector.check(driver.values)
    assert (found.level, found.message) == ("warning", "there are no objects yet; they are waited for")
    store.put("in/a", "1\n")
    (found,) = driver.connector.check(driver.values)
    assert (found.level, found.subject) == ("ok", f"s3://{store.bucket}/in/")
    gone = S3Driver(replace(store, bucket="nobody-made-this"), format="lines")
    (found,) = gone.connector.check(gone.values)
    assert found.level == "error" and "Create the bucket" in found.message
