"""Fetches the servers before anything is timed: `python -m tests.servers.fetch demo-kafka|test`.

What is in the cache is not asked for again: a second run needs no network.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import connect, elasticsearch, kafka, postgres, registry, s3
from .programs import MissingTool

DEMO: dict[str, Callable[[], Path]] = {
    "PostgreSQL 18": lambda: postgres.binaries(18),
    "Apache Kafka 4.3 (54 MB)": lambda: kafka.binaries("4.3"),
}
TEST: dict[str, Callable[[], Path]] = {
    **DEMO,
    "PostgreSQL 15": lambda: postgres.binaries(15),
    "Apache Kafka 4.1 (54 MB)": lambda: kafka.binaries("4.1"),
    "Elasticsearch 8.19 (41 MB)": lambda: elasticsearch.binaries("elasticsearch"),
    "OpenSearch 2.19 (53 MB)": lambda: elasticsearch.binaries("opensearch"),
    "the S3 server (built: minutes)": s3.binary,
    "Apicurio's schema registry (142 MB)": registry.binaries,
    "Apicurio's converters": registry.converters,
    "Confluent's Avro serializers (30 MB)": registry.serializers,
    "Apicurio's serializers (60 MB)": registry.serdes,
    **{f"Kafka Connect with Debezium {plugin}": lambda plugin=plugin: connect.binaries(plugin)  # type: ignore[misc]
       for plugin in connect.PLUGINS},
}  # fmt: skip


def main(target: str) -> int:
    wanted = DEMO if target == "demo-kafka" else TEST
    for what, get in wanted.items():
        began = time.monotonic()
        print(f"{what} … ", end="", flush=True)
        try:
            get()
        except (MissingTool, postgres.MissingServer, RuntimeError, OSError) as error:
            print(f"failed: {error}\nCorrect that and run `make {target}` again; what is there is not fetched anew.")
            return 1
        seconds = time.monotonic() - began
        print(f"fetched in {seconds:.0f} s" if seconds > 1 else "there", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
