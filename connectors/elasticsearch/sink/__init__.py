"""The Elasticsearch view: indices kept up to date from topics."""

from .connector import ElasticsearchSinkConnector

__all__ = ["ElasticsearchSinkConnector"]
