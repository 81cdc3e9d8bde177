"""Writes the worker's topics into a Kafka cluster."""

from .connector import KafkaSinkConnector

__all__ = ["KafkaSinkConnector"]
