"""Reads topics of a Kafka cluster into the worker's log: repartitions, copies, moves them."""

from .connector import KafkaSourceConnector

__all__ = ["KafkaSourceConnector"]
