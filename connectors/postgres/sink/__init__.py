"""The Postgres view (sink)."""

from .connector import PostgresSinkConnector

__all__ = ["PostgresSinkConnector"]
