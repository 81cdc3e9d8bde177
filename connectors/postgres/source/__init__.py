"""PostgreSQL as a source: logical replication to Debezium's change events."""

from .connector import PostgresSourceConnector

__all__ = ["PostgresSourceConnector"]
