"""A process that writes a file until it is killed. Arguments: options as JSON, path, whether to publish."""

from __future__ import annotations

import json
import sys
import time

import pyarrow as pa

from headwater.connectors.parquet.data_file import DataFile
from headwater.connectors.parquet.storage import STORAGE_OPTIONS, open_storage

SCHEMA = pa.schema({"n": pa.int64()})
ROWS = 400_000


def main(config: str, path: str, publish: str) -> None:
    values, _ = STORAGE_OPTIONS.parse(json.loads(config))
    file = DataFile(open_storage(values), path, SCHEMA, compression="none", row_group_rows=ROWS)
    for number in range(4):
        file.append(pa.record_batch({"n": range(number * ROWS, (number + 1) * ROWS)}, SCHEMA))
    print(f"{file.bytes} bytes written", flush=True)
    if publish == "publish":
        file.publish()
        print("published", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
