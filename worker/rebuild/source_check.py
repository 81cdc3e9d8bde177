"""`verify --source`: the view against the database that its topics come from, at one exact point.

The view is halted where the log ends. Then the source takes an exact snapshot, C; only then is it known how far the
view may go: up to B, each partition's first offset whose version is above C. The snapshot's rows take the very way that
changes take (the source's transforms and converters, the view's converters and transforms), and are compared at B.
Parts that hold a row for each change (of tables without a key, say) are left out: the source has no such rows.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, cast

import orjson

from headwater.worker.api import VERSION_HEADER, HasSourceRows, Partition, Position, Record, SourceRows, TopicPartition
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Isolation, Message
from headwater.worker.runtime.positions import Positions

from .comparison import Touched, compare
from .fold import Fold
from .log_only import parts_of_records
from .log_reading import read_between
from .pinning import ends, held, wait_until
from .topic_marks import complete_marks
from .verify import later_rows
from .view_pipeline import SourcePipeline
from .work import POLL_S, Refused, Work

_BATCH = 2_000


def verify_source(work: Work, generation: int) -> dict[str, Any]:
    """JSON as `verify_generation` returns it, with "against": "source". Raises `Refused`, `Aborted`."""
    owners = _owners(work, generation)
    pipelines = {name: _open(work, name) for name in sorted(set(owners.values()))}
    snapshots: dict[str, SourceRows] = {}
    try:
        of_records = parts_of_records(work, generation)
        at = ends(work, generation)
        with held(work, [generation], {generation: at}):
            _stand_still(work, generation, at)
            for name, pipeline in pipelines.items():
                work.progress(detail=f"taking an exact snapshot with {name}")
                own = [topic for topic, owner in owners.items() if owner == name]
                with closing(Positions(work.log, work.topics.offsets, name)) as positions:
                    snapshots[name] = _snapshot(pipeline, own, positions.load())
            until = _until(work, at, owners, {name: rows.version for name, rows in snapshots.items()})
            work.set_barriers({generation: until})
            wait_until(work, generation, until, "the view goes to the snapshot's point")
            reader = work.pipeline(generation).generations.pin(generation)
        fold = Fold()
        try:
            if any(reader.offsets.get(tp, 0) > offset for tp, offset in until.items()):
                raise Refused("the view has run past the point of the snapshot; start the verification again")
            for name, rows in snapshots.items():
                _fold_rows(work, generation, fold, pipelines[name], rows.records, set(owners))
            comparison = compare(fold, reader, _compacted_later(work, generation, until), of_records)
            comparison.left_out = sorted(of_records)
            result = comparison.document(work.pipeline(generation).plan.reveals)
        finally:
            reader.close()
            fold.close()
        offsets = {str(tp): offset for tp, offset in sorted(until.items())}
        versions = {name: rows.version for name, rows in snapshots.items()}
        return {**result, "against": "source", "offsets": offsets, "versions": versions}
    finally:
        for rows in snapshots.values():
            if isinstance(rows.records, Generator):
                rows.records.close()  # its snapshot is held open until then
        for pipeline in pipelines.values():
            pipeline.close()


def _compacted_later(work: Work, generation: int, until: Mapping[TopicPartition, int]) -> Touched:
    """The rows that the log touches after `until`, where it is compacted: on its way there the view may have missed
    the records that those have replaced."""
    compacted = any(info.compacted for info in work.pipeline(generation).topics(work.log).values())
    return later_rows(work, generation, until) if compacted else frozenset


def _owners(work: Work, generation: int) -> dict[str, str]:
    """The source connector of each of the view's topics. Raises `Refused` where one is not known."""
    marks = complete_marks(work.log, work.topics)
    topics = work.pipeline(generation).topics(work.log)
    unknown = sorted(set(topics) - set(marks))
    if unknown:
        raise Refused(
            f"nothing on the log says that these topics hold a complete snapshot of a source: {', '.join(unknown)}. "
            "Wait until the source's snapshot is done; topics that no source of Headwater fills can be verified "
            "against the log alone (without --source)"
        )
    return {topic: marks[topic].connector for topic in topics}


