"""Headwater beside Debezium on Kafka Connect and beside the raw limits, in one run, as ratios.

`python bench/beside_debezium.py [--rows N] [--changes N] [--table flights|orders] [--debezium 3.7,3.3|none] …`: starts
PostgreSQL 18 and an Apache Kafka 4.3 broker, then one worker after the other on the same rows, the same changes and
topics of the same shape (one partition). Results on stdout, progress on stderr. docs/benchmarks.md says what each
line measures.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.beside.configs import Shape  # noqa: E402
from bench.beside.peers import JAVA  # noqa: E402
from bench.beside.run import PATHS, Run, Wanted  # noqa: E402
from bench.beside.table import TABLES  # noqa: E402
from tests.servers import kafka, postgres  # noqa: E402

POSTGRES = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "512MB", "max_wal_size": "8GB"}
QUIET = {"autovacuum": "off"}
"""So that all workers find the server in the same state; tables are vacuumed before they are read."""
BROKER = {"broker.session.timeout.ms": "30000", "broker.heartbeat.interval.ms": "2000"}
"""A busy machine is no dead broker."""


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=200_000, help="of the table [200000]")
    parser.add_argument("--changes", type=int, help="written while the sources are stopped [as many as rows]")
    parser.add_argument("--warm-rows", type=int, default=50_000, help="read by each worker before it is timed [50000]")
    parser.add_argument("--table", choices=TABLES, default="flights", help="20 columns or 10 of more types [flights]")
    parser.add_argument("--debezium", default="3.7", help="versions of its source: 3.7, 3.7,3.3 or none [3.7]")
    parser.add_argument("--debezium-by-default", action="store_true", help="not with larger batches")
    parser.add_argument("--schemas", choices=("on", "off"), default="on", help="in JSON; off: sources only [on]")
    parser.add_argument("--compression", default="lz4", help="of the topics, e.g. none [lz4]")
    parser.add_argument("--at-least-once", action="store_true", help="exactly-once sources off, for all")
    parser.add_argument("--without", default="", help=f"paths to leave out: {', '.join(PATHS)}")
    parser.add_argument("--json", action="store_true", help="results as JSON")
    return parser.parse_args()


def wanted_of(given: argparse.Namespace) -> Wanted:
    without = set(filter(None, given.without.split(",")))
    if given.schemas == "off":
        without |= {"postgres-view", "parquet-view", "rebuild"}  # a sink makes its table from the schemas
    return Wanted(
        table=TABLES[given.table],
        rows=given.rows,
        changes=given.changes or given.rows,
        warm_rows=min(given.rows, given.warm_rows),
        debezium=[] if given.debezium == "none" else given.debezium.split(","),
        debezium_by_default=given.debezium_by_default,
        paths=[path for path in PATHS if path not in without],
        shape=Shape(given.schemas == "on", given.compression, not given.at_least_once),
    )


def main() -> None:
    given = parsed()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"ended by signal {number}"))  # and close everything
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres.running(18, settings={**POSTGRES, **QUIET}))
        broker = stack.enter_context(kafka.running("4.3", settings=BROKER, java_options=JAVA))
        results = Run(wanted_of(given), server, broker, folder, stack).all()
    if given.json:
        print(json.dumps({"options": vars(given), "results": results.as_json()}, indent=1))
    else:
        print(results.text())


if __name__ == "__main__":
    main()
