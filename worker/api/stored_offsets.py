"""Offsets that a user wants to store, as Kafka Connect's `PATCH /connectors/NAME/offsets` brings them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .errors import ConfigError, Problem
from .record import Partition, Position


def check_offsets(
    offsets: Sequence[tuple[Partition, Position | None]], read: Callable[[Partition, Position], object]
) -> None:
    """For `SourceConnector.alter_offsets`: each can be read by `read`, which raises `ValueError` where one cannot.

    Raises `ConfigError` that names all that cannot. None resets a partition, and is never read.
    """
    problems = []
    for partition, position in offsets:
        if position is None:
            continue
        try:
            read(partition, position)
        except ValueError as error:
            problems.append(Problem(f"offset of {dict(partition)}", f"cannot be read: {error}"))
    if problems:
        raise ConfigError(problems)