def _open(work: Work, connector: str) -> SourcePipeline:
    """Raises `Refused` where the connector is gone or its database cannot be read again."""
    with closing(CompactedDict(work.log, work.topics.configs)) as configs:
        configs.refresh()
        value = configs.get(f"connector-{connector}".encode())
    if value is None:
        raise Refused(f"the source connector {connector}, which filled the view's topics, is not there any more")
    pipeline = SourcePipeline(orjson.loads(value)["properties"], work.settings, work.wait_for_record)
    work.learn_secrets(pipeline.secrets)
    if not hasattr(pipeline.plan.connector, "source_rows"):
        pipeline.close()
        raise Refused(f"{type(pipeline.plan.connector).__name__} cannot read its source again at an exact point")
    return pipeline


def _snapshot(
    pipeline: SourcePipeline, topics: list[str], positions: Sequence[tuple[Partition, Position]]
) -> SourceRows:
    source = cast(HasSourceRows, pipeline.plan.connector)
    # Transforms may have led the source's own topics elsewhere: then it is asked for all of them, () in its words.
    return source.source_rows(pipeline.plan.values, () if pipeline.plan.stages else topics, positions)


def _stand_still(work: Work, generation: int, at: dict[TopicPartition, int]) -> None:
    """Wait until the view has come to the barrier and has stopped there, at most one batch further."""
    before = wait_until(work, generation, at, "the view goes to the end of the log")
    while True:
        for _ in range(4):
            work.wait(POLL_S)
        now = work.reached(generation)
        if now == before:
            break
        before = now
    for tp in at:
        at[tp] = max(at[tp], now.get(tp, 0))


def _until(
    work: Work, start: Mapping[TopicPartition, int], owners: Mapping[str, str], versions: Mapping[str, int]
) -> dict[TopicPartition, int]:
    """For each partition the first offset at or after `start` whose version is above its source's snapshot."""
    for connector, version in versions.items():
        _wait_for_position(work, connector, version)
    # Kafka shows the end of a transaction in one partition after the other: uncommitted ends hold what is on its way.
    stop = work.log.end_offsets(list(start), Isolation.READ_UNCOMMITTED)
    found: dict[TopicPartition, int] = {}
    for messages in read_between(work.log, start, stop, work.check):
        for message in messages:
            tp = TopicPartition(message.topic, cast(int, message.partition))
            if tp not in found and (_version(message) or 0) > versions[owners[tp.topic]]:
                found[tp] = message.offset
    return {tp: found.get(tp, stop[tp]) for tp in start}


def _wait_for_position(work: Work, connector: str, version: int) -> None:
    """Wait until the source has written everything up to `version` to the log. Raises `Aborted`."""
    with closing(Positions(work.log, work.topics.offsets, connector)) as positions:
        while True:
            stored = [v for _, position in positions.load() if (v := _position_version(position)) is not None]
            if stored and max(stored) > version:
                return
            work.progress(detail=f"waiting for {connector} to read up to the snapshot")
            work.wait(POLL_S)


def _position_version(position: Mapping[str, Any]) -> int | None:
    """Everything of a lower version is on the log; None for a position of another kind (a snapshot's chunks)."""
    epoch, lsn = position.get("epoch"), position.get("commit_lsn")
    return (epoch << 53) | lsn if isinstance(epoch, int) and isinstance(lsn, int) else None


def _version(message: Message) -> int | None:
    for name, value in message.headers:
        if name == VERSION_HEADER and value is not None:
            return int(value)
    return None


def _fold_rows(
    work: Work, generation: int, fold: Fold, source: SourcePipeline, records: Iterable[Record], topics: set[str]
) -> None:
    done = 0
    with work.pipeline(generation).expectation() as expect:
        for batch in _batches(records):
            fold.add(expect([m for m in source.messages(batch) if m.topic in topics]))
            done += len(batch)
            work.progress(done, unit="rows", detail="reading the source")
            work.check()


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while batch := list(islice(rest, _BATCH)):
        yield batch
