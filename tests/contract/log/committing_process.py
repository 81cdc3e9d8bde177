"""A process that the tests kill: commits transactions as fast as it can and says which ones were acknowledged.

Each transaction n writes a random number of records `n:i/count`, some of them behind a long beginning `#...#` that many
share, over all partitions of `topic`, a position n into the compacted `positions`, and n as the group's offset.
Arguments: one JSON object on stdin. A line `n` on stdout follows the commit of n.
"""

from __future__ import annotations

import json
import random
import sys
import threading
from pathlib import Path

from headwater.worker.api import TopicPartition
from headwater.worker.log import Fenced, Log, Message, open_log

BEGINNINGS = (b"", *(b"#" + letter * 700 + b"#" for letter in (b"a", b"b", b"c")))


def keep_up(log: Log) -> None:
    while True:
        log.maintain(0.01)


def main() -> None:
    given = json.loads(sys.stdin.readline())
    log = open_log(given["settings"], Path(given["data_dir"]))
    if given.get("maintain"):
        threading.Thread(target=keep_up, args=(log,), daemon=True).start()
    producer = log.producer(given["id"])
    producer.init_transactions()
    where = TopicPartition(given["topic"], 0)
    number = given["first"]
    while given.get("last") is None or number <= given["last"]:
        count = random.randint(1, given["most"])
        try:
            producer.begin()
            producer.send(
                Message(
                    given["topic"],
                    b"%d" % (index % 50),
                    random.choice(BEGINNINGS) + b"%d:%d/%d" % (number, index, count),
                )
                for index in range(count)
            )
            producer.send([Message(given["positions"], given["id"].encode(), b"%d" % number)])
            producer.send_offsets(given["id"], {where: number})
            producer.commit()
        except Fenced:
            print("fenced", flush=True)
            return
        print(number, flush=True)
        number += 1
    print("done", flush=True)


if __name__ == "__main__":
    main()
