"""A table in a temporary file, for what may become larger than memory."""

from __future__ import annotations

import os
import sqlite3
import tempfile


def scratch_table(prefix: str, table: str, any_thread: bool = False) -> sqlite3.Connection:
    """`prefix`: of the file's name. `table`: a CREATE TABLE. `any_thread`: more than the one that made it may use it.

    The file goes with the connection, and with the process, however that ends. Nothing in it is durable, and nothing is
    rolled back.
    """
    handle, path = tempfile.mkstemp(prefix=prefix, suffix=".db")
    os.close(handle)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=not any_thread)
    connection.execute("PRAGMA journal_mode = OFF")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(table)
    os.unlink(path)
    return connection
