"""The connection to the log that a connector's affairs are looked after with, outside its tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from headwater.worker.config.client_overrides import overrides_of
from headwater.worker.config.secrets import expand
from headwater.worker.log import open_log
from headwater.worker.log.contract import Log

__all__ = ["connector_log"]


@contextmanager
def connector_log(shared: Log, settings: Mapping[str, str], data_dir: Path, raw: Mapping[str, str]) -> Iterator[Log]:
    """The worker's own, `shared`; for a connector that overrides settings of its Kafka clients one made with them.

    `settings` and `raw` as written. Raises `ConfigError`, `LogError`, `Retriable`.
    """
    overrides = overrides_of(raw)
    if not overrides or not settings.get("bootstrap.servers", "").strip():
        yield shared
        return
    with closing(open_log(expand(settings), data_dir, expand(overrides))) as own:
        yield own
