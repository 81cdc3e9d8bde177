"""A process that joins a group as member 0 of 2, says how many partitions it has, and dies when any is taken from it.

Argument: a JSON object with `settings`, `data_dir`, `group` and `topic`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from headwater.worker.api import TopicPartition
from headwater.worker.log import open_log


def main() -> None:
    given = json.loads(sys.argv[1])

    def on_assigned(partitions: Mapping[TopicPartition, str]) -> Mapping[TopicPartition, int | None]:
        print(len(partitions), flush=True)
        return dict.fromkeys(partitions)

    def on_revoked(partitions: Sequence[TopicPartition]) -> None:
        os._exit(9)

    consumer = open_log(given["settings"], Path(given["data_dir"])).consumer(given["group"])
    consumer.subscribe([given["topic"]], (0, 2), on_assigned, on_revoked)
    while True:
        consumer.poll(100, 0.2)


if __name__ == "__main__":
    main()
