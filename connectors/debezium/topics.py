"""Names of topics and of the schemas that stand in them.

Source: io.debezium.schema.{AbstractTopicNamingStrategy,SchemaTopicNamingStrategy} of Debezium 3.7.0.Final.
"""

from __future__ import annotations

import re
from typing import Final

MAX_NAME_LENGTH: Final = 249
DEFAULT_HEARTBEAT_PREFIX: Final = "__debezium-heartbeat"
DEFAULT_TRANSACTION_TOPIC: Final = "transaction"
_INVALID: Final = re.compile(r"[^A-Za-z0-9._-]")


def data_topic(prefix: str, schema: str, table: str, delimiter: str = ".") -> str:
    """`<topic.prefix>.<schema>.<table>`, made valid."""
    return valid_topic(delimiter.join(part for part in (prefix, schema, table) if part.strip()))


def heartbeat_topic(prefix: str, heartbeat_prefix: str = DEFAULT_HEARTBEAT_PREFIX, delimiter: str = ".") -> str:
    return delimiter.join((heartbeat_prefix, prefix))


def transaction_topic(prefix: str, name: str = DEFAULT_TRANSACTION_TOPIC, delimiter: str = ".") -> str:
    return delimiter.join((prefix, name))


def valid_topic(name: str) -> str:
    """The name with `_` for each UTF-16 unit that a topic's name cannot hold, cut at 249 characters.

    Two tables may end up with one name; the caller refuses that.
    """
    name = _INVALID.sub(lambda found: "__" if ord(found[0]) > 0xFFFF else "_", name)[:MAX_NAME_LENGTH]
    return name.replace(".", "_") if name in (".", "..") else name


def key_schema_name(topic: str) -> str:
    return topic + ".Key"


def value_schema_name(topic: str) -> str:
    """The name of the row's schema (`before`, `after`)."""
    return topic + ".Value"
